"""StyleGAN2's generator, with skip connections to RGB, for 64 to 1024 pixels.

Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", configuration F, in the form
of its PyTorch versions: multiplier 2 is the paper's. One noise weight per layer, no demodulation in the
layers to RGB. MACs include the blurs, which run as depthwise convolutions.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from benchbench.architectures.stylegan2_layers import (
    MULTIPLIERS,
    EqualLinear,
    StyledConvolution,
    ToRGB,
    channels_at,
    scaled_leaky_relu,
)
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.model import Options
from benchbench.core.suite import Paper

PAPER = Paper(
    title="Analyzing and improving the image quality of StyleGAN",
    year=2020,
    authors="Tero Karras, Samuli Laine, Miika Aittala, Janne Hellsten, Jaakko Lehtinen, Timo Aila",
    url="https://arxiv.org/abs/1912.04958",
)


class SizeOptions(Options):
    """What generator and discriminator of `stylegan2` share.

    Attributes:
        size: height and width of the image.
        channel_multiplier: of the channels from 64 pixels on: 2, 1, 0.5 or 0.25; below they are 512.
    """

    size: Literal[64, 128, 256, 512, 1024] = 256
    channel_multiplier: Annotated[float, Field(json_schema_extra={"enum": list(MULTIPLIERS)})] = 2.0

    @field_validator("channel_multiplier")
    @classmethod
    def _known(cls, multiplier: float) -> float:
        if multiplier not in MULTIPLIERS:
            raise ValueError(f"got {multiplier:g}, expected 2, 1, 0.5 or 0.25")
        return multiplier


class StyleGAN2Options(SizeOptions):
    """Options of `stylegan2`.

    Attributes:
        size: height and width of the image.
        channel_multiplier: of the channels from 64 pixels on: 2, 1, 0.5 or 0.25; below they are 512.
        latent: features of the latent vector, and of the styles made of it.
        mapping_layers: linear layers between the two.
    """

    latent: Annotated[int, Field(ge=1, le=2048)] = 512
    mapping_layers: Annotated[int, Field(ge=1, le=16)] = 8


class Mapping(nn.Module):
    """A latent vector, brought to length 1 per feature, to a style; [N, latent] -> [N, latent]."""

    def __init__(self, latent: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(latent, latent, rate=0.01) for _ in range(layers))

    def forward(self, z: Tensor) -> Tensor:
        """[N, latent] -> [N, latent]."""
        w = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.layers:
            w = scaled_leaky_relu(layer(w))
        return w


class Constant(nn.Module):
    """The learnt input of the first layer, [1, channels, 4, 4]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, images: int) -> Tensor:
        """It, once per image: [images, channels, 4, 4]."""
        return self.value.expand(images, -1, -1, -1)


class StyleGAN2(nn.Module):
    """A latent vector to an image, RGB floats around -1..1; the last layer is linear.

    Noise is fresh in training and a fixed buffer in eval mode (stylegan2_layers.Noise).
    """

    def __init__(self, options: StyleGAN2Options) -> None:
        super().__init__()
        latent, first = options.latent, channels_at(4, options.channel_multiplier)
        self.mapping = Mapping(latent, options.mapping_layers)
        self.constant = Constant(first)
        self.blocks = nn.ModuleList([StyledConvolution(first, first, size=4, latent=latent, up=False)])
        self.rgb = nn.ModuleList([ToRGB(first, latent=latent, first=True)])
        for size in _sizes(options):
            wide, narrow = (channels_at(each, options.channel_multiplier) for each in (size // 2, size))
            self.blocks.append(StyledConvolution(wide, narrow, size=size, latent=latent, up=True))
            self.blocks.append(StyledConvolution(narrow, narrow, size=size, latent=latent, up=False))
            self.rgb.append(ToRGB(narrow, latent=latent, first=False))

    def forward(self, z: Tensor, *, mixed: tuple[Tensor, int] | None = None) -> Tensor:
        """[N, latent] -> [N, 3, size, size].

        Args:
            z: standard normal.
            mixed: style mixing: a second latent [N, latent], and the layer from which on it rules.

        Raises:
            ArchitectureError: there is no such layer.
        """
        styles = self._styles(z, mixed)
        x = self.blocks[0](self.constant(z.shape[0]), styles[0])
        image: Tensor = self.rgb[0](x, styles[1])
        for index in range(1, len(self.rgb)):
            layer = 2 * index - 1
            x = self.blocks[layer](x, styles[layer])
            x = self.blocks[layer + 1](x, styles[layer + 1])
            image = self.rgb[index](x, styles[layer + 2], image)
        return image

    @property
    def style_layers(self) -> int:
        """How many layers a style rules: one to RGB takes that of the next convolution, the last its own."""
        return len(self.blocks) + 1

    def _styles(self, z: Tensor, mixed: tuple[Tensor, int] | None) -> list[Tensor]:
        layers = self.style_layers
        first = self.mapping(z)
        if mixed is None:
            return [first] * layers
        second, crossover = mixed
        if not 0 < crossover < layers:
            raise ArchitectureError(
                f"stylegan2: style mixing from layer {crossover} on", expected=f"1 to {layers - 1}"
            )
        return [first] * crossover + [self.mapping(second)] * (layers - crossover)


def _sizes(options: SizeOptions) -> list[int]:
    return [2**power for power in range(3, options.size.bit_length())]


def _parameters(options: StyleGAN2Options) -> int:
    latent, multiplier = options.latent, options.channel_multiplier

    def styled(channels_in: int, channels_out: int) -> int:
        # 3x3 weight, modulation with its bias, the noise's weight, bias.
        return 9 * channels_in * channels_out + (latent + 1) * channels_in + 1 + channels_out

    def rgb(channels: int) -> int:
        return 3 * channels + (latent + 1) * channels + 3

    mapping = options.mapping_layers * (latent + 1) * latent
    first = channels_at(4, multiplier)
    total = mapping + 16 * first + styled(first, first) + rgb(first)
    for size in _sizes(options):
        wide, narrow = channels_at(size // 2, multiplier), channels_at(size, multiplier)
        total += styled(wide, narrow) + styled(narrow, narrow) + rgb(narrow)
    return total


def _inputs(options: StyleGAN2Options) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, options.latent)),)


generator = Architecture(
    options=StyleGAN2Options,
    build=StyleGAN2,
    stages={
        "mapping": ("mapping",),
        "constant": ("constant",),
        "blocks": ("blocks",),
        "rgb": ("rgb",),
    },
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    paper=PAPER,
)
