"""Layers of StyleGAN2: equalised learning rate, blur, fixed noise, modulated convolution.

Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", in the arrangement that its
PyTorch versions share: blurs are depthwise convolutions, and the weights of a modulated convolution are
scaled image by image and run as one grouped convolution, so that a batch stays one call.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MULTIPLIERS = (2.0, 1.0, 0.5, 0.25)
SLOPE = 0.2


def channels_at(size: int, multiplier: float) -> int:
    """Channels of the layers at `size` x `size`: 512 up to 32, then 256, 128, ... times the multiplier."""
    return 512 if size <= 32 else int(256 * 64 // size * multiplier)


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU times the root of 2, which keeps the variance of its input; any shape."""
    return F.leaky_relu(x, SLOPE) * math.sqrt(2)


class EqualLinear(nn.Linear):
    """Linear layer whose weight is drawn from N(0, 1) and scaled at run time.

    Args:
        bias_init: value of the bias at the start, as it takes effect.
        rate: learning rate relative to the rest of the network.
    """

    def __init__(
        self, features_in: int, features_out: int, *, bias_init: float = 0.0, rate: float = 1.0
    ) -> None:
        super().__init__(features_in, features_out)
        self.rate = rate
        self.scale = rate / math.sqrt(features_in)
        nn.init.normal_(self.weight, std=1 / rate)
        nn.init.constant_(self.bias, bias_init / rate)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Linear's name
        """[N, features_in] -> [N, features_out]."""
        return F.linear(input, self.weight * self.scale, self.bias * self.rate)


class EqualConv2d(nn.Conv2d):
    """Convolution whose weight is drawn from N(0, 1) and scaled at run time; its bias starts at 0."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, bias: bool = True
    ) -> None:
        # With stride 2 the blur before it has padded already.
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(channels_in, channels_out, kernel, stride, padding, bias=bias)
        self.scale = 1 / math.sqrt(channels_in * kernel**2)
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.Conv2d's name
        """[N, channels_in, H, W] -> [N, channels_out, H / stride, W / stride]."""
        out: Tensor = self._conv_forward(input, self.weight * self.scale, self.bias)
        return out


class Blur(nn.Module):
    """The filter [1, 3, 3, 1] in both directions, as a depthwise convolution of 16 MACs per output.

    Args:
        padding: zeros on every side; [N, C, H, W] -> [N, C, H + 2 padding - 3, W + 2 padding - 3].
        gain: sum of the filter; 4 after zeros were put between the pixels.
    """

    kernel: Tensor

    def __init__(self, padding: int, *, gain: float = 1.0) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.padding = padding
        self.register_buffer("kernel", (torch.outer(taps, taps) * (gain / 64))[None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Every channel by itself."""
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, -1, -1, -1)
        return F.conv2d(x, kernel, padding=self.padding, groups=channels)


class BlurredUpsample(Blur):
    """Twice the size: zeros between the pixels, then the blur; [N, C, H, W] -> [N, C, 2 H, 2 W]."""

    def __init__(self) -> None:
        super().__init__(0, gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, 2 H, 2 W]."""
        height, width = x.shape[2:]
        spread = F.pad(x[:, :, :, None, :, None], (0, 1, 0, 0, 0, 1))
        spread = spread.reshape(*x.shape[:2], 2 * height, 2 * width)
        return super().forward(F.pad(spread, (2, 1, 2, 1)))


class Noise(nn.Module):
    """Adds one plane of noise to all channels, times one learnt weight that starts at 0.

    In training every image gets fresh noise from torch's generator. In eval mode it is the buffer
    `fixed`, drawn when the layer is built and stored with the weights: one input, one image.
    """

    fixed: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.register_buffer("fixed", torch.randn(1, 1, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, size, size] -> the same shape."""
        noise = torch.randn_like(x[:, :1]) if self.training else self.fixed
        return x + self.weight * noise


class ModulatedConv2d(nn.Module):
    """Convolution whose weight is scaled by a style, for every image its own.

    The batch is one grouped convolution, one group per image. Without bias.

    Args:
        latent: features of the style.
        demodulate: bring every output channel of the scaled weight back to length 1.
        up: twice the size, by a transposed convolution of stride 2 and a blur.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int,
        latent: int,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.modulation = EqualLinear(latent, channels_in, bias_init=1.0)
        self.scale = 1 / math.sqrt(channels_in * kernel**2)
        self.demodulate = demodulate
        self.blur = Blur(1, gain=4.0) if up else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, channels_in, H, W] and [N, latent] -> [N, channels_out, H, W], or 2 H and 2 W."""
        images, channels_in = x.shape[:2]
        by_channel = self.modulation(style)[:, None, :, None, None]
        weight: Tensor = self.scale * self.weight * by_channel
        if self.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        side_by_side = x.reshape(1, images * channels_in, *x.shape[2:])
        if self.blur is None:
            weight, padding = weight.flatten(0, 1), self.weight.shape[-1] // 2
            out = F.conv2d(side_by_side, weight, padding=padding, groups=images)
            return out.reshape(images, -1, *out.shape[2:])
        # A transposed convolution keeps its input channels first.
        weight = weight.transpose(1, 2).flatten(0, 1)
        out = F.conv_transpose2d(side_by_side, weight, stride=2, groups=images)
        blurred: Tensor = self.blur(out.reshape(images, -1, *out.shape[2:]))
        return blurred


class StyledConvolution(nn.Module):
    """Modulated 3x3 convolution, noise, bias and leaky ReLU.

    Args:
        size: height and width of the output.
        latent: features of the style.
        up: the input has half of `size`.
    """

    def __init__(self, channels_in: int, channels_out: int, *, size: int, latent: int, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(channels_in, channels_out, kernel=3, latent=latent, up=up)
        self.noise = Noise(size)
        self.bias = nn.Parameter(torch.zeros(channels_out))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[N, channels_in, h, w] and [N, latent] -> [N, channels_out, size, size]."""
        return scaled_leaky_relu(self.noise(self.conv(x, style)) + self.bias[:, None, None])


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to three channels, added to the upsampled image of the layers before."""

    def __init__(self, channels: int, *, latent: int, first: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(channels, 3, kernel=1, latent=latent, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(3))
        self.upsample = None if first else BlurredUpsample()

    def forward(self, x: Tensor, style: Tensor, before: Tensor | None = None) -> Tensor:
        """[N, channels, H, W], [N, latent] and, but for the first, [N, 3, H / 2, W / 2] -> [N, 3, H, W]."""
        image: Tensor = self.conv(x, style) + self.bias[:, None, None]
        if self.upsample is None or before is None:
            return image
        added: Tensor = image + self.upsample(before)
        return added
