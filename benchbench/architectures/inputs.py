"""Inputs of a network: read from a declaration, checked, drawn, and tried on it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from benchbench.core.arguments import assemble
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.imports import told
from benchbench.core.input_spec import Arguments, places_of
from benchbench.core.meta import holds_plain_tensors, run_on_meta, state_restored

# What torch raises where values are needed (a branch on one, a copy to numpy), of which meta tensors have
# none, and also where shapes do not fit: a real run tells which, and why.
_NOT_ON_META = (RuntimeError, TypeError, ValueError)


def declared_inputs(arguments: Arguments) -> tuple[InputSpec, ...]:
    """What a suite declares as `input`, one specification per tensor, each with its place in the call."""
    return tuple(
        InputSpec.model_validate({**tensor.model_dump(), "place": place})
        for place, tensor in places_of(arguments)
    )


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
        # Said at each call, since the caller may have made another device the default one.
        here: dict[str, Any] = {"generator": generator, "device": "cpu"}
        if spec.dtype == "int64":
            return torch.randint(spec.high or 1, spec.shape, **here).to(device)
        if spec.dtype == "bool":
            return torch.ones(spec.shape, dtype=kind, device=device)
        if spec.values == "one_hot":
            classes = torch.randint(spec.shape[1], (spec.shape[0], 1, *spec.shape[2:]), **here)
            return torch.zeros(spec.shape, dtype=dtype, device="cpu").scatter_(1, classes, 1.0).to(device)
        return torch.randn(spec.shape, **here).to(device=device, dtype=dtype)

    return tuple(one(spec) for spec in specs)


def check_shapes(
    shapes: Sequence[tuple[int, ...]], own: Sequence[InputSpec], *, name: str, multiple: int | None
) -> tuple[InputSpec, ...]:
    """A registered architecture's own inputs with other shapes: another batch, another height and width.

    Args:
        shapes: one per input.
        own: what the architecture says that it takes.
        name: of the architecture, for the error.
        multiple: what height and width must be multiples of; None takes its own size alone.

    Raises:
        ArchitectureError: another number of inputs, of dimensions or of channels, or a size that does
            not fit.
    """
    if len(shapes) != len(own):
        raise ArchitectureError(
            f"'{name}' was given {_plural(len(shapes), 'input')}: {_listed(shapes)}",
            expected=f"{_plural(len(own), 'input')}, for example {_listed([each.shape for each in own])}",
            fix="correct 'input', or leave it out",
        )
    for shape, spec in zip(shapes, own, strict=True):
        _check_shape(shape, spec.shape, name, multiple)
    return tuple(spec.model_copy(update={"shape": shape}) for shape, spec in zip(shapes, own, strict=True))


def _check_shape(shape: tuple[int, ...], own: tuple[int, ...], name: str, multiple: int | None) -> None:
    fix = "correct 'input', or leave it out"
    if len(shape) != len(own):
        problem, near = f"{_plural(len(shape), 'dimension')}, not {len(own)}", own
    elif shape[1:2] != own[1:2]:
        kind = "channels" if len(own) > 2 else "numbers"
        problem, near = f"{shape[1]} {kind}, not {own[1]}", (*shape[:1], own[1], *shape[2:])
    elif multiple is None and shape[2:] != own[2:]:
        problem, near = "another size than it is built for", (shape[0], *own[1:])
        fix = "correct 'input', or give the size as an option of the architecture, if it has one"
    elif multiple is not None and any(size % multiple for size in shape[2:]):
        sizes = [max(1, round(size / multiple)) * multiple for size in shape[2:]]
        problem = f"a height or width that is no multiple of {multiple}"
        near = (*shape[:2], *sizes)
    else:
        return
    raise ArchitectureError(
        f"'{name}' was given the input {list(shape)}: {problem}",
        expected=f"for example {list(near)}",
        fix=fix,
    )


def check_inputs(module: nn.Module, inputs: Sequence[InputSpec], *, name: str) -> None:
    """Run `module` once, on the meta device where that is possible, and leave it as it was.

    Layers whose weights take their shape from the first input (`nn.LazyConv2d`) have it afterwards.

    Raises:
        ArchitectureError: the forward pass does not take these inputs; shapes and reason are named.
    """
    try:
        _settle_lazy_layers(module, inputs)
        run_once(module, inputs)
    except Exception as error:
        raise ArchitectureError(
            f"'{name}' does not take input {_called(inputs)}: {told(error)}",
            expected=f"what its forward pass accepts: {_signature(module)}",
            fix="correct 'input' in the suite",
        ) from error


def run_once(module: nn.Module, inputs: Sequence[InputSpec]) -> None:
    """Run `module` in eval mode, on the meta device where that is possible, and leave it as it was.

    Raises:
        Exception: whatever the forward pass raises.
    """
    with state_restored(module), torch.no_grad():
        module.eval()
        if holds_plain_tensors(module):
            _run_for_real(module, inputs)
            return
        try:
            given = example_inputs(inputs, device="meta")
            run_on_meta(module, *given, places=[spec.place for spec in inputs])
        except _NOT_ON_META:
            _run_for_real(module, inputs)


def _settle_lazy_layers(module: nn.Module, inputs: Sequence[InputSpec]) -> None:
    lazy = next((each for each in (*module.parameters(), *module.buffers()) if is_lazy(each)), None)
    if lazy is None:
        return
    # In eval mode, so that running statistics stay as they begin.
    modes = [(part, part.training) for part in module.modules()]
    args, kwargs = assemble(example_inputs(inputs, device=lazy.device), [spec.place for spec in inputs])
    with torch.no_grad():
        module.eval()(*args, **kwargs)
    for part, mode in modes:
        part.training = mode


def _run_for_real(module: nn.Module, inputs: Sequence[InputSpec]) -> None:
    weight = next((each for each in module.parameters() if each.is_floating_point()), None)
    device = torch.device("cpu") if weight is None else weight.device
    dtype = torch.float32 if weight is None else weight.dtype
    buffers = {key: value.clone() for key, value in module.named_buffers()}
    with torch.random.fork_rng(devices=[]):
        values = example_inputs(inputs, device=device, dtype=dtype)
        args, kwargs = assemble(values, [spec.place for spec in inputs])
        torch.func.functional_call(module, buffers, args, kwargs)


def _signature(module: nn.Module) -> str:
    try:
        return f"({', '.join(map(str, inspect.signature(module.forward).parameters))})"
    except (TypeError, ValueError):
        return "one input per argument"


def _called(inputs: Sequence[InputSpec]) -> str:
    return ", ".join(f"{spec.place}{'=' if spec.place else ''}{list(spec.shape)}" for spec in inputs)


def _listed(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
