"""Style-transfer transformer net: encoder, residual blocks and nearest-upsampling decoder.

Johnson, Alahi and Fei-Fei 2016, "Perceptual losses for real-time style transfer and
super-resolution", with instance norm (Ulyanov et al. 2016) and upsampling followed by a
reflection-padded convolution in place of transposed convolutions (Odena et al. 2016).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper


class TransformerNetOptions(Options):
    """Options of `transformer_net`.

    Attributes:
        width: channels of the first convolution; the trunk has four times as many.
        blocks: residual blocks.
        upsample: how the decoder doubles its size, before each of its first two convolutions.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 32
    blocks: Annotated[int, Field(ge=1, le=64)] = 5
    upsample: Literal["nearest", "bilinear"] = "nearest"


def _convolution(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    padding = kernel // 2
    return nn.Conv2d(channels_in, channels_out, kernel, stride, padding, padding_mode="reflect")


def _normalised(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1
) -> OrderedDict[str, nn.Module]:
    return OrderedDict(
        conv=_convolution(channels_in, channels_out, kernel, stride),
        norm=nn.InstanceNorm2d(channels_out, affine=True),
        relu=nn.ReLU(inplace=True),
    )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to their input; [N, C, H, W] -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_normalised(channels, channels, 3))
        self.second = nn.Sequential(
            OrderedDict(
                conv=_convolution(channels, channels, 3), norm=nn.InstanceNorm2d(channels, affine=True)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        added: Tensor = x + self.second(self.first(x))
        return added


class TransformerNet(nn.Module):
    """An image to a stylised image of the same size.

    RGB floats, 0..1 in and out. The last convolution is linear, with neither tanh nor clamp, so a
    value may lie outside 0..1; clamp it when it is shown or saved.
    """

    def __init__(self, options: TransformerNetOptions) -> None:
        super().__init__()
        width = options.width
        self.encoder = nn.Sequential(
            nn.Sequential(_normalised(3, width, 9)),
            nn.Sequential(_normalised(width, 2 * width, 3, stride=2)),
            nn.Sequential(_normalised(2 * width, 4 * width, 3, stride=2)),
        )
        self.residual = nn.Sequential(*(ResidualBlock(4 * width) for _ in range(options.blocks)))
        self.decoder = nn.Sequential(
            self._upsampled(4 * width, 2 * width, options),
            self._upsampled(2 * width, width, options),
            nn.Sequential(OrderedDict(conv=_convolution(width, 3, 9))),
        )

    @staticmethod
    def _upsampled(channels_in: int, channels_out: int, options: TransformerNetOptions) -> nn.Sequential:
        up = nn.Upsample(scale_factor=2, mode=options.upsample)
        return nn.Sequential(OrderedDict(up=up, **_normalised(channels_in, channels_out, 3)))

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 3, H, W]; H and W are multiples of 4 and at least 8."""
        stylised: Tensor = self.decoder(self.residual(self.encoder(image)))
        return stylised


def _parameters(options: TransformerNetOptions) -> int:
    width, blocks = options.width, options.blocks

    def normalised(channels_in: int, channels_out: int, kernel: int) -> int:
        # Weight, bias, and the two vectors of the affine norm.
        return kernel**2 * channels_in * channels_out + 3 * channels_out

    encoder = normalised(3, width, 9) + normalised(width, 2 * width, 3) + normalised(2 * width, 4 * width, 3)
    residual = blocks * 2 * normalised(4 * width, 4 * width, 3)
    decoder = normalised(4 * width, 2 * width, 3) + normalised(2 * width, width, 3) + 81 * width * 3 + 3
    return encoder + residual + decoder


def _inputs(options: TransformerNetOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, 3, 256, 256), field="input"),)


architecture = Architecture(
    options=TransformerNetOptions,
    build=TransformerNet,
    stages={"encoder": ("encoder",), "residual": ("residual",), "decoder": ("decoder",)},
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 3, 256, 256),
    size_multiple=lambda options: 4,
    values="unit",
    paper=Paper(
        title="Perceptual losses for real-time style transfer and super-resolution",
        year=2016,
        authors="Justin Johnson, Alexandre Alahi, Li Fei-Fei",
        url="https://arxiv.org/abs/1603.08155",
    ),
)
