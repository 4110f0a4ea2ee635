"""DCGAN: a latent to an image by five transposed convolutions, and the mirrored discriminator.

Radford, Metz and Chintala 2016, "Unsupervised representation learning with deep convolutional
generative adversarial networks", at 64 x 64 pixels as its authors and the PyTorch example have it; other
sizes have one layer more or less, each with half or twice the channels.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from benchbench.architectures.initialisation import draw_normal
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

PAPER = Paper(
    title="Unsupervised representation learning with deep convolutional generative adversarial networks",
    year=2016,
    authors="Alec Radford, Luke Metz, Soumith Chintala",
    url="https://arxiv.org/abs/1511.06434",
)
Size = Literal[32, 64, 128, 256]


class DcganOptions(Options):
    """Options of `dcgan`.

    Attributes:
        latent: length of the latent vector.
        width: channels before the last layer; the first has size / 8 times as many.
        size: height and width of the image, pixels.
    """

    latent: Annotated[int, Field(ge=1, le=4096)] = 100
    width: Annotated[int, Field(ge=1, le=512)] = 64
    size: Size = 64


class DcganDiscriminatorOptions(Options):
    """Options of `dcgan_discriminator`.

    Attributes:
        width: channels after the first layer; the last but one has size / 8 times as many.
        size: height and width of the image, pixels.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 64
    size: Size = 64


def channels_of(width: int, size: int) -> tuple[int, ...]:
    """Channels at 4 x 4, 8 x 8, ... to half of `size`: (512, 256, 128, 64) for width 64 at 64 pixels."""
    layers = size.bit_length() - 3
    return tuple(width * 2**step for step in reversed(range(layers)))


class DcganGenerator(nn.Module):
    """A latent to an image in -1..1."""

    def __init__(self, options: DcganOptions) -> None:
        super().__init__()
        channels = channels_of(options.width, options.size)
        self.initial = _upsampled(options.latent, channels[0], stride=1, padding=0)
        self.blocks = nn.Sequential(*(_upsampled(before, after) for before, after in pairwise(channels)))
        self.output = nn.Sequential(
            OrderedDict(conv=nn.ConvTranspose2d(channels[-1], 3, 4, 2, 1, bias=False), tanh=nn.Tanh())
        )
        self.apply(draw_normal)

    def forward(self, latent: Tensor) -> Tensor:
        """[N, latent] -> [N, 3, size, size]."""
        image: Tensor = self.output(self.blocks(self.initial(latent[:, :, None, None])))
        return image


def _upsampled(channels_in: int, channels_out: int, *, stride: int = 2, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.ConvTranspose2d(channels_in, channels_out, 4, stride, padding, bias=False),
            norm=nn.BatchNorm2d(channels_out),
            relu=nn.ReLU(inplace=True),
        )
    )


class DcganDiscriminator(nn.Module):
    """An image to one logit."""

    def __init__(self, options: DcganDiscriminatorOptions) -> None:
        super().__init__()
        channels = channels_of(options.width, options.size)[::-1]
        self.input = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(3, channels[0], 4, 2, 1, bias=False), relu=nn.LeakyReLU(0.2, inplace=True)
            )
        )
        self.blocks = nn.Sequential(*(_downsampled(before, after) for before, after in pairwise(channels)))
        self.output = nn.Conv2d(channels[-1], 1, 4, bias=False)
        self.apply(draw_normal)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N]; a sigmoid of it is the probability of a real image."""
        logit: Tensor = self.output(self.blocks(self.input(image)))
        return logit.flatten()


def _downsampled(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels_in, channels_out, 4, 2, 1, bias=False),
            norm=nn.BatchNorm2d(channels_out),
            relu=nn.LeakyReLU(0.2, inplace=True),
        )
    )


def kernels(channels: tuple[int, ...], first: int) -> int:
    """Weights of the 4 x 4 kernels from `first` channels through `channels` to three colours."""
    return 16 * sum(before * after for before, after in pairwise((first, *channels, 3)))


def _parameters(options: DcganOptions) -> int:
    channels = channels_of(options.width, options.size)
    return kernels(channels, options.latent) + 2 * sum(channels)


def discriminator_parameters(width: int, size: int) -> int:
    """Parameters of the discriminator: its kernels, and batch norm after every layer but first and last."""
    channels = channels_of(width, size)
    return kernels(channels, 1) + 2 * sum(channels[:-1])


def image_input(size: int) -> tuple[InputSpec, ...]:
    """One image."""
    return (InputSpec(shape=(1, 3, size, size)),)


generator = Architecture(
    options=DcganOptions,
    build=DcganGenerator,
    stages={"initial": ("initial",), "blocks": ("blocks",), "output": ("output",)},
    inputs=lambda options: (InputSpec(shape=(1, options.latent)),),
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    paper=PAPER,
)
discriminator = Architecture(
    options=DcganDiscriminatorOptions,
    build=DcganDiscriminator,
    stages={"input": ("input",), "blocks": ("blocks",), "output": ("output",)},
    inputs=lambda options: image_input(options.size),
    parameters=lambda options: discriminator_parameters(options.width, options.size),
    output=lambda options: (1,),
    paper=PAPER,
)
