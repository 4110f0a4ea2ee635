"""The JSON Schema of a suite file, by which an editor completes and checks one while it is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from pydantic import JsonValue

from benchbench.core import registry
from benchbench.core.expectation import PRINTED
from benchbench.core.model import Options
from benchbench.core.suite import Collection, Suite

Schema = dict[str, JsonValue]

_TEXT: Schema = {"type": "string"}
_SWEPT = r"^(architecture|discriminator|variant|data|train)\..+$"


class _Brings(Protocol):
    @property
    def options(self) -> type[Options]: ...


BringsT = TypeVar("BringsT", bound=_Brings)


def suite_schema() -> Schema:
    """The schema (draft 2020-12) of a suite file, with every registered name and its options.

    Strict as the reader is: an unknown key is an error. Short forms (`data: photos`) are in it.

    Raises:
        BenchbenchError: a registered module that cannot be imported.
    """
    schema = Suite.model_json_schema(by_alias=True)
    definitions: dict[str, Schema] = schema["$defs"]
    brought: dict[str, Schema] = {}
    definitions["ArchitectureSpec"] = _any_of(
        _named("architecture", "name", registry.ARCHITECTURES, brought),
        [_imported(definitions["ArchitectureSpec"])],
    )
    definitions["Reference"] = _any_of(_named("replacement", "name", registry.REPLACEMENTS, brought))
    definitions["DataSpec"] = _any_of(_named("source", "source", registry.SOURCES, brought))
    definitions["TrainSpec"] = _any_of(
        _named("recipe", "recipe", registry.RECIPES, brought)[1:],
        [
            _object(
                {
                    "load": {
                        **_TEXT,
                        "description": "a checkpoint; {cell}, {variant}, {seed} stand for a cell's",
                    }
                }
            )
        ],
    )
    definitions["MeasureSpec"] = _any_of(_measures(brought))
    printed: Schema = {"type": "string", "pattern": f"^{PRINTED.pattern}$"}
    figure: Schema = {"anyOf": [{"type": "number"}, printed]}
    said = definitions["Expectation"]["properties"]
    assert isinstance(said, dict)
    said["value"] = figure
    definitions["Expectation"] = _or(definitions["Expectation"], figure)
    _allow_one_replacement(definitions["Variant"])
    definitions["Variant"] = _or(definitions["Variant"], {"type": "null"})
    properties: dict[str, Schema] = schema["properties"]
    properties["matrix"] = _matrix(properties["matrix"])
    del schema["$defs"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A benchbench suite, or a file that lists several",
        "type": "object",
        "if": {"required": ["include"]},
        "then": Collection.model_json_schema(),
        "else": schema,
        "$defs": {**definitions, **brought},
    }


def _named(
    kind: str, key: str, names: registry.Registry[BringsT], brought: dict[str, Schema]
) -> list[JsonValue]:
    """The short form (one of the names), then a mapping per name with that name's options."""
    forms: list[JsonValue] = [_one_of_names(names)]
    for name in names:
        options = _options(kind, name, names.load(name).options, brought)
        forms.append(_with_key(options, key, name))
    return forms


def _measures(brought: dict[str, Schema]) -> list[JsonValue]:
    forms: list[JsonValue] = [_one_of_names(registry.MEASURES)]
    for name in registry.MEASURES:
        options = _options("measure", name, registry.MEASURES.load(name).options, brought)
        nested: Schema = options if options.get("required") else {"anyOf": [options, {"type": "null"}]}
        forms.append(_object({name: nested}))
        forms.append(_with_key(options, "name", name))
    return forms


def _options(kind: str, name: str, model: type[Options], brought: dict[str, Schema]) -> Schema:
    prefix = f"{kind}.{name}"
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for part, definition in schema.pop("$defs", {}).items():
        brought[f"{prefix}.{part}"] = definition
    return schema


def _with_key(options: Schema, key: str, name: str) -> Schema:
    properties, required = options.get("properties", {}), options.get("required", [])
    assert isinstance(properties, dict)
    assert isinstance(required, list)
    joined: Schema = {key: {"const": name}, **properties}
    merged: Schema = {**options, "properties": joined, "required": [key, *required]}
    return {**merged, "title": name}


def _imported(spec: Schema) -> Schema:
    properties = spec["properties"]
    assert isinstance(properties, dict)
    size: Schema = {"type": "integer", "exclusiveMinimum": 0}
    shape: Schema = {"type": "array", "items": size}
    stage: Schema = _or({"type": "array", "items": _TEXT, "minItems": 1}, _TEXT)
    given: Schema = {
        "import": {**_TEXT, "pattern": r"^[\w.]+:[\w.]+$", "description": "module:callable"},
        "kwargs": properties["kwargs"],
        "input": {"anyOf": [{**shape, "minItems": 1}, {"type": "array", "items": shape, "minItems": 1}]},
        "stages": {"type": "object", "additionalProperties": stage},
    }
    return {**_object(given), "required": ["import", "input"], "title": "import"}


def _allow_one_replacement(variant: Schema) -> None:
    properties = variant["properties"]
    assert isinstance(properties, dict)
    several = properties["replace"]
    assert isinstance(several, dict)
    properties["replace"] = _or(several, {"$ref": "#/$defs/ReplaceSpec"})


def _matrix(declared: Schema) -> Schema:
    values: Schema = {"type": "array", "minItems": 1, "uniqueItems": True}
    return {
        "type": "object",
        "description": "what is swept: seed, variant, or a field such as train.steps",
        "properties": {
            "seed": {**values, "items": {"type": "integer", "minimum": 0}},
            "variant": _or({**values, "items": _TEXT}, _TEXT),
        },
        "patternProperties": {_SWEPT: {"anyOf": [values, {"type": ["string", "object"]}]}},
        "additionalProperties": False,
        "default": declared.get("default", {}),
    }


def _one_of_names(names: Iterable[str]) -> Schema:
    return {"enum": list(names)}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _or(first: Schema, second: Schema) -> Schema:
    return {"anyOf": [first, second]}


def _any_of(*forms: list[JsonValue]) -> Schema:
    return {"anyOf": [each for group in forms for each in group]}
