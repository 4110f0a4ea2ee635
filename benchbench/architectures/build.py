"""Build a registered architecture, or a model that someone else wrote, with example inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from benchbench.architectures.guess_stages import guess_stages
from benchbench.architectures.imported import build_imported
from benchbench.architectures.inputs import check_inputs, check_shapes, declared_inputs
from benchbench.core.contracts import InputSpec, Stages
from benchbench.core.errors import ArchitectureError, unknown_name
from benchbench.core.model import JsonValue, parse_options
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.stages import Origin, match_depth, remember_origin
from benchbench.core.suite import ArchitectureSpec


@dataclass(frozen=True, slots=True)
class BuiltArchitecture:
    """A fresh module with what is known of it.

    Attributes:
        module: random weights, drawn from torch's generator as the caller seeded it.
        inputs: shapes and kinds of its example inputs.
        stages: stage name -> module paths or globs.
        name: registered name or import path, with the attribute that was taken of it.
        stages_guessed: whether `stages` were guessed from resolution, since an import declares none.
    """

    module: nn.Module
    inputs: tuple[InputSpec, ...]
    stages: Stages
    name: str
    stages_guessed: bool = False


def build(name: str, /, **options: JsonValue) -> nn.Module:
    """A registered architecture with random weights.

    Weights come from torch's generator: call `torch.manual_seed` first to have the same again.

    Raises:
        UnknownNameError: no architecture has that name; the nearest is named.
        OptionError: an unknown option, or a value of the wrong type or out of range.
        ArchitectureError: building it failed.
    """
    return _finish(_build_registered(name, options)).module


def build_architecture(spec: ArchitectureSpec, *, folders: Sequence[Path] = ()) -> BuiltArchitecture:
    """What a suite's `architecture` declares, built.

    Args:
        spec: a registered name with options, or `import` with what belongs to it.
        folders: where an imported module or file is looked for before the working directory.

    Raises:
        UnknownNameError, OptionError: as `build`.
        ArchitectureError: it cannot be imported or built, a stage names no module of it, or its
            forward pass does not take the declared input.
    """
    if spec.import_path is None:
        return _finish(_with_shapes(spec))
    declared = declared_inputs(spec.input or ())
    module = build_imported(spec.import_path, spec.kwargs, attribute=spec.attribute, folders=folders)
    name = spec.import_path if spec.attribute is None else f"{spec.import_path}, {spec.attribute}"
    check_inputs(module, declared, name=name)
    stages = dict(spec.stages) if spec.stages else guess_stages(module, declared)
    return _finish(
        BuiltArchitecture(module, declared, stages, name, stages_guessed=bool(stages) and not spec.stages)
    )


def _with_shapes(spec: ArchitectureSpec) -> BuiltArchitecture:
    """A registered architecture; shapes that were declared for its inputs take the place of its own."""
    built = _build_registered(spec.label, spec.options)
    if spec.input is None:
        return built
    architecture = ARCHITECTURES.load(spec.label)
    options = parse_options("architecture", spec.label, architecture.options, spec.options)
    multiple = None if architecture.size_multiple is None else architecture.size_multiple(options)
    shapes = [each.shape for each in declared_inputs(spec.input)]
    inputs = check_shapes(shapes, built.inputs, name=built.name, multiple=multiple)
    check_inputs(built.module, inputs, name=built.name)
    return replace(built, inputs=inputs)


def _build_registered(name: str, given: Mapping[str, JsonValue]) -> BuiltArchitecture:
    architecture = ARCHITECTURES.load(name)
    options = parse_options("architecture", name, architecture.options, given)
    try:
        module = architecture.build(options)
    except (RuntimeError, ValueError, TypeError, MemoryError) as error:
        raise ArchitectureError(
            f"building '{name}' with {options!r} failed: {type(error).__name__}: {error}"
        ) from error
    return BuiltArchitecture(module, architecture.inputs(options), architecture.stages, name)


def _finish(built: BuiltArchitecture) -> BuiltArchitecture:
    _check_stages(built)
    remember_origin(built.module, Origin(built.name, built.stages, built.inputs))
    return built


def _check_stages(built: BuiltArchitecture) -> None:
    paths = [path for path, _ in built.module.named_modules() if path]
    for stage, patterns in built.stages.items():
        for pattern in patterns:
            if not any(match_depth(path, pattern) for path in paths):
                error = unknown_name("module path", pattern, paths)
                raise ArchitectureError(
                    f"stage '{stage}' of '{built.name}': no module matches '{pattern}'",
                    expected=_some(paths),
                    fix=error.fix or "correct the pattern; `benchbench describe` shows the paths",
                )


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:12])
    return f"a module path or glob: {shown}{', ...' if len(paths) > 12 else ''}"
