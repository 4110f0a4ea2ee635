"""One forward pass under the counter: on meta where that is possible, else on the module's own device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchbench.architectures.inputs import example_inputs
from benchbench.core.arguments import assemble
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import BenchbenchError, CountMismatchError, MeasurementError
from benchbench.core.meta import holds_plain_tensors, meta_state, state_restored
from benchbench.measures.dispatch import CountingMode, Tally, WholeAttention


def run_counted(
    model: nn.Module, inputs: Sequence[Tensor | InputSpec], *, places: Sequence[str]
) -> tuple[Tally, str, tuple[str, ...]]:
    """What one pass of `model` costs, the device that it ran on, and why that was not meta.

    Raises:
        MeasurementError: the pass fails on these inputs.
        UnsupportedOperatorError, CountMismatchError: as `count`.
    """
    if holds_plain_tensors(model):
        return *_run_real(model, inputs, places), ("not on meta: the module keeps plain tensors",)
    state = meta_state(model)
    arguments = _tensors(inputs, torch.device("meta"), _dtype_of(model))
    try:
        with torch.device("meta"):
            return _forward(model, state, arguments, places), "meta", ()
    except BenchbenchError:
        raise
    except Exception as on_meta:
        reason = f"{type(on_meta).__name__}: {on_meta}".splitlines()[0][:160]
        return *_run_real(model, inputs, places), (f"not on meta: {reason}",)


def _run_real(
    model: nn.Module, inputs: Sequence[Tensor | InputSpec], places: Sequence[str]
) -> tuple[Tally, str]:
    device = next((each.device for each in (*model.parameters(), *model.buffers())), torch.device("cpu"))
    state = {
        **{name: each.detach() for name, each in model.named_parameters()},
        **{name: each.clone() for name, each in model.named_buffers()},
    }
    arguments = _tensors(inputs, device, _dtype_of(model))
    cuda = [device.index or 0] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda):
            return _forward(model, state, arguments, places), device.type
    except BenchbenchError:
        raise
    except Exception as error:
        shapes = ", ".join(str(list(each.shape)) for each in inputs)
        raise MeasurementError(
            f"{type(model).__name__} does not run on input {shapes}: {type(error).__name__}: {error}",
            expected="inputs that its forward pass accepts, one per argument",
        ) from error


def _dtype_of(model: nn.Module) -> torch.dtype:
    weight = next((each for each in model.parameters() if each.is_floating_point()), None)
    return torch.float32 if weight is None else weight.dtype


def _tensors(
    inputs: Sequence[Tensor | InputSpec], device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, ...]:
    specs = [each for each in inputs if isinstance(each, InputSpec)]
    made = iter(example_inputs(specs, device=device, dtype=dtype))
    return tuple(next(made) if isinstance(each, InputSpec) else _moved(each, device) for each in inputs)


def _moved(given: Tensor, device: torch.device) -> Tensor:
    if device.type == "meta":
        return torch.empty_like(given, device="meta")
    if not given.is_meta:
        # A layer that works in place would change the caller's.
        return given.detach().clone().to(device)
    # Not zeros: a model whose way depends on its input would take another than on real images.
    if not given.is_floating_point():
        return torch.zeros(given.shape, dtype=given.dtype, device=device)
    drawn = torch.randn(given.shape, generator=torch.Generator().manual_seed(0))
    return drawn.to(device=device, dtype=given.dtype)


def _forward(
    model: nn.Module, state: dict[str, Tensor], arguments: tuple[Tensor, ...], places: Sequence[str]
) -> Tally:
    args, kwargs = assemble(arguments, places)
    tally = Tally(model, weights=state.values(), inputs=arguments)
    with ExitStack() as stack:
        stack.enter_context(state_restored(model))
        stack.enter_context(_eager_attention())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(WholeAttention(tally))
        stack.enter_context(CountingMode(tally))
        stack.enter_context(tally.following(model))
        model.eval()
        torch.func.functional_call(model, state, args, kwargs)
    theirs, remainder = divmod(tally.flops, 2)
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
