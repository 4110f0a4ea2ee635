"""What a command names, as a specification or a cell: a registered architecture, or somebody's callable."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from benchbench.core.cell import Cell
from benchbench.core.errors import ArchitectureError, OptionError, unknown_name
from benchbench.core.model import JsonValue, explain_validation, parse_options
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.resolve import check_architecture, check_replace
from benchbench.core.source_map import SourceMap, dotted
from benchbench.core.suite import ArchitectureSpec, Variant
from benchbench.core.validation import validated
from benchbench.core.variant_changes import networks_of


def architecture_of(
    target: str,
    settings: Mapping[str, JsonValue],
    *,
    inputs: JsonValue = None,
    attribute: str | None = None,
    command: str = "describe",
) -> ArchitectureSpec:
    """The specification of a registered name, or of `module:callable` and `file.py:callable`.

    Args:
        target: what was named.
        settings: options, or keyword arguments of the callable.
        inputs: what a suite's `input` takes; an import needs it.
        attribute: of what an import builds, the part that is meant.
        command: what was called, for errors.

    Raises:
        UnknownNameError: nothing of that name is registered.
        ArchitectureError: an import without inputs, or a file without a callable.
        OptionError: settings that do not fit.
    """
    given: dict[str, JsonValue] = {"input": inputs, "attribute": attribute}
    declared: dict[str, JsonValue] = {key: value for key, value in given.items() if value is not None}
    if ":" in target:
        if inputs is None:
            raise ArchitectureError(
                f"'{target}' does not say what it takes",
                expected="the shape of one input, batch first, or a suite's `input`",
                fix=f"benchbench {command} {target} --input 1,3,256,256",
            )
        declared |= {"import": target, "kwargs": dict(settings)}
    else:
        if target not in ARCHITECTURES:
            if target.endswith(".py"):
                raise ArchitectureError(
                    f"'{target}' names no callable", expected=f"{target}:CALLABLE, which builds an nn.Module"
                )
            raise unknown_name("architecture", target, ARCHITECTURES)
        if "name" in settings:
            raise OptionError(f"'{target}' has no option 'name'", fix=f"leave it out, or {command} that one")
        declared |= {**settings, "name": target}
    try:
        return ArchitectureSpec.model_validate(declared)
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, ArchitectureSpec)
        told = f"{dotted(place)}: {problem}" if place else problem
        raise OptionError(f"'{target}': {told}", expected=expected, fix=fix) from None


def cell_of(
    target: str,
    settings: Mapping[str, JsonValue],
    *,
    inputs: JsonValue = None,
    variant: JsonValue = None,
    command: str,
) -> Cell:
    """The cell of what `architecture_of` names, or of a variant of it; options are checked already.

    Raises:
        BenchbenchError: as `architecture_of` and `varied`.
    """
    spec = architecture_of(target, settings, inputs=inputs, command=command)
    if spec.name is not None:
        parse_options("architecture", spec.name, ARCHITECTURES.load(spec.name).options, spec.options)
    return (
        Cell(variant=target, architecture=spec) if variant is None else varied(spec, variant, command=command)
    )


def varied(spec: ArchitectureSpec, declared: JsonValue, *, command: str = "describe") -> Cell:
    """An architecture changed as a suite's variant says: `{replace: {stages: [residual], with: ghost}}`.

    Raises:
        OptionError: it is no mapping, or needs a discriminator.
        BenchbenchError: it declares what does not exist or fit.
    """
    sources = SourceMap("--variant")
    if not isinstance(declared, dict):
        raise OptionError(
            f"--variant {declared}: '{spec.label}' has no variants of its own",
            expected="a mapping as a suite's variant, or a suite's file with the name of one",
            fix="--variant '{replace: {stages: [residual], with: depthwise_separable}}'",
        )
    variant = validated(Variant, declared, sources, ())
    if variant.discriminator is not None:
        raise OptionError(
            "--variant: 'discriminator' needs a suite that declares one",
            fix=f"{command} the discriminator by its own name, with the variant's changes",
        )
    networks = networks_of(spec, None, variant, sources, ())
    check_architecture(networks["generator"], sources, ("architecture",))
    for index, each in enumerate(variant.replace):
        check_replace(each, networks, sources, ("replace", index))
    return Cell(
        variant=variant.title or "variant", architecture=networks["generator"], replace=variant.replace
    )
