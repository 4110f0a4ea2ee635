"""A network in another precision or memory format, or on another device; the one it is made of stays."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from benchbench.backends.processor import lacks_instructions
from benchbench.core.backends import Fact, Setup
from benchbench.core.deployment import Precision
from benchbench.core.errors import UnsupportedDeploymentError
from benchbench.core.imports import told

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
FLOATING: tuple[Precision, ...] = ("fp32", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and as what the tensors of a network lie.

    Attributes:
        dtype: of those that are floating point; others keep theirs.
        layout: of those that have 4 dimensions.
    """

    device: torch.device
    dtype: torch.dtype
    layout: torch.memory_format

    def fits(self, value: Tensor) -> bool:
        """Whether a tensor lies so already."""
        return (
            value.device.type == self.device.type
            and (not value.is_floating_point() or value.dtype == self.dtype)
            and (value.dim() != 4 or value.stride() == self._strides_of(value))
        )

    def _strides_of(self, value: Tensor) -> tuple[int, ...]:
        # Of a depthwise or 1x1 weight `is_contiguous` says yes to either format, and its strides, which
        # decide what a convolution makes, may be the other one's.
        return torch.empty(value.shape, device="meta", memory_format=self.layout).stride()

    def convert(self, values: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The same values, placed; a tensor that fits is returned as it is."""
        return tuple(self._convert(each) for each in values)

    def _convert(self, value: Tensor) -> Tensor:
        moved = value.to(self.device, self.dtype if value.is_floating_point() else value.dtype)
        return moved.to(memory_format=self.layout) if moved.dim() == 4 else moved


def placement_of(
    setup: Setup, *, memory_format: Literal["contiguous", "channels_last"] | None = None
) -> Placement:
    """Where a setup wants a network; `memory_format` where the backend decides on it."""
    deployment = setup.deployment
    return Placement(
        torch.device(setup.device),
        _DTYPES[deployment.precision],
        _LAYOUTS[memory_format or deployment.memory_format],
    )


def place_module(module: nn.Module, placement: Placement) -> nn.Module:
    """The module itself where all of its tensors fit, or a copy that shares those that do.

    Raises:
        UnsupportedDeploymentError: it has to be copied, and a part of it cannot be.
    """
    if all(placement.fits(each) for each in (*module.parameters(), *module.buffers())):
        return module
    # What is made in inference mode can be neither compiled nor exported.
    with torch.inference_mode(False), torch.no_grad():
        return move_in_place(copy_sharing(module), placement)


def move_in_place(module: nn.Module, placement: Placement) -> nn.Module:
    """The module itself, placed: for one that nobody else has."""
    with torch.inference_mode(False), torch.no_grad():
        module.to(device=placement.device, dtype=placement.dtype)
        moved: nn.Module = module.to(memory_format=placement.layout)  # type: ignore[call-overload]
    return moved


def copy_sharing(module: nn.Module) -> nn.Module:
    """A copy on the same memory: its tensors can be exchanged and its mode be set, and the module stays.

    Raises:
        UnsupportedDeploymentError: a part cannot be copied.
    """
    plain = [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    shared: dict[int, Any] = {id(each): each for each in plain}
    shared |= {id(each): _detached(each) for each in module.buffers()}
    # `nn.Module.to` exchanges the data of a parameter in place, so each gets an object of its own.
    shared |= {id(each): nn.Parameter(_detached(each), requires_grad=False) for each in module.parameters()}
    try:
        return copy.deepcopy(module, shared)
    except Exception as error:  # somebody's part may refuse to be copied in any way
        raise UnsupportedDeploymentError(
            f"the network cannot be copied, and must not be changed in place: {told(error)}",
            fix="give it parts that `copy.deepcopy` can copy",
        ) from error


def _detached(value: Tensor) -> Tensor:
    return value.clone() if value.is_inference() else value.detach()


def torch_facts(setup: Setup, placement: Placement) -> dict[str, Fact]:
    """What torch says of itself and of the device, for a session's facts."""
    layout = "channels_last" if placement.layout is torch.channels_last else "contiguous"
    facts: dict[str, Fact] = {
        "torch": torch.__version__,
        "dtype": str(placement.dtype).removeprefix("torch."),
        "memory_format": layout,
    }
    if setup.device == "cuda":
        return {**facts, "gpu": torch.cuda.get_device_name()}
    capability = torch.backends.cpu.get_cpu_capability()
    return {**facts, "threads": torch.get_num_threads(), "cpu_capability": capability}


def lacks_precision(setup: Setup) -> str | None:
    """What the device lacks for a precision of torch's, in words; None where nothing."""
    precision = setup.deployment.precision
    if setup.device == "cuda":
        if not torch.cuda.is_available():
            return "torch finds no GPU here"
        if precision == "bf16" and not _computes_in_bf16():
            return "this GPU does not compute in bf16"
        return None
    return lacks_instructions(precision) if precision in ("bf16", "fp16") else None


def _computes_in_bf16() -> bool:
    # Torch's own `is_bf16_supported` says yes to emulation too, and not every version can be told not to.
    return torch.version.hip is not None or torch.cuda.get_device_capability()[0] >= 8
