"""StyleGAN: mapping network, and a synthesis network that takes its style at every layer, 64 to 1024 pixels.

Karras, Laine and Aila 2019, "A style-based generator architecture for generative adversarial networks",
configurations E and F, which are one network: F is trained with mixed styles. Upsampling and convolution
are apart at every size, where the authors fuse them from 128 pixels on: the parameters are the same, the
MACs above 64 pixels are not. A convolution adds its bias before the filter, where theirs adds it after.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from benchbench.architectures.stylegan2 import Mapping
from benchbench.architectures.stylegan2_discriminator import Head
from benchbench.architectures.stylegan2_layers import EqualConv2d, scaled_leaky_relu
from benchbench.architectures.stylegan_layers import (
    DiscriminatorBlock,
    FirstBlock,
    SynthesisBlock,
    channels_at,
)
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.model import Options
from benchbench.core.suite import Paper

PAPER = Paper(
    title="A style-based generator architecture for generative adversarial networks",
    year=2019,
    authors="Tero Karras, Samuli Laine, Timo Aila",
    url="https://arxiv.org/abs/1812.04948",
)
Size = Literal[64, 128, 256, 512, 1024]
Heads = Literal["all", "last_two", "last"]


_HEADS = {"all": None, "last_two": 2, "last": 1}


class StyleGanOptions(Options):
    """Options of `stylegan`.

    Attributes:
        size: height and width of the image.
        latent: features of the latent vector, and of the styles made of it.
        mapping_layers: linear layers between the two.
        heads: layers to RGB at every size, as a progressively grown network has them, at the last two, as
            one has them that still fades the last size in, or at the last alone. Those below the last are
            parameters that a full-size image does not use.
    """

    size: Size = 64
    latent: Annotated[int, Field(ge=1, le=2048)] = 512
    mapping_layers: Annotated[int, Field(ge=1, le=16)] = 8
    heads: Heads = "all"


class StyleGanDiscriminatorOptions(Options):
    """Options of `stylegan_discriminator`.

    Attributes:
        size: height and width of the image.
        heads: layers from RGB at every size, as a progressively grown network has them, at the two
            largest, or at the largest alone. Those below it are parameters that a full-size image does
            not use.
    """

    size: Size = 64
    heads: Heads = "all"


class StyleGan(nn.Module):
    """A latent vector to an image, RGB floats around -1..1; the last layer is linear.

    Noise is fresh in training and a fixed buffer in eval mode (stylegan_layers.ChannelNoise).
    """

    def __init__(self, options: StyleGanOptions) -> None:
        super().__init__()
        sizes = _sizes(options.size)
        self.mapping = Mapping(options.latent, options.mapping_layers)
        self.constant = FirstBlock(channels_at(4), latent=options.latent)
        self.blocks = nn.ModuleList(
            SynthesisBlock(channels_at(before), channels_at(size), size=size, latent=options.latent)
            for before, size in pairwise(sizes)
        )
        heads = sizes[::-1][: _HEADS[options.heads]][::-1]
        self.rgb = nn.ModuleList(EqualConv2d(channels_at(size), 3, 1) for size in heads)

    def forward(self, z: Tensor, *, mixed: tuple[Tensor, int] | None = None) -> Tensor:
        """[N, latent] -> [N, 3, size, size].

        Args:
            z: standard normal.
            mixed: style mixing: a second latent [N, latent], and the layer from which on it rules.

        Raises:
            ArchitectureError: there is no such layer.
        """
        styles = self._styles(z, mixed)
        x = self.constant(styles[0], styles[1])
        for index, block in enumerate(self.blocks, start=1):
            x = block(x, styles[2 * index], styles[2 * index + 1])
        image: Tensor = self.rgb[-1](x)
        return image

    @property
    def style_layers(self) -> int:
        """How many layers a style rules."""
        return 2 * (len(self.blocks) + 1)

    def _styles(self, z: Tensor, mixed: tuple[Tensor, int] | None) -> list[Tensor]:
        layers = self.style_layers
        first = self.mapping(z)
        if mixed is None:
            return [first] * layers
        second, crossover = mixed
        if not 0 < crossover < layers:
            raise ArchitectureError(
                f"stylegan: style mixing from layer {crossover} on", expected=f"1 to {layers - 1}"
            )
        return [first] * crossover + [self.mapping(second)] * (layers - crossover)


class StyleGanDiscriminator(nn.Module):
    """An image, RGB floats in -1..1, to one logit."""

    def __init__(self, options: StyleGanDiscriminatorOptions) -> None:
        super().__init__()
        sizes = _sizes(options.size)[::-1]
        heads = sizes[: _HEADS[options.heads]]
        self.rgb = nn.ModuleList(EqualConv2d(3, channels_at(size), 1) for size in heads)
        self.blocks = nn.Sequential(
            *(DiscriminatorBlock(channels_at(size), channels_at(after)) for size, after in pairwise(sizes))
        )
        self.head = Head(channels_at(4))

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N, 1]."""
        logit: Tensor = self.head(self.blocks(scaled_leaky_relu(self.rgb[0](image))))
        return logit


def _sizes(size: int) -> list[int]:
    return [2**power for power in range(2, size.bit_length())]


def _parameters(options: StyleGanOptions) -> int:
    latent, sizes = options.latent, _sizes(options.size)

    def epilogue(channels: int) -> int:
        # The noise's weights, and scale and shift with their biases.
        return channels + 2 * channels * (latent + 1)

    def convolution(channels_in: int, channels_out: int) -> int:
        return (9 * channels_in + 1) * channels_out

    first = channels_at(4)
    total = options.mapping_layers * (latent + 1) * latent
    total += 17 * first + convolution(first, first) + 2 * epilogue(first)
    for before, size in pairwise(sizes):
        wide, narrow = channels_at(before), channels_at(size)
        total += convolution(wide, narrow) + convolution(narrow, narrow) + 2 * epilogue(narrow)
    heads = sizes[::-1][: _HEADS[options.heads]][::-1]
    return total + sum(3 * channels_at(size) + 3 for size in heads)


def _discriminator_parameters(options: StyleGanDiscriminatorOptions) -> int:
    sizes = _sizes(options.size)[::-1]
    heads = sizes[: _HEADS[options.heads]]
    total = sum(4 * channels_at(size) for size in heads)
    for size, after in pairwise(sizes):
        wide, narrow = channels_at(size), channels_at(after)
        total += (9 * wide + 1) * wide + (9 * wide + 1) * narrow
    last = channels_at(4)
    # The deviation within the minibatch is one more channel.
    return total + (9 * (last + 1) + 1) * last + (16 * last + 1) * last + last + 1


generator = Architecture(
    options=StyleGanOptions,
    build=StyleGan,
    stages={"mapping": ("mapping",), "constant": ("constant",), "blocks": ("blocks",), "rgb": ("rgb",)},
    inputs=lambda options: (InputSpec(shape=(1, options.latent)),),
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    paper=PAPER,
)
discriminator = Architecture(
    options=StyleGanDiscriminatorOptions,
    build=StyleGanDiscriminator,
    stages={"rgb": ("rgb",), "blocks": ("blocks",), "head": ("head",)},
    inputs=lambda options: (InputSpec(shape=(1, 3, options.size, options.size)),),
    parameters=_discriminator_parameters,
    output=lambda options: (1, 1),
    paper=PAPER,
)
