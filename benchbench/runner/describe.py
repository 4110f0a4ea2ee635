"""Everything that can be said of a network before it is trained: options, stages, parameters, MACs."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import ArchitectureError, OptionError, unknown_name
from benchbench.core.measurement import LayerCount
from benchbench.core.model import Frozen, JsonValue, Options, explain_validation
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.stages import stage_of
from benchbench.core.suite import ArchitectureSpec, Paper

REST = "(no stage)"


class OptionDescription(Frozen):
    """One option of a registered architecture; `range` is in words."""

    name: str
    type: str
    default: JsonValue = None
    required: bool = False
    range: str = ""
    help: str = ""


class StageDescription(Frozen):
    """One stage: how it is declared, its layers with weights, and what it costs at the stated input."""

    name: str
    patterns: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    parameters: int = 0
    macs: int = 0


class Description(Frozen):
    """A network, described. `parameters` and `macs` are those of one forward pass at `inputs`."""

    name: str
    summary: str = ""
    paper: Paper | None = None
    options: tuple[OptionDescription, ...] = ()
    inputs: tuple[InputSpec, ...]
    parameters: int
    macs: int
    macs_output_size: int
    stages: tuple[StageDescription, ...]


def describe(
    target: str,
    settings: Mapping[str, JsonValue] | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    folders: Sequence[Path] = (),
) -> Description:
    """A registered architecture, or a `module:callable` that builds an `nn.Module`.

    Args:
        target: a registered name or an import path.
        settings: its options, or keyword arguments of the callable.
        input_shape: batch first; needed for an import, else the architecture's own.
        folders: where an imported module is looked for before the working directory.

    Raises:
        UnknownNameError, OptionError, ArchitectureError: as `build_architecture`.
        MeasurementError: an operator that no counting rule covers.
    """
    from benchbench.architectures.build import build_architecture
    from benchbench.measures.counting import count

    built = build_architecture(_spec(target, settings or {}, input_shape), folders=folders)
    counts = count(built.module)
    known = None if ":" in target else ARCHITECTURES.load(target)
    return Description(
        name=target,
        summary=_summary(target),
        paper=known.paper if known else None,
        options=describe_options(known.options) if known else (),
        inputs=built.inputs,
        parameters=counts.parameters,
        macs=counts.macs,
        macs_output_size=counts.macs_output_size,
        stages=_stages(built.stages, counts.layers),
    )


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


def _spec(target: str, settings: Mapping[str, JsonValue], shape: Sequence[int] | None) -> ArchitectureSpec:
    declared: dict[str, JsonValue] = {} if shape is None else {"input": [list(shape)]}
    if ":" in target:
        if shape is None:
            raise ArchitectureError(
                f"'{target}' does not say what it takes",
                expected="the shape of one input, batch first",
                fix=f"benchbench describe {target} --input 1,3,256,256",
            )
        declared |= {"import": target, "kwargs": dict(settings)}
    else:
        if target not in ARCHITECTURES:
            raise unknown_name("architecture", target, ARCHITECTURES)
        declared |= {**settings, "name": target}
    try:
        return ArchitectureSpec.model_validate(declared)
    except ValidationError as error:
        _, problem, expected, fix = explain_validation(error, ArchitectureSpec)
        raise OptionError(f"'{target}': {problem}", expected=expected, fix=fix) from None


def _summary(target: str) -> str:
    return next((entry.summary for entry in ARCHITECTURES.entries() if entry.name == target), "")


def _stages(
    stages: Mapping[str, tuple[str, ...]], layers: Sequence[LayerCount]
) -> tuple[StageDescription, ...]:
    inside: dict[str, list[LayerCount]] = {name: [] for name in stages}
    for layer in layers:
        inside.setdefault(layer.stage or stage_of(layer.path, stages) or REST, []).append(layer)
    return tuple(
        StageDescription(
            name=name,
            patterns=stages.get(name, ()),
            layers=tuple(layer.path for layer in members if layer.parameters or layer.macs),
            parameters=sum(layer.parameters for layer in members),
            macs=sum(layer.macs for layer in members),
        )
        for name, members in inside.items()
        if name in stages or any(layer.parameters or layer.macs for layer in members)
    )


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
