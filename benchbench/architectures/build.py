"""Build a registered architecture, or a model that someone else wrote, with example inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from benchbench.architectures.imported import build_imported
from benchbench.core.arguments import assemble
from benchbench.core.contracts import InputSpec, Stages
from benchbench.core.errors import ArchitectureError, unknown_name
from benchbench.core.meta import holds_plain_tensors, run_on_meta, state_restored
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
        stages: stage name -> module paths or globs; empty for an import that declares none.
        name: registered name or import path.
    """

    module: nn.Module
    inputs: tuple[InputSpec, ...]
    stages: Stages
    name: str


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
        spec: a registered name with options, or `import` with `kwargs`, `input` and `stages`.
        folders: where an imported module is looked for before the working directory.

    Raises:
        UnknownNameError, OptionError: as `build`.
        ArchitectureError: it cannot be imported or built, a stage names no module of it, or its
            forward pass does not take the declared input.
    """
    declared = tuple(InputSpec(shape=shape) for shape in spec.input or ())
    if spec.import_path is not None:
        module = build_imported(spec.import_path, spec.kwargs, folders=folders)
        built = BuiltArchitecture(module, declared, dict(spec.stages or {}), spec.import_path)
    else:
        built = _build_registered(spec.label, spec.options)
        built = replace(built, inputs=declared or built.inputs)
    if declared:
        check_inputs(built.module, built.inputs, name=built.name)
    return _finish(built)


def example_inputs(
    specs: Sequence[InputSpec],
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, ...]:
    """Seeded inputs as their specifications say; those of `dtype` float32 come in the given `dtype`.

    Values are drawn on the CPU, so that every device gets the same; torch's own generator is not touched.
    """
    generator = torch.Generator().manual_seed(seed)

    def one(spec: InputSpec) -> Tensor:
        kind = {"int64": torch.int64, "bool": torch.bool, "float32": dtype}[spec.dtype]
        if torch.device(device).type == "meta":
            return torch.empty(spec.shape, dtype=kind, device="meta")
        if spec.dtype == "int64":
            return torch.randint(spec.high or 1, spec.shape, generator=generator).to(device)
        if spec.dtype == "bool":
            return torch.ones(spec.shape, dtype=kind, device=device)
        if spec.values == "one_hot":
            classes = torch.randint(spec.shape[1], (spec.shape[0], 1, *spec.shape[2:]), generator=generator)
            return torch.zeros(spec.shape, dtype=dtype).scatter_(1, classes, 1.0).to(device)
        return torch.randn(spec.shape, generator=generator).to(device=device, dtype=dtype)

    return tuple(one(spec) for spec in specs)


def check_inputs(module: nn.Module, inputs: Sequence[InputSpec], *, name: str) -> None:
    """Run `module` once, on the meta device where that is possible.

    Raises:
        ArchitectureError: the forward pass does not take these inputs; shapes and reason are named.
    """
    with state_restored(module):
        module.eval()
        if not holds_plain_tensors(module) and _runs_on_meta(module, inputs):
            return
        _run_once(module, inputs, name)


def _runs_on_meta(module: nn.Module, inputs: Sequence[InputSpec]) -> bool:
    try:
        run_on_meta(module, *example_inputs(inputs, device="meta"), places=[spec.place for spec in inputs])
    except Exception:
        # Either the shapes do not fit or meta cannot run it: a real run tells which, and why.
        return False
    return True


def _run_once(module: nn.Module, inputs: Sequence[InputSpec], name: str) -> None:
    weight = next((each for each in module.parameters() if each.is_floating_point()), None)
    device = torch.device("cpu") if weight is None else weight.device
    dtype = torch.float32 if weight is None else weight.dtype
    buffers = {key: value.clone() for key, value in module.named_buffers()}
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            values = example_inputs(inputs, device=device, dtype=dtype)
            args, kwargs = assemble(values, [spec.place for spec in inputs])
            torch.func.functional_call(module, buffers, args, kwargs)
    except Exception as error:
        shapes = ", ".join(str(list(spec.shape)) for spec in inputs)
        raise ArchitectureError(
            f"'{name}' does not take input {shapes}: {type(error).__name__}: {error}",
            expected="shapes that its forward pass accepts, one per positional argument",
            fix="correct 'input' in the suite",
        ) from error


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
                    fix=error.fix,
                )


def _some(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:12])
    return f"a module path or glob: {shown}{', ...' if len(paths) > 12 else ''}"
