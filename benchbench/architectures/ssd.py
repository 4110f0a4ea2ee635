"""Spectral Style-DCGAN: DCGAN with mapping network and AdaIN, against a spectrally normalised discriminator.

Garg 2024, "Parameter & data efficient Spectral Style-DCGAN". AdaIN is that of Huang and Belongie 2017
with StyleGAN's use of it (Karras et al. 2019); spectral norm that of Miyato et al. 2018.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
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
        form: `paper`: as the paper tells it, layers of their own in the mapping network, and the latent
            into the first block. `released`: as its authors' code has it: one linear layer applied
            `mapping_layers` times to the latent brought to length 1, and a learnt start in place of the
            latent. The paper's count is that of `paper`: it counts the one layer every time it is applied.
        adain: whether the mapped latent sets scale and shift after each layer. Without it the mapped
            latent enters the first layer alone, and DCGAN's batch norm takes AdaIN's place (inferred:
            the paper names the ablation, not its norm).
    """

    latent: Annotated[int, Field(ge=1, le=4096)] = 100
    width: Annotated[int, Field(ge=1, le=512)] = 64
    size: Size = 64
    mapping_layers: Annotated[int, Field(ge=1, le=16)] = 4
    form: Literal["paper", "released"] = "paper"
    adain: bool = True

    @model_validator(mode="after")
    def _released_has_adain(self) -> Self:
        if self.form == "released" and not self.adain:
            raise ValueError("the released code has no network without AdaIN; use form: paper")
        return self


class SsdDiscriminatorOptions(DcganDiscriminatorOptions):
    """Options of `ssd_discriminator`.

    Attributes:
        width: channels after the first layer; the last but one has size / 8 times as many.
        size: height and width of the image, pixels.
        spectral_norm: of every convolution (the authors' code: of the three in the middle); parameters
            and MACs are the same without.
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


class Mapping(nn.Module):
    """Linear layers with leaky ReLU; `shared`: one of them, applied to the normalised latent repeatedly."""

    def __init__(self, latent: int, layers: int, *, shared: bool) -> None:
        super().__init__()
        self.times = layers if shared else 1
        self.layers = nn.ModuleList(nn.Linear(latent, latent) for _ in range(1 if shared else layers))
        self.shared = shared

    def forward(self, latent: Tensor) -> Tensor:
        """[N, latent] -> [N, latent]."""
        style = F.normalize(latent) if self.shared else latent
        for layer in [*self.layers] * self.times:
            style = F.leaky_relu(layer(style), 0.2, inplace=True)
        return style


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
        is_released = options.form == "released"
        self.mapping = Mapping(options.latent, options.mapping_layers, shared=is_released)
        self.start = nn.Parameter(torch.ones(1, options.latent)) if is_released else None
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
        if self.start is not None:
            start = self.start.expand(latent.shape[0], -1)
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
    is_released = options.form == "released"
    mapping = (1 if is_released else options.mapping_layers) * (latent + 1) * latent + is_released * latent
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
