"""StyleGAN2's discriminator: residual blocks with blur, and the deviation within the minibatch.

Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", in the form of its PyTorch
versions: equalised layers, a skip of 1x1 per block, the sum divided by the root of 2.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from benchbench.architectures.stylegan2 import PAPER, SizeOptions
from benchbench.architectures.stylegan2_layers import (
    Blur,
    EqualConv2d,
    EqualLinear,
    channels_at,
    scaled_leaky_relu,
)
from benchbench.core.contracts import Architecture, InputSpec

GROUP = 4


class StyleGAN2DiscriminatorOptions(SizeOptions):
    """Options of `stylegan2_discriminator`.

    Attributes:
        size: height and width of the image.
        channel_multiplier: of the channels from 64 pixels on: 2, 1, 0.5 or 0.25; below they are 512.
    """


class ResidualBlock(nn.Module):
    """Half the size; [N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2]."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = EqualConv2d(channels_in, channels_in, 3)
        self.second_blur = Blur(2)
        self.second = EqualConv2d(channels_in, channels_out, 3, stride=2)
        self.skip_blur = Blur(1)
        self.skip = EqualConv2d(channels_in, channels_out, 1, stride=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2]."""
        deep = scaled_leaky_relu(self.first(x))
        deep = scaled_leaky_relu(self.second(self.second_blur(deep)))
        shallow: Tensor = self.skip(self.skip_blur(x))
        return (deep + shallow) / math.sqrt(2)


class Head(nn.Module):
    """The minibatch's deviation as one more channel, a convolution and two linear layers, to a logit."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = EqualConv2d(channels + 1, channels, 3)
        self.hidden = EqualLinear(16 * channels, channels)
        self.logit = EqualLinear(channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels, 4, 4] -> [N, 1]."""
        x = scaled_leaky_relu(self.conv(with_deviation(x)))
        logit: Tensor = self.logit(scaled_leaky_relu(self.hidden(x.flatten(1))))
        return logit


def with_deviation(x: Tensor) -> Tensor:
    """The mean standard deviation of every group of images, appended as a constant channel.

    A group has 4 images, or fewer where the batch cannot be parted so: 3, 2, or 1 with a deviation of 0.

    Args:
        x: [N, C, H, W].

    Returns:
        [N, C + 1, H, W].
    """
    images, _, height, width = x.shape
    group = next(size for size in range(GROUP, 0, -1) if images % size == 0)
    grouped = x.reshape(group, images // group, *x.shape[1:])
    deviation = torch.sqrt(grouped.var(0, unbiased=False) + 1e-8).mean((1, 2, 3), keepdim=True)
    return torch.cat([x, deviation.repeat(group, 1, height, width)], 1)


class StyleGAN2Discriminator(nn.Module):
    """An image, RGB floats in -1..1, to one logit."""

    def __init__(self, options: StyleGAN2DiscriminatorOptions) -> None:
        super().__init__()
        channels = [channels_at(size, options.channel_multiplier) for size in _sizes(options)]
        self.rgb = EqualConv2d(3, channels[0], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(each, following) for each, following in pairwise(channels))
        )
        self.head = Head(channels[-1])

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, size, size] -> [N, 1]."""
        logit: Tensor = self.head(self.blocks(scaled_leaky_relu(self.rgb(image))))
        return logit


def _sizes(options: SizeOptions) -> list[int]:
    return [2**power for power in range(options.size.bit_length() - 1, 1, -1)]


def _parameters(options: StyleGAN2DiscriminatorOptions) -> int:
    channels = [channels_at(size, options.channel_multiplier) for size in _sizes(options)]
    total = 4 * channels[0]
    for each, following in pairwise(channels):
        # Two 3x3 convolutions with bias, and the skip.
        total += (9 * each + 1) * each + (9 * each + 1) * following + each * following
    last = channels[-1]
    convolution = (9 * (last + 1) + 1) * last
    return total + convolution + (16 * last + 1) * last + last + 1


def _inputs(options: StyleGAN2DiscriminatorOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, 3, options.size, options.size)),)


discriminator = Architecture(
    options=StyleGAN2DiscriminatorOptions,
    build=StyleGAN2Discriminator,
    stages={"rgb": ("rgb",), "blocks": ("blocks",), "head": ("head",)},
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 1),
    paper=PAPER,
)
