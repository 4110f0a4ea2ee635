"""Count parameters, MACs and element-wise operations of any module; the contract is docs/macs.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchbench.architectures.build import example_inputs
from benchbench.core.contracts import InputSpec, Stages
from benchbench.core.errors import BenchbenchError, CountMismatchError, MeasurementError
from benchbench.core.measurement import LayerCount
from benchbench.core.meta import holds_plain_tensors, meta_state, state_restored
from benchbench.core.model import Frozen
from benchbench.core.stages import origin_of, stage_of
from benchbench.measures.dispatch import CountingMode, Tally

Inputs = Tensor | InputSpec | Sequence["int | Tensor | InputSpec | Sequence[int]"]


class StageCount(Frozen):
    """The sums over the layers of one stage; `stage` None is everything that no stage names."""

    stage: str | None
    parameters: int = 0
    macs: int = 0
    macs_output_size: int = 0
    elementwise: dict[str, int]


class Counts(Frozen):
    """What a module costs at one input, in eval mode.

    Attributes:
        parameters: elements of all parameters, a shared one once.
        trainable_parameters: those that require a gradient.
        buffers: elements of all buffers.
        macs: multiply-accumulates; a transposed convolution at its input size.
        macs_output_size: the same with a transposed convolution at its output size.
        elementwise: element-wise operations by kind: norm, activation, bias, padding, ...
        layers: the same by innermost module, in the module's order.
        input_shapes: what was fed.
        device: `meta`, or the real device where the module could not be run on meta.
        unchecked_macs: the part of `macs` from operators that FlopCounterMode does not know.
        notes: why it was not run on meta.
    """

    parameters: int
    trainable_parameters: int
    buffers: int
    macs: int
    macs_output_size: int
    elementwise: dict[str, int]
    layers: tuple[LayerCount, ...]
    input_shapes: tuple[tuple[int, ...], ...]
    device: str
    unchecked_macs: int = 0
    notes: tuple[str, ...] = ()

    def by_stage(self) -> tuple[StageCount, ...]:
        """Sums by stage, in the order in which the stages are first met."""
        rows: dict[str | None, StageCount] = {}
        for layer in self.layers:
            row = rows.get(layer.stage, StageCount(stage=layer.stage, elementwise={}))
            rows[layer.stage] = StageCount(
                stage=layer.stage,
                parameters=row.parameters + layer.parameters,
                macs=row.macs + layer.macs,
                macs_output_size=row.macs_output_size + layer.macs_output_size,
                elementwise=_sum(row.elementwise, layer.elementwise),
            )
        return tuple(rows.values())


def count(model: nn.Module, inputs: Inputs | None = None, *, stages: Stages | None = None) -> Counts:
    """Parameters, MACs and element-wise operations of `model` for one forward pass.

    Runs on the meta device (no arithmetic, no weights copied) unless the module keeps plain
    tensors or cannot run there. Modes, hooks, weights and buffers are left as they were, also
    after an error.

    Args:
        model: any module; a compiled one is counted as it was before.
        inputs: one shape (1, 3, 256, 256), a tensor, or a sequence of tensors, shapes and
            InputSpecs, one per positional argument. None takes those of the architecture.
        stages: stage name -> module paths or globs. None takes those of the architecture.

    Raises:
        MeasurementError: no inputs are known, or the forward pass fails on them.
        UnsupportedOperatorError: an operator computes and has no counting rule; it is named.
        CountMismatchError: torch's FlopCounterMode arrives at another figure.
    Source: Sovrasov's and fvcore's operator counts, less what docs/macs.md excludes; figures agree
        with fvcore and ptflops in tests/measures/test_counting_peers.py.
    """
    model = getattr(model, "_orig_mod", model)
    origin = origin_of(model)
    given = inputs if inputs is not None else (origin.inputs if origin else ())
    arguments = _arguments(given, model)
    known_stages = stages if stages is not None else (origin.stages if origin else {})

    tally, device, notes = _run(model, arguments)
    layers = _layers(model, tally, known_stages)
    parameters = list(model.parameters())
    elementwise: dict[str, int] = {}
    for layer in layers:
        elementwise = _sum(elementwise, layer.elementwise)
    return Counts(
        parameters=sum(each.numel() for each in parameters),
        trainable_parameters=sum(each.numel() for each in parameters if each.requires_grad),
        buffers=sum(each.numel() for each in model.buffers()),
        macs=sum(layer.macs for layer in layers),
        macs_output_size=sum(layer.macs_output_size for layer in layers),
        elementwise=elementwise,
        layers=layers,
        input_shapes=tuple(tuple(each.shape) for each in arguments),
        device=device,
        unchecked_macs=tally.unchecked_macs,
        notes=notes,
    )


def _arguments(given: Inputs, model: nn.Module) -> tuple[Tensor, ...]:
    if isinstance(given, (Tensor, InputSpec)):
        given = (given,)
    if not given:
        raise MeasurementError(
            "no input is known for this module",
            expected="a shape such as (1, 3, 256, 256), or one per argument",
            fix="count(model, (1, 3, 256, 256))",
        )
    if all(isinstance(each, int) for each in given):
        given = (InputSpec(shape=tuple(each for each in given if isinstance(each, int))),)
    weight = next((each for each in model.parameters() if each.is_floating_point()), None)
    dtype = torch.float32 if weight is None else weight.dtype
    made: list[Tensor] = []
    for each in given:
        if isinstance(each, Tensor):
            made.append(each)
            continue
        try:
            spec = each if isinstance(each, InputSpec) else InputSpec.model_validate({"shape": each})
        except ValidationError:
            raise MeasurementError(
                f"{each!r} is no input", expected="a shape such as (1, 3, 256, 256), a tensor or an InputSpec"
            ) from None
        made += example_inputs([spec], device="meta", dtype=dtype)
    return tuple(made)


def _run(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tally, str, tuple[str, ...]]:
    if holds_plain_tensors(model):
        return *_run_real(model, inputs), ("not on meta: the module keeps plain tensors",)
    state = meta_state(model)
    arguments = tuple(torch.empty_like(each, device="meta") for each in inputs)
    try:
        with torch.device("meta"):
            return _forward(model, state, arguments), "meta", ()
    except BenchbenchError:
        raise
    except Exception as on_meta:
        reason = f"{type(on_meta).__name__}: {on_meta}".splitlines()[0][:160]
        return *_run_real(model, inputs), (f"not on meta: {reason}",)


def _stand_in(shape: Tensor, device: torch.device) -> Tensor:
    # Not zeros: a model whose way depends on its input would take another than on real images.
    if not shape.is_floating_point():
        return torch.zeros(shape.shape, dtype=shape.dtype, device=device)
    drawn = torch.randn(shape.shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(device=device, dtype=shape.dtype)


def _run_real(model: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tally, str]:
    device = next((each.device for each in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    state = {
        **{name: each.detach() for name, each in model.named_parameters()},
        **{name: each.clone() for name, each in model.named_buffers()},
    }
    arguments = tuple(_stand_in(each, device) if each.is_meta else each.to(device) for each in inputs)
    cuda = [device.index or 0] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda):
            return _forward(model, state, arguments), device.type
    except BenchbenchError:
        raise
    except Exception as error:
        shapes = ", ".join(str(list(each.shape)) for each in inputs)
        raise MeasurementError(
            f"{type(model).__name__} does not run on input {shapes}: {type(error).__name__}: {error}",
            expected="inputs that its forward pass accepts, one per positional argument",
        ) from error


def _forward(model: nn.Module, state: dict[str, Tensor], arguments: tuple[Tensor, ...]) -> Tally:
    tally = Tally(model, weights=tuple(state.values()))
    flops = FlopCounterMode(display=False)
    with ExitStack() as stack:
        stack.enter_context(state_restored(model))
        stack.enter_context(_eager_attention())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(flops)
        stack.enter_context(CountingMode(tally))
        stack.enter_context(tally.following(model))
        model.eval()
        torch.func.functional_call(model, state, arguments)
    theirs, remainder = divmod(flops.get_total_flops(), 2)
    ours = tally.macs - tally.unchecked_macs
    if theirs != ours or remainder:
        raise CountMismatchError(
            f"{type(model).__name__}: closed forms give {ours:,} MACs, FlopCounterMode / 2 gives {theirs:,}",
            expected="the same from both",
            fix="report the module: one of the two has a wrong formula for an operator in it",
        )
    return tally


@contextmanager
def _eager_attention() -> Iterator[None]:
    # Fused attention is one opaque operator that some counters take for nothing.
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _layers(model: nn.Module, tally: Tally, stages: Stages) -> tuple[LayerCount, ...]:
    rows = []
    counted: set[Tensor] = set()
    for path, module in model.named_modules():
        own = [each for each in module.parameters(recurse=False) if each not in counted]
        counted.update(own)
        work = tally.layers.get(path)
        if work is None and not own:
            continue
        rows.append(
            LayerCount(
                path=path,
                kind=type(module).__name__,
                stage=stage_of(path, stages),
                parameters=sum(each.numel() for each in own),
                macs=work.macs if work else 0,
                macs_output_size=work.macs_output_size if work else 0,
                elementwise=dict(work.elementwise) if work else {},
                output_shape=work.output_shape if work else (),
            )
        )
    return tuple(rows)


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {kind: left.get(kind, 0) + right.get(kind, 0) for kind in sorted({*left, *right})}
