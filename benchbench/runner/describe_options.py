"""The options of a registered architecture in words, from its options model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from benchbench.core.model import JsonValue, Options
from benchbench.runner.describe_records import OptionDescription


def describe_options(model: type[Options]) -> tuple[OptionDescription, ...]:
    """The options that `model` declares, with type, default and range from its JSON Schema."""
    schema = model.model_json_schema()
    required, said = schema.get("required", ()), _attributes(model)
    return tuple(
        OptionDescription(
            name=name,
            type=_type(field),
            default=field.get("default"),
            required=name in required,
            range=_range(field),
            help=field.get("description") or said.get(name, ""),
        )
        for name, field in schema.get("properties", {}).items()
    )


def _attributes(model: type[Options]) -> dict[str, str]:
    # What each option means stands once, in the docstring of its model.
    told: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(model) or "").partition("Attributes:\n")[2].splitlines():
        head, colon, text = line.strip().partition(": ")
        if line.startswith("    ") and not line.startswith("     ") and colon:
            names = [name.strip() for name in head.split(",")]
        else:
            text = line.strip()
        told |= {name: f"{told.get(name, '')} {text}".strip() for name in names}
    return told


def _type(field: Mapping[str, JsonValue]) -> str:
    if isinstance(choices := field.get("enum"), list):
        return "one of " + ", ".join(map(str, choices))
    if "const" in field:
        return f"always {field['const']}"
    if isinstance(branches := field.get("anyOf"), list):
        return " or ".join(_type(branch) for branch in branches if isinstance(branch, dict))
    if field.get("type") == "array" and isinstance(items := field.get("items"), dict):
        return f"list of {_type(items)}"
    words = {
        "integer": "integer",
        "number": "number",
        "string": "text",
        "boolean": "true/false",
        "null": "null",
    }
    return words.get(str(field.get("type")), str(field.get("type", "any")))


def _range(field: Mapping[str, JsonValue]) -> str:
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]}" for key, sign in signs.items() if key in field]
    if "multipleOf" in field:
        bounds.append(f"multiple of {field['multipleOf']}")
    return ", ".join(bounds)
