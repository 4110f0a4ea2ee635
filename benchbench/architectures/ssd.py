"""Spectral Style-DCGAN: DCGAN with mapping network and AdaIN, against a spectrally normalised discriminator.

Garg 2024, "Parameter & data efficient Spectral Style-DCGAN". AdaIN is that of Huang and Belongie 2017
with StyleGAN's use of it (Karras et al. 2019); spectral norm that of Miyato et al. 2018.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.architectures.dcgan import (
    DcganDiscriminator,
    DcganDiscriminatorOptions,
    Size,
    channels_of,
    discriminator_parameters,
    image_input,
    kernels,
)
from benchbench.architectures.initialisation import draw_normal
from benchbench.architectures.spectral import spectral_norm
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

PAPER = Paper(
    title="Parameter & data efficient Spectral Style-DCGAN",
    year=2024,
    authors="Aryan Garg",
    url="https://arxiv.org/abs/2404.00597",
)


class SsdOptions(Options):
    """Options of `ssd`.

    Attributes:
        latent: length of the latent vector, and width of the mapping network.
        width: channels before the last layer; the first has size / 8 times as many.
        size: height and width of the image, pixels.
        mapping_layers: linear layers of the mapping network.
        adain: whether the mapped latent sets scale and shift after each layer. Without it the mapped
            latent enters the first layer alone, and DCGAN's batch norm takes AdaIN's place (inferred:
            the paper names the ablation, not its norm).
    """

    latent: Annotated[int, Field(ge=1, le=4096)] = 100
    width: Annotated[int, Field(ge=1, le=512)] = 64
    size: Size = 64
    mapping_layers: Annotated[int, Field(ge=1, le=16)] = 4
    adain: bool = True


class SsdDiscriminatorOptions(DcganDiscriminatorOptions):
    """Options of `ssd_discriminator`.

    Attributes:
        width: channels after the first layer; the last but one has size / 8 times as many.
        size: height and width of the image, pixels.
        spectral_norm: of every convolution; parameters and MACs are the same without.
    """

    spectral_norm: bool = True


class Adain(nn.Module):
    """Instance norm without parameters of its own, then scale and shift as the style says."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Linear(style, channels)
        self.shift = nn.Linear(style, channels)
        # As StyleGAN starts: a scale of about 1, whatever the style.
        nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, C, H, W] and [N, style] -> [N, C, H, W]."""
        scale, shift = self.scale(style)[:, :, None, None], self.shift(style)[:, :, None, None]
        moved: Tensor = scale * F.instance_norm(x) + shift
        return moved


class StyledBlock(nn.Module):
    """Transposed convolution, AdaIN (or batch norm), ReLU."""

    def __init__(
        self, channels_in: int, channels_out: int, style: int | None, *, stride: int = 2, padding: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(channels_in, channels_out, 4, stride, padding, bias=False)
        self.adain = Adain(style, channels_out) if style is not None else None
        self.norm = nn.BatchNorm2d(channels_out) if style is None else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, C_in, H, W] and [N, style] -> [N, C_out, 2H, 2W], or [N, C_out, 4, 4] for the first one."""
        x = self.conv(x)
        if self.adain is not None:
            x = self.adain(x, style)
        elif self.norm is not None:
            x = self.norm(x)
        return F.relu(x, inplace=True)


class SsdGenerator(nn.Module):
    """A latent to an image in -1..1."""

    def __init__(self, options: SsdOptions) -> None:
        super().__init__()
        channels = channels_of(options.width, options.size)
        style = options.latent if options.adain else None
        layers: list[nn.Module] = []
        for _ in range(options.mapping_layers):
            layers += [nn.Linear(options.latent, options.latent), nn.LeakyReLU(0.2, inplace=True)]
        self.mapping = nn.Sequential(*layers)
        self.initial = StyledBlock(options.latent, channels[0], style, stride=1, padding=0)
        self.blocks = nn.ModuleList(StyledBlock(before, after, style) for before, after in pairwise(channels))
        self.output = nn.Sequential(
            OrderedDict(conv=nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=False), tanh=nn.Tanh())
        )
        self.apply(draw_normal)

    def forward(self, latent: Tensor) -> Tensor:
        """[N, latent] -> [N, 3, size, size]."""
        style = self.mapping(latent)
        start = latent if self.initial.adain is not None else style
        x = self.initial(start[:, :, None, None], style)
        for block in self.blocks:
            x = block(x, style)
        image: Tensor = self.output(x)
        return image


def _build_discriminator(options: SsdDiscriminatorOptions) -> nn.Module:
    module = DcganDiscriminator(options)
    if options.spectral_norm:
        for part in list(module.modules()):
            if isinstance(part, nn.Conv2d):
                spectral_norm(part)
    return module


def _parameters(options: SsdOptions) -> int:
    channels, latent = channels_of(options.width, options.size), options.latent
    mapping = options.mapping_layers * (latent + 1) * latent
    after_each = 2 * (latent + 1) if options.adain else 2
    return mapping + kernels(channels, latent) + after_each * sum(channels)


_STAGES = {
    "mapping": ("mapping",),
    "initial": ("initial",),
    "blocks": ("blocks",),
    "output": ("output",),
}

generator = Architecture(
    options=SsdOptions,
    build=SsdGenerator,
    stages=_STAGES,
    inputs=lambda options: (InputSpec(shape=(1, options.latent)),),
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    paper=PAPER,
)
discriminator = Architecture(
    options=SsdDiscriminatorOptions,
    build=_build_discriminator,
    stages={"input": ("input",), "blocks": ("blocks",), "output": ("output",)},
    inputs=lambda options: image_input(options.size),
    parameters=lambda options: discriminator_parameters(options.width, options.size),
    output=lambda options: (1,),
    paper=PAPER,
)
