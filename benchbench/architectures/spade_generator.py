"""SPADE generator (GauGAN), its mobile form, and GAN Compression's sub-networks of it.

Park et al. 2019, "Semantic image synthesis with spatially-adaptive normalization"; the mobile form and
the channel configurations are those of Li et al. 2020, "GAN Compression: Efficient Architectures for
Interactive Conditional GANs".
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.architectures.channel_slots import ChannelSlots, parse_channel_slots
from benchbench.architectures.spade_layers import SpadeBlock
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

_SLOTS = {8: ("first", "head_0", "middle_0", "middle_1", "up_0", "up_1", "up_2", "up_3")}
# Channels of a layer per unit of its slot; in the ups a block's inner width is also its output.
_FACTORS = {"first": 16, "head_0": 16, "middle_0": 16, "middle_1": 16, "up_0": 8, "up_1": 4, "up_2": 2}


class SpadeGeneratorOptions(Options):
    """Options of `spade_generator`.

    Attributes:
        width: channels before the last convolution; the first map has sixteen times as many. With
            `channels`, the supernet's width, which no slot may exceed.
        channels: a sub-network by eight slots, "32_32_48_32_32_32_32_24" in quotes: first (x16), inner
            width of head_0, middle_0, middle_1 (x16 each), up_0 (x8), up_1 (x4), up_2 (x2), up_3; SPADE's
            hidden channels are twice the slot of their block. Its scales and shifts are mobile.
        mobile: SPADE's scale and shift are depthwise 3x3, instance norm, 1x1; every other convolution
            stays.
        labels: channels of the label map.
        hidden: SPADE's hidden channels; null: twice the width, the paper's 128 at 64.
        spectral_norm: of the blocks' own convolutions; null: where `channels` is not given. (GAN
            Compression takes it off before it distils.)
        upsampling: `more` (GAN Compression's) starts at 1/64 of the image and doubles between the two
            middle blocks too; `normal` starts at 1/32.
        height: of the example input.
        aspect: width of the example input as a multiple of its height.
    """

    width: Annotated[int, Field(ge=1, le=512)] = 64
    channels: ChannelSlots = None
    mobile: bool = False
    labels: Annotated[int, Field(ge=1, le=1024)] = 36
    hidden: Annotated[int | None, Field(ge=1, le=2048)] = None
    spectral_norm: bool | None = None
    upsampling: Literal["normal", "more"] = "more"
    height: Annotated[int, Field(ge=32, le=4096)] = 256
    aspect: Annotated[int, Field(ge=1, le=4)] = 2

    @model_validator(mode="after")
    def _channels_fit(self) -> Self:
        if self.height % self.reduction:
            raise ValueError(
                f"height is {self.height}, expected a multiple of {self.reduction} "
                f"(upsampling {self.upsampling})"
            )
        if self.height * self.aspect == self.reduction and (self.mobile or self.channels is not None):
            raise ValueError(
                f"height {self.height} at aspect 1 makes a first map of one position, which instance norm "
                "cannot normalise; expected more"
            )
        if self.channels is not None:
            parse_channel_slots(self.channels, width=self.width, layouts=_SLOTS)
            if self.hidden is not None:
                raise ValueError(
                    f"hidden is {self.hidden}, but channels sets it: twice the slot of each block"
                )
        return self

    @property
    def reduction(self) -> int:
        """How many times smaller than the image the first map is."""
        return 32 if self.upsampling == "normal" else 64


class _Channels:
    """Channels by place: out of the first convolution, and (in, inner, out, SPADE's hidden) per block."""

    def __init__(self, options: SpadeGeneratorOptions) -> None:
        names = _SLOTS[8]
        slots = dict.fromkeys(names, options.width)
        if options.channels is not None:
            slots = parse_channel_slots(options.channels, width=options.width, layouts=_SLOTS)
        wide = {name: _FACTORS.get(name, 1) * slots[name] for name in names}
        self.separable = options.mobile or options.channels is not None
        self.first = current = wide["first"]
        self.blocks: dict[str, tuple[int, int, int, int]] = {}
        for name in names[1:]:
            out = wide[name] if name.startswith("up") else current
            self.blocks[name] = (current, wide[name], out, options.hidden or 2 * slots[name])
            current = out
        self.last = current


class SpadeGenerator(nn.Module):
    """A label map (one channel per label, 1 where it holds) to an RGB image of its size, -1..1.

    Batch norm stands for the paper's synchronised one: in eval mode they are the same, and
    `nn.SyncBatchNorm.convert_sync_batchnorm` makes it so for training on several devices. The first map
    is made from the label map shrunk to it (no noise: the paper's generator without its encoder).
    Weights from Xavier's normal distribution with gain 0.02, biases 0.
    """

    def __init__(self, options: SpadeGeneratorOptions) -> None:
        super().__init__()
        have = _Channels(options)
        self.reduction = options.reduction
        self.fc = nn.Conv2d(options.labels, have.first, 3, padding=1)
        for name, (channels_in, inner, out, hidden) in have.blocks.items():
            block = SpadeBlock(
                channels_in,
                out,
                inner=inner,
                learned_shortcut=name.startswith("up"),
                labels=options.labels,
                hidden=hidden,
                separable=have.separable,
            )
            self.add_module(name, block)
        self.image = nn.Conv2d(have.last, 3, 3, padding=1)
        self.apply(_initialise)
        constrained = options.channels is None if options.spectral_norm is None else options.spectral_norm
        if constrained:
            for name in have.blocks:
                self._block(name).constrain_spectrally()

    def _block(self, name: str) -> SpadeBlock:
        block = self.get_submodule(name)
        assert isinstance(block, SpadeBlock)
        return block

    def forward(self, label_map: Tensor) -> Tensor:
        """[N, labels, H, W] -> [N, 3, H, W]; H and W are multiples of 64 (`upsampling: normal`: of 32).

        Raises:
            ValueError: other sizes, or another number of labels.
        """
        labels, height, width = label_map.shape[1:]
        if labels != self.fc.in_channels or height % self.reduction or width % self.reduction:
            raise ValueError(
                f"got {labels} labels at {height} x {width}, expected {self.fc.in_channels} "
                f"at multiples of {self.reduction}"
            )
        smallest = (height // self.reduction, width // self.reduction)
        x = self.fc(F.interpolate(label_map, size=smallest, mode="nearest"))
        x = self._block("head_0")(x, label_map)
        x = self._block("middle_0")(_doubled(x), label_map)
        x = self._block("middle_1")(_doubled(x) if self.reduction == 64 else x, label_map)
        for name in ("up_0", "up_1", "up_2", "up_3"):
            x = self._block(name)(_doubled(x), label_map)
        return torch.tanh(self.image(F.leaky_relu(x, 0.2)))


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_normal_(module.weight, gain=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _parameters(options: SpadeGeneratorOptions) -> int:
    have = _Channels(options)

    def convolution(kernel: int, channels_in: int, channels_out: int) -> int:
        return kernel**2 * channels_in * channels_out + channels_out

    def spade(channels: int, hidden: int) -> int:
        if have.separable:
            modulation = 10 * hidden + convolution(1, hidden, channels)
        else:
            modulation = convolution(3, hidden, channels)
        return convolution(3, options.labels, hidden) + 2 * modulation

    total = convolution(3, options.labels, have.first) + convolution(3, have.last, 3)
    for name, (channels_in, inner, out, hidden) in have.blocks.items():
        total += spade(channels_in, hidden) + convolution(3, channels_in, inner)
        total += spade(inner, hidden) + convolution(3, inner, out)
        if name.startswith("up"):
            total += spade(channels_in, hidden) + channels_in * out
    return total


def _size(options: SpadeGeneratorOptions) -> tuple[int, int]:
    return options.height, options.height * options.aspect


architecture = Architecture(
    options=SpadeGeneratorOptions,
    build=SpadeGenerator,
    stages={
        "first": ("fc",),
        "head": ("head_0",),
        "middle": ("middle_*",),
        "up": ("up_*",),
        "output": ("image",),
    },
    inputs=lambda options: (
        InputSpec(shape=(1, options.labels, *_size(options)), values="one_hot", field="layout"),
    ),
    parameters=_parameters,
    output=lambda options: (1, 3, *_size(options)),
    size_multiple=lambda options: options.reduction,
    paper=Paper(
        title="Semantic image synthesis with spatially-adaptive normalization",
        year=2019,
        authors="Taesung Park, Ming-Yu Liu, Ting-Chun Wang, Jun-Yan Zhu",
        url="https://arxiv.org/abs/1903.07291",
        note=(
            "Mobile form and channel configurations: Li et al. 2020, GAN Compression, "
            "https://arxiv.org/abs/2003.08936."
        ),
    ),
)
