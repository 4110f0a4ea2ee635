"""Ghost convolution: some outputs by convolution, the others from those by cheap depthwise ones.

Han et al. 2020, "GhostNet: more features from cheap operations", equation 3. The primary convolution
makes ceil(C_out / s) channels, a depthwise d x d makes (s - 1) times as many from them, and both are
concatenated and cut to C_out. Norm and activation stay those of the network around, and the bias is the
layer's; GhostNet's own module is `norm: batch, activation: relu, bias: none`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options
from benchbench.variants.convolution import Convolution, alike, as_convolution


class GhostOptions(Options):
    """Options of `ghost`.

    Attributes:
        ratio: s, how many outputs come of each that is convolved.
        kernel: d, edge of the cheap depthwise kernel; odd.
        norm: after each of the two convolutions, affine.
        activation: after each of the two convolutions and its norm.
        bias: of both: if the `layer` has one, or `none`.
    """

    ratio: Annotated[int, Field(ge=2, le=64)] = 2
    kernel: Annotated[int, Field(ge=1, le=15)] = 3
    norm: Literal["none", "instance", "batch"] = "none"
    activation: Literal["none", "relu"] = "none"
    bias: Literal["layer", "none"] = "layer"

    @model_validator(mode="after")
    def _odd(self) -> Self:
        if self.kernel % 2 == 0:
            raise ValueError(f"'kernel' is {self.kernel}; an odd one keeps the size")
        return self


def _after(channels: int, options: GhostOptions) -> nn.Sequential | None:
    parts: list[nn.Module] = []
    if options.norm != "none":
        kind = nn.BatchNorm2d if options.norm == "batch" else nn.InstanceNorm2d
        parts.append(kind(channels, affine=True))
    if options.activation == "relu":
        parts.append(nn.ReLU())
    return nn.Sequential(*parts) if parts else None


class GhostConvolution(nn.Module):
    """[N, C_in, H, W] -> [N, C_out, H', W']."""

    def __init__(self, layer: Convolution, options: GhostOptions) -> None:
        super().__init__()
        self.channels = layer.out_channels
        primary = -(-layer.out_channels // options.ratio)
        has_bias = options.bias == "layer" and layer.bias is not None
        self.primary = alike(layer, layer.in_channels, primary, bias=has_bias)
        self.primary_after = _after(primary, options)
        self.cheap = nn.Conv2d(
            primary,
            primary * (options.ratio - 1),
            options.kernel,
            padding=options.kernel // 2,
            groups=primary,
            bias=has_bias,
        )
        self.cheap_after = _after(primary * (options.ratio - 1), options)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As the layer it stands for; `output_size` is for a transposed one."""
        made = self.primary(x) if output_size is None else self.primary(x, output_size)
        if self.primary_after is not None:
            made = self.primary_after(made)
        cheap = self.cheap(made)
        if self.cheap_after is not None:
            cheap = self.cheap_after(cheap)
        return torch.cat([made, cheap], dim=1)[:, : self.channels]


def _build(layer: nn.Module, options: GhostOptions) -> nn.Module:
    convolution = as_convolution(layer)
    if convolution.out_channels < options.ratio:
        raise NotReplaceableError(
            f"{convolution.out_channels} outputs are fewer than the ratio {options.ratio}"
        )
    ghost = GhostConvolution(convolution, options)
    whole, parted = convolution.weight.numel(), ghost.primary.weight.numel() + ghost.cheap.weight.numel()
    if parted >= whole:
        raise NotReplaceableError(f"both parts have {parted:,} weights, the layer {whole:,}")
    return ghost


replacement = Replacement(options=GhostOptions, build=_build)
