"""U-Net generator of pix2pix: halve down to one pixel, double back, with every map handed across.

Isola et al. 2017, "Image-to-image translation with conditional adversarial networks", appendix 6.1.
Eight downsamplings at width 64 are its generator for 256 x 256.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.architectures.initialisation import draw_normal
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

# Layers of the decoder with dropout, from the smallest map on.
_DROPPED = 3


class UNetGeneratorOptions(Options):
    """Options of `unet_generator`.

    Attributes:
        width: channels of the first convolution; they double three times, and then stay.
        downsamplings: convolutions of stride 2, and as many transposed ones.
        size: height and width of the image, a multiple of 2^downsamplings.
        dropout: share of values set to 0 after each of the decoder's first three layers, in training.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 64
    downsamplings: Annotated[int, Field(ge=2, le=10)] = 8
    size: Annotated[int, Field(ge=4, le=2048)] = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @model_validator(mode="after")
    def _size_halves(self) -> Self:
        multiple = 1 << self.downsamplings
        if self.size % multiple:
            raise ValueError(
                f"size is {self.size}, expected a multiple of {multiple} (downsamplings {self.downsamplings})"
            )
        return self


class UNetGenerator(nn.Module):
    """An image to an image of the same size, RGB floats in -1..1 in and out.

    Batch norm but after the first and the last convolution of the encoder and after the last of the
    decoder, which alone has a bias. Weights from N(0, 0.02), scales from N(1, 0.02). The paper drops out
    when it tests too, as its only noise; here that is training's alone, so that eval mode repeats.
    """

    def __init__(self, options: UNetGeneratorOptions) -> None:
        super().__init__()
        widths = _widths(options)
        deepest = len(widths) - 1
        self.encoder = nn.Sequential(nn.Sequential(OrderedDict(conv=_halved(3, widths[0]))))
        for depth, (before, after) in enumerate(pairwise(widths), start=1):
            # Not in place: the map is handed to the decoder as well.
            parts: OrderedDict[str, nn.Module] = OrderedDict(relu=nn.LeakyReLU(0.2))
            parts["conv"] = _halved(before, after)
            if depth < deepest:
                parts["norm"] = nn.BatchNorm2d(after)
            self.encoder.append(nn.Sequential(parts))
        self.decoder = nn.Sequential()
        for depth in range(deepest, 0, -1):
            channels_in = widths[depth] if depth == deepest else 2 * widths[depth]
            parts = OrderedDict(relu=nn.ReLU(inplace=True))
            parts["conv"] = _doubled(channels_in, widths[depth - 1], bias=False)
            parts["norm"] = nn.BatchNorm2d(widths[depth - 1])
            if len(self.decoder) < _DROPPED:
                parts["dropout"] = nn.Dropout(options.dropout)
            self.decoder.append(nn.Sequential(parts))
        last = _doubled(2 * widths[0], 3, bias=True)
        self.decoder.append(nn.Sequential(OrderedDict(relu=nn.ReLU(inplace=True), conv=last, tanh=nn.Tanh())))
        self.apply(draw_normal)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 3, H, W]; H and W are multiples of 2^downsamplings."""
        maps = [image]
        for layer in self.encoder:
            maps.append(layer(maps[-1]))
        x = maps.pop()
        for depth, layer in enumerate(self.decoder):
            x = layer(x if depth == 0 else torch.cat([maps.pop(), x], dim=1))
        return x


def _halved(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1, bias=False)


def _doubled(channels_in: int, channels_out: int, *, bias: bool) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(channels_in, channels_out, 4, stride=2, padding=1, bias=bias)


def _widths(options: UNetGeneratorOptions) -> list[int]:
    return [options.width * min(2**depth, 8) for depth in range(options.downsamplings)]


def _parameters(options: UNetGeneratorOptions) -> int:
    widths = _widths(options)
    down = sum(before * after for before, after in pairwise([3, *widths]))
    handed = [2 * width for width in widths[:-1]] + [widths[-1]]
    up = sum(handed[depth] * widths[depth - 1] for depth in range(1, len(widths))) + handed[0] * 3
    # A scale and a shift per channel, in the encoder and in the decoder.
    norms = 2 * (sum(widths[1:-1]) + sum(widths[:-1]))
    return 16 * (down + up) + norms + 3


architecture = Architecture(
    options=UNetGeneratorOptions,
    build=UNetGenerator,
    stages={"encoder": ("encoder",), "decoder": ("decoder",)},
    inputs=lambda options: (InputSpec(shape=(1, 3, options.size, options.size), field="input"),),
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    size_multiple=lambda options: 1 << options.downsamplings,
    paper=Paper(
        title="Image-to-image translation with conditional adversarial networks",
        year=2017,
        authors="Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei A. Efros",
        url="https://arxiv.org/abs/1611.07004",
    ),
)
