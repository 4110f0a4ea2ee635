"""The JSON Schema of a suite file, by which an editor completes and checks one while it is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from pydantic import JsonValue

from benchbench.core import registry
from benchbench.core.expectation import PRINTED
from benchbench.core.gate_rules import PERCENT_PATTERN
from benchbench.core.input_spec import TensorInput
from benchbench.core.model import Options
from benchbench.core.suite import IMPORT_FORM, Collection, Suite

Schema = dict[str, JsonValue]

_TEXT: Schema = {"type": "string"}
_SHAPE: Schema = {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}}
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
        [_with_shapes(form) for form in _named("architecture", "name", registry.ARCHITECTURES, brought)],
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
    definitions["DeploySpec"] = _deployments(definitions["DeploySpec"], brought)
    _allow_one(schema, "deploy", "DeploySpec")
    printed: Schema = {"type": "string", "pattern": f"^{PRINTED.pattern}$"}
    figure: Schema = {"anyOf": [{"type": "number"}, printed]}
    said = definitions["Expectation"]["properties"]
    assert isinstance(said, dict)
    said["value"] = figure
    definitions["Expectation"] = _or(definitions["Expectation"], figure)
    definitions["GateRule"] = _gate_rule(definitions["GateRule"])
    _allow_one(definitions["Variant"], "replace", "ReplaceSpec")
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
    stage: Schema = _or({"type": "array", "items": _TEXT, "minItems": 1}, _TEXT)
    given: Schema = {
        "import": {
            **_TEXT,
            "pattern": IMPORT_FORM,
            "description": "package.module:callable or folder/file.py:callable",
        },
        "kwargs": properties["kwargs"],
        "attribute": {**_TEXT, "description": "the submodule of what was built that is meant"},
        "input": _arguments(),
        "stages": {"type": "object", "additionalProperties": stage},
    }
    return {**_object(given), "required": ["import", "input"], "title": "import"}


def _with_shapes(form: JsonValue) -> JsonValue:
    """A registered architecture takes other shapes beside its options; the short form, a name, does not."""
    if not isinstance(form, dict) or not isinstance(form.get("properties"), dict):
        return form
    shapes: Schema = {"anyOf": [{**_SHAPE, "minItems": 1}, {"type": "array", "items": _SHAPE, "minItems": 1}]}
    properties = form["properties"]
    assert isinstance(properties, dict)
    return {**form, "properties": {**properties, "input": shapes}}


def _arguments() -> Schema:
    """One tensor, a list of arguments or arguments by name; see core/input_spec.py."""
    tensor: Schema = {"anyOf": [_SHAPE, TensorInput.model_json_schema()]}
    entries: Schema = {"type": "object", "minProperties": 1, "not": {"required": ["shape"]}}
    argument: Schema = {"anyOf": [tensor, {**entries, "additionalProperties": tensor}]}
    several: Schema = {"type": "array", "items": argument, "minItems": 1}
    by_name: Schema = {**entries, "additionalProperties": argument}
    return {"anyOf": [{**_SHAPE, "minItems": 1}, TensorInput.model_json_schema(), several, by_name]}


def _allow_one(whole: Schema, key: str, part: str) -> None:
    """Let `key` be declared as its only item, too."""
    properties = whole["properties"]
    assert isinstance(properties, dict)
    several = properties[key]
    assert isinstance(several, dict)
    properties[key] = _or(several, {"$ref": f"#/$defs/{part}"})


def _deployments(spec: Schema, brought: dict[str, Schema]) -> Schema:
    """The short form, then one mapping per backend with its options, then several that have none."""
    said = spec["properties"]
    assert isinstance(said, dict)
    forms: list[JsonValue] = [_one_of_names(registry.BACKENDS)]
    for name in registry.BACKENDS:
        own = _options("backend", name, registry.BACKENDS.load(name).options, brought)
        options = own.get("properties", {})
        assert isinstance(options, dict)
        one: Schema = {"anyOf": [{"const": name}, {"type": "array", "items": {"const": name}, "minItems": 1}]}
        forms.append({**_object({**said, "backend": one, **options}), "required": ["backend"], "title": name})
    several: Schema = {"type": "array", "items": _one_of_names(registry.BACKENDS), "minItems": 1}
    forms.append({**_object({**said, "backend": several}), "required": [], "title": "every combination"})
    return {"anyOf": forms}


def _gate_rule(rule: Schema) -> Schema:
    tolerance: Schema = {
        "anyOf": [
            {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            {"type": "string", "pattern": PERCENT_PATTERN},
        ]
    }
    properties = rule["properties"]
    assert isinstance(properties, dict)
    properties["tolerance"] = tolerance
    return {"anyOf": [_one_of_names(("exact", "ignore")), tolerance, rule]}


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
