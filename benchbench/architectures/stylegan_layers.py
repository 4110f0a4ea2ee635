"""Layers of StyleGAN: noise per channel, adaptive instance norm, and the filter [1, 2, 1].

Karras, Laine and Aila 2019, "A style-based generator architecture for generative adversarial networks".
Equalised layers are those of StyleGAN2 (stylegan2_layers.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchbench.architectures.stylegan2_layers import EqualConv2d, EqualLinear, scaled_leaky_relu


def channels_at(size: int) -> int:
    """Channels of the layers at `size` x `size`: 512 up to 32, then 256, 128, ..., 16 at 1024."""
    return min(512, 16384 // size)


class Smoothing(nn.Module):
    """The filter [1, 2, 1] in both directions, as a depthwise convolution of 9 MACs per output."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", (torch.outer(taps, taps) / 16)[None, None])

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> the same shape, every channel by itself."""
        channels = x.shape[1]
        return F.conv2d(x, self.kernel.expand(channels, -1, -1, -1), padding=1, groups=channels)


class ChannelNoise(nn.Module):
    """Adds one plane of noise, times a learnt weight per channel that starts at 0.

    In training every image gets fresh noise from torch's generator. In eval mode it is the buffer
    `fixed`, drawn when the layer is built and stored with the weights: one input, one image.
    """

    fixed: Tensor

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels, 1, 1))
        self.register_buffer("fixed", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, size, size] -> the same shape."""
        noise = torch.randn_like(x[:, :1]) if self.training else self.fixed
        return x + self.weight * noise


class Epilogue(nn.Module):
    """What follows every convolution: noise, leaky ReLU, instance norm, and the style's scale and shift."""

    def __init__(self, channels: int, *, size: int, latent: int) -> None:
        super().__init__()
        self.noise = ChannelNoise(channels, size)
        self.style = EqualLinear(latent, 2 * channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """[N, C, size, size] and [N, latent] -> [N, C, size, size]."""
        normal = F.instance_norm(scaled_leaky_relu(self.noise(x)))
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        styled: Tensor = normal * (scale + 1) + shift
        return styled


class SynthesisBlock(nn.Module):
    """Twice the size: nearest upsampling, convolution and filter, then a second convolution."""

    def __init__(self, channels_in: int, channels_out: int, *, size: int, latent: int) -> None:
        super().__init__()
        self.first = EqualConv2d(channels_in, channels_out, 3)
        self.smoothing = Smoothing()
        self.first_epilogue = Epilogue(channels_out, size=size, latent=latent)
        self.second = EqualConv2d(channels_out, channels_out, 3)
        self.second_epilogue = Epilogue(channels_out, size=size, latent=latent)

    def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """[N, channels_in, h, w] and two styles [N, latent] -> [N, channels_out, size, size]."""
        x = self.smoothing(self.first(F.interpolate(x, scale_factor=2.0)))
        x = self.first_epilogue(x, first)
        styled: Tensor = self.second_epilogue(self.second(x), second)
        return styled


class FirstBlock(nn.Module):
    """The learnt constant with its bias, and one convolution; [1, C, 4, 4] for every image."""

    def __init__(self, channels: int, *, latent: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.ones(1, channels, 4, 4))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.first_epilogue = Epilogue(channels, size=4, latent=latent)
        self.second = EqualConv2d(channels, channels, 3)
        self.second_epilogue = Epilogue(channels, size=4, latent=latent)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Two styles [N, latent] -> [N, C, 4, 4]."""
        start = self.value.expand(first.shape[0], -1, -1, -1) + self.bias[:, None, None]
        styled: Tensor = self.second_epilogue(self.second(self.first_epilogue(start, first)), second)
        return styled


class DiscriminatorBlock(nn.Module):
    """Half the size: convolution, filter, convolution, mean of 2 x 2."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = EqualConv2d(channels_in, channels_in, 3)
        self.smoothing = Smoothing()
        self.second = EqualConv2d(channels_in, channels_out, 3)

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2]."""
        x = self.smoothing(scaled_leaky_relu(self.first(x)))
        return scaled_leaky_relu(F.avg_pool2d(self.second(x), 2))
