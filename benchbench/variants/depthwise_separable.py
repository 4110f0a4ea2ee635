"""Depthwise separable convolution: one filter per channel, then 1x1 convolutions that mix channels.

Sifre and Mallat 2014; Chollet 2017 (Xception); expand first: Sandler et al. 2018 (MobileNetV2). The
defaults are the layer of the lightweight style-transfer paper, found by search to be the only one
that gives its three parameter counts: depthwise without bias, affine instance norm, ReLU, 1x1
without bias. GAN Compression's layers (Li et al. 2020) are options of the same.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options
from benchbench.variants.convolution import ConvolutionChain, alike, as_convolution


class DepthwiseSeparableOptions(Options):
    """Options of `depthwise_separable`.

    Attributes:
        order: `depthwise_first`: depthwise k x k on C_in, then 1x1 to C_out. `expand_first`: 1x1 to
            expansion x C_in, depthwise k x k on those, then 1x1 to C_out.
        expansion: channels after the first 1x1, as a multiple of C_in; for `expand_first` alone.
        norm: after the depthwise convolution, and after the first 1x1 where there is one.
        norm_affine: whether that norm has a scale and a shift per channel.
        activation: after that norm.
        depthwise_bias, pointwise_bias, expand_bias: biases of the depthwise, the last and the first 1x1.
        pointwise: what becomes of a layer that is 1x1 already.
    """

    order: Literal["depthwise_first", "expand_first"] = "depthwise_first"
    expansion: Annotated[int, Field(ge=1, le=16)] = 2
    norm: Literal["none", "instance", "batch"] = "instance"
    norm_affine: bool = True
    activation: Literal["none", "relu", "relu6", "leaky_relu", "silu", "gelu"] = "relu"
    depthwise_bias: bool = False
    pointwise_bias: bool = False
    expand_bias: bool = False
    pointwise: Literal["skip", "replace"] = "skip"

    @model_validator(mode="after")
    def _expansion_needs_its_order(self) -> Self:
        for name in ("expansion", "expand_bias"):
            if self.order == "depthwise_first" and name in self.model_fields_set:
                raise ValueError(f"'{name}' has a meaning only with order: expand_first")
        return self


class DepthwiseSeparable(ConvolutionChain):
    """Depthwise, norm, activation, 1x1, after an expansion if any; [N, C_in, H, W] -> [N, C_out, H', W']."""


_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
}


def _between(channels: int, options: DepthwiseSeparableOptions) -> OrderedDict[str, nn.Module]:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if options.norm == "instance":
        parts["norm"] = nn.InstanceNorm2d(channels, affine=options.norm_affine)
    elif options.norm == "batch":
        parts["norm"] = nn.BatchNorm2d(channels, affine=options.norm_affine)
    if options.activation == "leaky_relu":
        parts["activation"] = nn.LeakyReLU(0.2)
    elif options.activation != "none":
        parts["activation"] = _ACTIVATIONS[options.activation]()
    return parts


def _build(layer: nn.Module, options: DepthwiseSeparableOptions) -> nn.Module:
    layer = as_convolution(layer)
    if tuple(layer.kernel_size) == (1, 1) and options.pointwise == "skip":
        raise NotReplaceableError("1x1 already (pointwise: skip)")
    channels = layer.in_channels
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if options.order == "expand_first":
        channels *= options.expansion
        parts["expand"] = nn.Conv2d(layer.in_channels, channels, 1, bias=options.expand_bias)
        parts.update({f"expand_{name}": part for name, part in _between(channels, options).items()})
    parts["depthwise"] = alike(layer, channels, channels, groups=channels, bias=options.depthwise_bias)
    parts.update(_between(channels, options))
    parts["pointwise"] = nn.Conv2d(channels, layer.out_channels, 1, bias=options.pointwise_bias)
    return DepthwiseSeparable(parts, resized="depthwise")


replacement = Replacement(options=DepthwiseSeparableOptions, build=_build)
