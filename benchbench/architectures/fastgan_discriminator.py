"""FastGAN's discriminator: a large and a small image to logits, with three decoders as self-supervision.

Liu et al. 2021, "Towards faster and stabilized GAN training for high-fidelity few-shot image synthesis",
as its authors released it, which has skip-layer excitation here as well. The decoders rebuild real images
from the features while the discriminator is trained; they are among the parameters, and not among the
MACs, because a plain call does not run them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchbench.architectures.fastgan_layers import (
    PAPER,
    DownComposite,
    Excitation,
    Finish,
    batch_norm,
    convolution,
    down,
    down_composite_parameters,
    down_parameters,
    excitation_parameters,
    finish_of,
    up,
    up_parameters,
)
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.model import Options

_DECODED = (128, 64, 64, 32)
# Block of the large image's encoder -> the block whose output excites it; -1 is the stem.
_EXCITED_BY = {2: -1, 3: 0, 4: 1}
# The block whose 16 x 16 features a part of the image is rebuilt from.
_PART_FROM = 3


class FastGANDiscriminatorOptions(Options):
    """Options of `fastgan_discriminator`.

    Attributes:
        size: height and width of the large image; the small one has 128.
        width: channels at 64 x 64; a quarter at 256 x 256, eight times as many at 8 x 8.
        decoders: the three decoders of the self-supervision.
        skip: skip-layer excitation, which the released discriminator has as well.
        spectral_norm: of every convolution; parameters and MACs are the same without.
    """

    size: Literal[256, 512, 1024] = 256
    width: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 64
    decoders: bool = True
    skip: bool = True
    spectral_norm: bool = True


class FastGANDiscriminator(nn.Module):
    """A large and a small image of one scene, RGB floats in -1..1, to 25 logits each."""

    def __init__(self, options: FastGANDiscriminatorOptions) -> None:
        super().__init__()
        finish = finish_of(normalised=options.spectral_norm)
        channels, width = _channels(options), options.width
        self.encoder = nn.ModuleDict(
            {
                "stem": _stem(options, finish),
                "large": nn.Sequential(
                    *(DownComposite(before, after, finish=finish) for before, after in pairwise(channels))
                ),
                "small": nn.Sequential(
                    convolution(3, width // 2, 4, stride=2, padding=1, finish=finish),
                    nn.LeakyReLU(0.2, inplace=True),
                    *(
                        layer
                        for before, after in pairwise(_small_channels(options))
                        for layer in down(before, after, finish=finish)
                    ),
                ),
            }
        )
        self.excitation = nn.ModuleDict()
        if options.skip:
            for block, by in _EXCITED_BY.items():
                excitation = Excitation(channels[by + 1], channels[block + 1], finish=finish)
                self.excitation[str(block)] = excitation
        self.heads = nn.ModuleDict(
            {
                "large": nn.Sequential(
                    convolution(channels[-1], 16 * width, 1, finish=finish),
                    batch_norm(16 * width),
                    nn.LeakyReLU(0.2, inplace=True),
                    convolution(16 * width, 1, 4, finish=finish),
                ),
                "small": convolution(4 * width, 1, 4, finish=finish),
            }
        )
        self.decoders = nn.ModuleDict()
        if options.decoders:
            widths = {"large": channels[-1], "small": 4 * width, "part": channels[-2]}
            self.decoders.update({name: _decoder(each, finish) for name, each in widths.items()})

    def forward(
        self, image: Tensor, small: Tensor, *, part: int | None = None
    ) -> Tensor | tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """[N, 3, size, size] and [N, 3, 128, 128] -> logits [N, 50], first those of the large image.

        Args:
            image: the large image.
            small: the same at 128 x 128.
            part: 0 to 3, a quarter of the large image (top left, top right, bottom left, bottom right):
                runs the decoders, and returns (logits, (large, small, part)), the images rebuilt from
                the features, each [N, 3, 128, 128] in -1..1.

        Raises:
            ArchitectureError: `part` is none of them, or there are no decoders.
        """
        x = self.encoder["stem"](image)
        features = {-1: x}
        large = self.encoder["large"]
        assert isinstance(large, nn.Sequential)
        for index, block in enumerate(large):
            x = block(x)
            if str(index) in self.excitation:
                x = self.excitation[str(index)](features[_EXCITED_BY[index]], x)
            features[index] = x
        reduced = self.encoder["small"](small)
        logits = torch.cat([self.heads["large"](x).flatten(1), self.heads["small"](reduced).flatten(1)], 1)
        if part is None:
            return logits
        self._check_part(part)
        quarter = _quarter(features[_PART_FROM], part)
        rebuilt = (self.decoders["large"](x), self.decoders["small"](reduced), self.decoders["part"](quarter))
        return logits, rebuilt

    def _check_part(self, part: int) -> None:
        if not self.decoders:
            raise ArchitectureError(
                "fastgan_discriminator: a part is to be rebuilt, and decoders is false",
                fix="build it with decoders=true",
            )
        if part not in range(4):
            raise ArchitectureError(f"fastgan_discriminator: part {part}", expected="0, 1, 2 or 3")


def _quarter(x: Tensor, part: int) -> Tensor:
    row, column = divmod(part, 2)
    height, width = x.shape[2] // 2, x.shape[3] // 2
    return x[:, :, row * height : (row + 1) * height, column * width : (column + 1) * width]


def _stem(options: FastGANDiscriminatorOptions, finish: Finish) -> nn.Sequential:
    # Whatever the size, the features that leave it are 256 x 256.
    channels = options.width // 4
    if options.size == 256:
        first = convolution(3, channels, 3, padding=1, finish=finish)
    elif options.size == 512:
        first = convolution(3, channels, 4, stride=2, padding=1, finish=finish)
    else:
        first = convolution(3, channels // 2, 4, stride=2, padding=1, finish=finish)
    stem = nn.Sequential(first, nn.LeakyReLU(0.2, inplace=True))
    return stem.extend(down(channels // 2, channels, finish=finish)) if options.size == 1024 else stem


def _decoder(channels: int, finish: Finish) -> nn.Sequential:
    widths = (channels, *_DECODED)
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(8),
        *(up(before, after, finish=finish) for before, after in pairwise(widths)),
        convolution(_DECODED[-1], 3, 3, padding=1, finish=finish),
        nn.Tanh(),
    )


def _channels(options: FastGANDiscriminatorOptions) -> tuple[int, ...]:
    return tuple(options.width * factor // 4 for factor in (1, 2, 4, 8, 16, 32))


def _small_channels(options: FastGANDiscriminatorOptions) -> tuple[int, ...]:
    return tuple(options.width * factor // 2 for factor in (1, 2, 4, 8))


def _parameters(options: FastGANDiscriminatorOptions) -> int:
    channels, width = _channels(options), options.width

    def decoder(channels_in: int) -> int:
        widths = (channels_in, *_DECODED)
        blocks = sum(up_parameters(*pair) for pair in pairwise(widths))
        return blocks + 27 * _DECODED[-1]

    first = channels[0]
    stem = {256: 27 * first, 512: 48 * first, 1024: 24 * first + down_parameters(first // 2, first)}[
        options.size
    ]
    large = sum(down_composite_parameters(*pair) for pair in pairwise(channels))
    small = 24 * width + sum(down_parameters(*pair) for pair in pairwise(_small_channels(options)))
    heads = 16 * width * (channels[-1] + 2) + 16 * 16 * width + 16 * 4 * width
    skips = sum(
        excitation_parameters(channels[by + 1], channels[block + 1]) for block, by in _EXCITED_BY.items()
    )
    decoders = decoder(channels[-1]) + decoder(4 * width) + decoder(channels[-2])
    return stem + large + small + heads + options.skip * skips + options.decoders * decoders


def _inputs(options: FastGANDiscriminatorOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, 3, options.size, options.size)), InputSpec(shape=(1, 3, 128, 128)))


discriminator = Architecture(
    options=FastGANDiscriminatorOptions,
    build=FastGANDiscriminator,
    stages={
        "encoder": ("encoder",),
        "excitation": ("excitation",),
        "decoders": ("decoders",),
        "heads": ("heads",),
    },
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 50),
    paper=PAPER,
)
