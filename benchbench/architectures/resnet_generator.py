"""ResNet generator of CycleGAN and pix2pix, its mobile form, and GAN Compression's sub-networks of it.

Johnson et al. 2016 and Zhu et al. 2017; the mobile form and the channel configurations are those of Li
et al. 2020, "GAN Compression: Efficient Architectures for Interactive Conditional GANs".
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.architectures.channel_slots import ChannelSlots, parse_channel_slots
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

_SEARCHED_BLOCKS = 9
_SLOTS = {
    6: ("first", "down", "trunk", "blocks 1-9", "up 1", "up 2"),
    8: ("first", "down", "trunk", "blocks 1-3", "blocks 4-6", "blocks 7-9", "up 1", "up 2"),
}


class ResnetGeneratorOptions(Options):
    """Options of `resnet_generator`.

    Attributes:
        width: channels of the first convolution; the trunk has four times as many. With `channels`, the
            supernet's width, which no slot may exceed.
        blocks: residual blocks.
        channels: a sub-network by six or eight slots, "24_24_24_32_20_16" in quotes: first, down (x2),
            trunk (x4), inner width of the residual blocks (x4; one slot, or one for each three blocks),
            up 1 (x2), up 2. Its blocks are mobile.
        mobile: residual convolutions are depthwise 3x3, instance norm, 1x1.
        layout: `legacy`: the inner width of six slots is that of blocks 1, 4 and 7 alone, the others
            have the trunk's.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 64
    blocks: Annotated[int, Field(ge=1, le=64)] = 9
    channels: ChannelSlots = None
    mobile: bool = False
    layout: Literal["uniform", "legacy"] = "uniform"

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        if self.channels is None:
            if self.layout == "legacy":
                raise ValueError("layout legacy has a meaning only with channels of six slots")
            return self
        slots = parse_channel_slots(self.channels, width=self.width, layouts=_SLOTS)
        if self.blocks != _SEARCHED_BLOCKS:
            raise ValueError(f"blocks is {self.blocks}, but channels configures {_SEARCHED_BLOCKS} blocks")
        if self.layout == "legacy" and len(slots) != 6:
            raise ValueError(f"channels '{self.channels}' has {len(slots)} slots, layout legacy expects 6")
        return self


@dataclass(frozen=True, slots=True)
class _Channels:
    """Channels between the layers; `inner` has one width per residual block."""

    first: int
    down: int
    trunk: int
    inner: tuple[int, ...]
    up: tuple[int, int]
    mobile: bool


def _channels(options: ResnetGeneratorOptions) -> _Channels:
    if options.channels is None:
        width = options.width
        inner = (4 * width,) * options.blocks
        return _Channels(width, 2 * width, 4 * width, inner, (2 * width, width), options.mobile)
    slots = parse_channel_slots(options.channels, width=options.width, layouts=_SLOTS)
    first, down, trunk, *searched, up_1, up_2 = slots.values()
    inner = tuple(4 * searched[block * len(searched) // options.blocks] for block in range(options.blocks))
    if options.layout == "legacy":
        inner = tuple(each if block % 3 == 0 else 4 * trunk for block, each in enumerate(inner))
    return _Channels(first, 2 * down, 4 * trunk, inner, (2 * up_1, up_2), mobile=True)


def _norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels)


def _separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(channels_in, channels_in, 3, groups=channels_in),
            norm=_norm(channels_in),
            pointwise=nn.Conv2d(channels_in, channels_out, 1),
        )
    )


