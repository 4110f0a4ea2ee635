"""Depthwise separable convolution: one filter per channel, then 1x1 convolutions that mix channels.

Sifre and Mallat 2014; Chollet 2017 (Xception); expand first: Sandler et al. 2018 (MobileNetV2). The
defaults are the layer of the lightweight style-transfer paper, found by search to be the only one
that gives its three parameter counts: depthwise without bias, affine instance norm, ReLU, 1x1
without bias. GAN Compression's layers (Li et al. 2020) are options of the same.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options

Convolution = nn.Conv2d | nn.ConvTranspose2d


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


class DepthwiseSeparable(nn.Sequential):
    """Depthwise, norm, activation, 1x1, after an expansion if any; [N, C_in, H, W] -> [N, C_out, H', W']."""

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As the layer it stands for; `output_size` is for a transposed one."""
        for name, part in self.named_children():
            x = part(x, output_size) if output_size is not None and name == "depthwise" else part(x)
        return x


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


def _depthwise(layer: Convolution, channels: int, options: DepthwiseSeparableOptions) -> Convolution:
    # The layer's tuples are typed as int | tuple by torch's stubs, but are what its constructor takes.
    shared: dict[str, Any] = {
        "kernel_size": layer.kernel_size,
        "stride": layer.stride,
        "padding": layer.padding,
        "dilation": layer.dilation,
        "padding_mode": layer.padding_mode,
        "groups": channels,
        "bias": options.depthwise_bias,
    }
    if isinstance(layer, nn.ConvTranspose2d):
        return nn.ConvTranspose2d(
            channels, channels, output_padding=cast(Any, layer.output_padding), **shared
        )
    return nn.Conv2d(channels, channels, **shared)


def _build(layer: nn.Module, options: DepthwiseSeparableOptions) -> nn.Module:
    if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        raise NotReplaceableError(f"{type(layer).__name__} is neither Conv2d nor ConvTranspose2d")
    if layer.groups != 1:
        raise NotReplaceableError(f"already grouped (groups={layer.groups})")
    if tuple(layer.kernel_size) == (1, 1) and options.pointwise == "skip":
        raise NotReplaceableError("1x1 already (pointwise: skip)")
    channels = layer.in_channels
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if options.order == "expand_first":
        channels *= options.expansion
        parts["expand"] = nn.Conv2d(layer.in_channels, channels, 1, bias=options.expand_bias)
        parts.update({f"expand_{name}": part for name, part in _between(channels, options).items()})
    parts["depthwise"] = _depthwise(layer, channels, options)
    parts.update(_between(channels, options))
    parts["pointwise"] = nn.Conv2d(channels, layer.out_channels, 1, bias=options.pointwise_bias)
    return DepthwiseSeparable(parts)


replacement = Replacement(options=DepthwiseSeparableOptions, build=_build)
