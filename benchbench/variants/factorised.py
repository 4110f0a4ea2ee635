"""Factorised convolution: k x 1, then 1 x k.

Szegedy et al. 2016 (Inception-v3, section 3.2); Romera et al. 2018 (ERFNet). A k x k layer's
k² C_in C_out weights become k C_in C_mid + k C_mid C_out.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

from torch import nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options
from benchbench.variants.convolution import Convolution, ConvolutionChain, alike, as_convolution


class FactorisedOptions(Options):
    """Options of `factorised`.

    Attributes:
        middle: channels between the two: as many as come `in`, as go `out`, or the smaller (`min`).
        inner_bias: whether the first of the two has a bias; the second has one if the layer has.
    """

    middle: Literal["in", "out", "min"] = "out"
    inner_bias: bool = False


_WHOLE: dict[str, Any] = {"kernel_size": 1, "stride": 1, "padding": 0, "dilation": 1, "output_padding": 0}


def _along(layer: Convolution, axis: int) -> dict[str, Any]:
    """The layer's settings along one axis, and those of a kernel of 1 along the other."""
    found: dict[str, Any] = {}
    for name, nothing in _WHOLE.items():
        value = getattr(layer, name)
        if name == "output_padding" and not isinstance(layer, nn.ConvTranspose2d):
            continue
        if isinstance(value, str):
            found[name] = value  # "same" and "valid" hold for each axis alone
            continue
        found[name] = tuple(value[each] if each == axis else nothing for each in (0, 1))
    return found


def _build(layer: nn.Module, options: FactorisedOptions) -> nn.Module:
    convolution = as_convolution(layer)
    if 1 in convolution.kernel_size:
        kernel = "x".join(map(str, convolution.kernel_size))
        raise NotReplaceableError(f"a {kernel} kernel has one axis alone")
    before, after = convolution.in_channels, convolution.out_channels
    middle = {"in": before, "out": after, "min": min(before, after)}[options.middle]
    height, width = convolution.kernel_size
    whole, parted = height * width * before * after, middle * (height * before + width * after)
    if parted >= whole:
        raise NotReplaceableError(f"two factors have {parted:,} weights, the layer {whole:,}")
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        vertical=alike(convolution, before, middle, bias=options.inner_bias, **_along(convolution, 0)),
        horizontal=alike(convolution, middle, after, **_along(convolution, 1)),
    )
    return FactorisedConvolution(parts)


class FactorisedConvolution(ConvolutionChain):
    """k x 1, then 1 x k; [N, C_in, H, W] -> [N, C_out, H', W']."""

    def __init__(self, parts: OrderedDict[str, nn.Module]) -> None:
        super().__init__(parts, resized="")

    def forward(self, x: Any, output_size: list[int] | None = None) -> Any:
        """As the layer it stands for; each of the two takes its own side of `output_size`."""
        if output_size is None:
            return super().forward(x)
        height, width = output_size[-2:]
        vertical, horizontal = self.children()
        return horizontal(vertical(x, [height, x.shape[-1]]), [height, width])


replacement = Replacement(options=FactorisedOptions, build=_build)