def _activated(channels: int, **layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(**layers, norm=_norm(channels), relu=nn.ReLU(inplace=True)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or their mobile forms, added to their input; [N, C, H, W] -> the same."""

    def __init__(self, channels: int, inner: int, *, mobile: bool) -> None:
        super().__init__()

        def padded(channels_in: int, channels_out: int) -> dict[str, nn.Module]:
            mixed = (
                _separable(channels_in, channels_out) if mobile else nn.Conv2d(channels_in, channels_out, 3)
            )
            return {"pad": nn.ReflectionPad2d(1), "conv": mixed}

        self.first = _activated(inner, **padded(channels, inner))
        self.second = nn.Sequential(OrderedDict(**padded(inner, channels), norm=_norm(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, H, W]."""
        added: Tensor = x + self.second(self.first(x))
        return added


class ResnetGenerator(nn.Module):
    """An image to an image of the same size, values -1..1 in and out.

    Instance norm without scale and shift, biases in every convolution; weights from N(0, 0.02) (Zhu et
    al. 2017), biases 0.
    """

    def __init__(self, options: ResnetGeneratorOptions) -> None:
        super().__init__()
        have = _channels(options)
        # The pad is a layer of its own: a 1x1 that replaces the 7x7 in part works on the border too, as
        # in Table 4 of GAN Compression.
        self.downsample = nn.Sequential(
            _activated(have.first, pad=nn.ReflectionPad2d(3), conv=nn.Conv2d(3, have.first, 7)),
            _activated(have.down, conv=nn.Conv2d(have.first, have.down, 3, stride=2, padding=1)),
            _activated(have.trunk, conv=nn.Conv2d(have.down, have.trunk, 3, stride=2, padding=1)),
        )
        self.residual = nn.Sequential(
            *(ResidualBlock(have.trunk, inner, mobile=have.mobile) for inner in have.inner)
        )
        self.upsample = nn.Sequential(
            self._doubled(have.trunk, have.up[0]), self._doubled(have.up[0], have.up[1])
        )
        self.output = nn.Sequential(
            OrderedDict(pad=nn.ReflectionPad2d(3), conv=nn.Conv2d(have.up[1], 3, 7), tanh=nn.Tanh())
        )
        self.apply(_initialise)

    @staticmethod
    def _doubled(channels_in: int, channels_out: int) -> nn.Sequential:
        conv = nn.ConvTranspose2d(channels_in, channels_out, 3, stride=2, padding=1, output_padding=1)
        return _activated(channels_out, conv=conv)

    def forward(self, image: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 3, H, W]; H and W are multiples of 4 and at least 8."""
        made: Tensor = self.output(self.upsample(self.residual(self.downsample(image))))
        return made


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _parameters(options: ResnetGeneratorOptions) -> int:
    have = _channels(options)

    def convolution(kernel: int, channels_in: int, channels_out: int) -> int:
        return kernel**2 * channels_in * channels_out + channels_out

    def residual(channels_in: int, channels_out: int) -> int:
        if have.mobile:
            return 10 * channels_in + convolution(1, channels_in, channels_out)
        return convolution(3, channels_in, channels_out)

    downsample = (
        convolution(7, 3, have.first)
        + convolution(3, have.first, have.down)
        + convolution(3, have.down, have.trunk)
    )
    blocks = sum(residual(have.trunk, inner) + residual(inner, have.trunk) for inner in have.inner)
    upsample = convolution(3, have.trunk, have.up[0]) + convolution(3, have.up[0], have.up[1])
    return downsample + blocks + upsample + convolution(7, have.up[1], 3)


def _inputs(options: ResnetGeneratorOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, 3, 256, 256), field="input"),)


architecture = Architecture(
    options=ResnetGeneratorOptions,
    build=ResnetGenerator,
    stages={
        "downsample": ("downsample",),
        "residual": ("residual",),
        "upsample": ("upsample",),
        "output": ("output",),
    },
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 3, 256, 256),
    size_multiple=lambda options: 4,
    paper=Paper(
        title="Unpaired image-to-image translation using cycle-consistent adversarial networks",
        year=2017,
        authors="Jun-Yan Zhu, Taesung Park, Phillip Isola, Alexei A. Efros",
        url="https://arxiv.org/abs/1703.10593",
        note=(
            "Mobile blocks and channel configurations: Li et al. 2020, GAN Compression, "
            "https://arxiv.org/abs/2003.08936."
        ),
    ),
)
