"""StarGAN: one generator that moves an image to any of several domains, and its discriminator.

Choi et al. 2018, "StarGAN: unified generative adversarial networks for multi-domain image-to-image
translation", tables 4 and 5. DepthwiseGAN (Ngxande et al. 2019) exchanges its convolutions: a
replacement, not an architecture of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

_SLOPE = 0.01


class StarGANOptions(Options):
    """Options of `stargan`.

    Attributes:
        size: height and width of the image.
        domains: labels; each takes one channel beside the three of the image.
        width: channels of the first convolution; they double with every downsampling.
        downsamplings: convolutions of stride 2, and as many transposed ones at the end.
        blocks: residual blocks between them.
    """

    size: Annotated[int, Field(ge=8, le=1024)] = 128
    domains: Annotated[int, Field(ge=1, le=1000)] = 5
    width: Annotated[int, Field(ge=1, le=512)] = 64
    downsamplings: Annotated[int, Field(ge=1, le=5)] = 2
    blocks: Annotated[int, Field(ge=1, le=64)] = 6

    @model_validator(mode="after")
    def _size_halves(self) -> Self:
        # An instance norm needs more than one position.
        _check_halving(self.size, times=self.downsamplings, left=2, name="downsamplings")
        return self


class StarGANDiscriminatorOptions(Options):
    """Options of `stargan_discriminator`.

    Attributes:
        size: height and width of the image.
        domains: labels.
        width: channels of the first layer; they double with every layer.
        layers: convolutions of stride 2 before the two outputs.
    """

    size: Annotated[int, Field(ge=8, le=1024)] = 128
    domains: Annotated[int, Field(ge=1, le=1000)] = 5
    width: Annotated[int, Field(ge=1, le=512)] = 64
    layers: Annotated[int, Field(ge=2, le=8)] = 6

    @model_validator(mode="after")
    def _size_halves(self) -> Self:
        _check_halving(self.size, times=self.layers, left=1, name="layers")
        return self


def _check_halving(size: int, *, times: int, left: int, name: str) -> None:
    multiple = 1 << times
    if size % multiple or size < left * multiple:
        raise ValueError(
            f"size is {size}, expected a multiple of {multiple} from {left * multiple} on ({name} {times})"
        )


def _normalised(channels: int, conv: nn.Module) -> OrderedDict[str, nn.Module]:
    return OrderedDict(conv=conv, norm=nn.InstanceNorm2d(channels, affine=True))


def _activated(channels: int, conv: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(**_normalised(channels, conv), relu=nn.ReLU(inplace=True)))


def _residual(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, bias=False)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to their input; [N, C, H, W] -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _activated(channels, _residual(channels))
        self.second = nn.Sequential(_normalised(channels, _residual(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        added: Tensor = x + self.second(self.first(x))
        return added


class StarGAN(nn.Module):
    """An image and the labels of the domain to move it to, to an image; RGB floats in -1..1 in and out.

    No convolution has a bias. Instance norms have scale and shift and no running statistics: the
    authors' code keeps them, but never goes into eval mode, so that it normalises by each image's own
    statistics in training and in testing, as this does. Weights are torch's default, as theirs.
    """

    def __init__(self, options: StarGANOptions) -> None:
        super().__init__()
        widths = _generator_widths(options)
        self.downsampling = nn.Sequential(
            _activated(widths[0], nn.Conv2d(3 + options.domains, widths[0], 7, padding=3, bias=False)),
            *(
                _activated(after, nn.Conv2d(before, after, 4, stride=2, padding=1, bias=False))
                for before, after in pairwise(widths)
            ),
        )
        self.bottleneck = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(options.blocks)))
        self.upsampling = nn.Sequential(
            *(
                _activated(after, nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=False))
                for before, after in pairwise(reversed(widths))
            )
        )
        self.output = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(widths[0], 3, 7, padding=3, bias=False), tanh=nn.Tanh())
        )

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        """[N, 3, H, W] and [N, domains] -> [N, 3, H, W]; H and W are multiples of 2^downsamplings."""
        spread = labels[:, :, None, None].expand(-1, -1, *image.shape[2:])
        x = self.downsampling(torch.cat([image, spread], dim=1))
        made: Tensor = self.output(self.upsampling(self.bottleneck(x)))
        return made


class StarGANDiscriminator(nn.Module):
    """An image to a map of real against made, and a logit per domain.

    Convolutions have biases but for the two outputs; leaky ReLU of 0.01, no norm (its loss penalises
    the gradient at each image). Weights are torch's default, as the authors'.
    """

    def __init__(self, options: StarGANDiscriminatorOptions) -> None:
        super().__init__()
        widths = _discriminator_widths(options)
        self.input = self._halved(3, widths[0])
        self.hidden = nn.Sequential(
            OrderedDict(
                (f"layer_{number}", self._halved(before, after))
                for number, (before, after) in enumerate(pairwise(widths), start=2)
            )
        )
        self.source = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.domains = nn.Conv2d(widths[-1], options.domains, _smallest(options), bias=False)

    @staticmethod
    def _halved(channels_in: int, channels_out: int) -> nn.Sequential:
        conv = nn.Conv2d(channels_in, channels_out, 4, stride=2, padding=1)
        return nn.Sequential(OrderedDict(conv=conv, leaky_relu=nn.LeakyReLU(_SLOPE)))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """[N, 3, size, size] -> ([N, 1, size / 2^layers, size / 2^layers], [N, domains])."""
        features = self.hidden(self.input(image))
        return self.source(features), self.domains(features).flatten(1)


def _generator_widths(options: StarGANOptions) -> list[int]:
    return [options.width << step for step in range(options.downsamplings + 1)]


def _discriminator_widths(options: StarGANDiscriminatorOptions) -> list[int]:
    return [options.width << layer for layer in range(options.layers)]


def _smallest(options: StarGANDiscriminatorOptions) -> int:
    return options.size >> options.layers


def _generator_parameters(options: StarGANOptions) -> int:
    widths = _generator_widths(options)

    def normalised(kernel: int, channels_in: int, channels_out: int) -> int:
        return kernel**2 * channels_in * channels_out + 2 * channels_out

    down = sum(normalised(4, before, after) for before, after in pairwise(widths))
    up = sum(normalised(4, before, after) for before, after in pairwise(reversed(widths)))
    residual = options.blocks * 2 * normalised(3, widths[-1], widths[-1])
    return normalised(7, 3 + options.domains, widths[0]) + down + residual + up + 49 * widths[0] * 3


def _discriminator_parameters(options: StarGANDiscriminatorOptions) -> int:
    widths = _discriminator_widths(options)
    strided = sum(16 * before * after + after for before, after in pairwise([3, *widths]))
    return strided + 9 * widths[-1] + _smallest(options) ** 2 * widths[-1] * options.domains


def _generator_inputs(options: StarGANOptions) -> tuple[InputSpec, ...]:
    return (
        InputSpec(shape=(1, 3, options.size, options.size), field="input"),
        InputSpec(shape=(1, options.domains), values="one_hot", field="target"),
    )


_PAPER = Paper(
    title="StarGAN: unified generative adversarial networks for multi-domain image-to-image translation",
    year=2018,
    authors="Yunjey Choi, Minje Choi, Munyoung Kim, Jung-Woo Ha, Sunghun Kim, Jaegul Choo",
    url="https://arxiv.org/abs/1711.09020",
)

generator = Architecture(
    options=StarGANOptions,
    build=StarGAN,
    stages={
        "downsampling": ("downsampling",),
        "bottleneck": ("bottleneck",),
        "upsampling": ("upsampling",),
        "output": ("output",),
    },
    inputs=_generator_inputs,
    parameters=_generator_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    size_multiple=lambda options: 1 << options.downsamplings,
    paper=_PAPER,
)

discriminator = Architecture(
    options=StarGANDiscriminatorOptions,
    build=StarGANDiscriminator,
    stages={"input": ("input",), "hidden": ("hidden",), "output": ("source", "domains")},
    inputs=lambda options: (InputSpec(shape=(1, 3, options.size, options.size)),),
    parameters=_discriminator_parameters,
    paper=_PAPER,
)
