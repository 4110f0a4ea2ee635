"""FastGAN's generator: one block per doubling, and skip-layer excitation across four of them.

Liu et al. 2021, "Towards faster and stabilized GAN training for high-fidelity few-shot image synthesis",
as its authors released it. Its ablation starts from a DCGAN with spectral norm, averaged weights,
differentiable augmentation and gated linear units: here the same blocks without excitation and decoders.
*Inferred*: the paper puts the excitation into the generator only, the released discriminator has it too,
and which of the two the ablation takes away is not said; `skip` is therefore an option of both.

- baseline: `fastgan(skip=False)`, `fastgan_discriminator(skip=False, decoders=False)`
- + skip: `fastgan`, `fastgan_discriminator(decoders=False)`
- + decode: `fastgan(skip=False)`, `fastgan_discriminator(skip=False)`
- both: `fastgan`, `fastgan_discriminator`

The paper's parameters, 47.363M at 256 and 47.413M at 1024, generator and discriminator together, do not
follow from the released code: it is 40,654,006 and 40,704,704.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn

from benchbench.architectures.fastgan_layers import (
    PAPER,
    Excitation,
    batch_norm,
    convolution,
    excitation_parameters,
    finish_of,
    up,
    up_composite,
    up_composite_parameters,
    up_parameters,
)
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.model import Options

# Of `width`, in eighths, at every size of the features.
_EIGHTHS = {4: 128, 8: 64, 16: 32, 32: 16, 64: 16, 128: 8, 256: 4, 512: 2, 1024: 1}
_COMPOSITE = (8, 32, 128, 512)
_EXCITED_BY = {64: 4, 128: 8, 256: 16, 512: 32}
_SMALL = 128


class FastGANOptions(Options):
    """Options of `fastgan`.

    Attributes:
        size: height and width of the image.
        latent: features of the latent vector.
        width: channels at 128 x 128; 16 times as many at 4 x 4, an eighth at 1024 x 1024.
        skip: skip-layer excitation.
        spectral_norm: of every convolution; parameters and MACs are the same without.
    """

    size: Literal[256, 512, 1024] = 256
    latent: Annotated[int, Field(ge=1, le=2048)] = 256
    width: Annotated[int, Field(ge=8, le=256, multiple_of=8)] = 64
    skip: bool = True
    spectral_norm: bool = True


class FastGAN(nn.Module):
    """A latent vector to an image, RGB floats in -1..1, and to a second one of 128 x 128.

    Both heads end in tanh at every size; the released code has it at 1024 only. Noise is fresh in
    training, as in the released code, and a fixed buffer in eval mode (stylegan2_layers.Noise), where
    the released code draws it too: one input, one image.
    """

    def __init__(self, options: FastGANOptions) -> None:
        super().__init__()
        finish = finish_of(normalised=options.spectral_norm)
        channels = _channels(options)
        wide = 2 * channels[4]
        self.initial = nn.Sequential(
            nn.Unflatten(1, (options.latent, 1, 1)),
            finish(nn.ConvTranspose2d(options.latent, wide, 4, bias=False)),
            batch_norm(wide),
            nn.GLU(dim=1),
        )
        self.blocks = nn.ModuleDict()
        self.excitation = nn.ModuleDict()
        for size in list(channels)[1:]:
            before, here = channels[size // 2], channels[size]
            self.blocks[str(size)] = (
                up_composite(before, here, size=size, finish=finish)
                if size in _COMPOSITE
                else up(before, here, finish=finish)
            )
            if options.skip and size in _EXCITED_BY:
                small = channels[_EXCITED_BY[size]]
                self.excitation[str(size)] = Excitation(small, here, finish=finish)
        self.output = nn.ModuleDict(
            {
                "image": convolution(channels[options.size], 3, 3, padding=1, finish=finish),
                "small": convolution(channels[_SMALL], 3, 1, finish=finish),
            }
        )

    def forward(
        self, z: Tensor, *, style: Tensor | None = None, images: Literal["image", "both"] = "image"
    ) -> Tensor | tuple[Tensor, Tensor]:
        """[N, latent] -> [N, 3, size, size].

        Args:
            z: standard normal.
            style: style mixing: a second latent [N, latent], whose small features feed the excitation.
            images: `both` returns the image of [N, 3, 128, 128] as well, which the discriminator takes
                beside the large one. The released code computes both in every call, and the reference
                figures count both (3,145,728 MACs for the small one at width 64), so this does too;
                a tracer or compiler drops the small one where it is not returned.

        Raises:
            ArchitectureError: `style` is given, and there is no excitation.
        """
        if style is not None and not self.excitation:
            raise ArchitectureError(
                "fastgan: style mixing works through the skip-layer excitation, and skip is false",
                fix="build it with skip=true",
            )
        exciting = None if style is None else self._small_features(style)
        x = self.initial(z)
        features = {4: x}
        for name, block in self.blocks.items():
            x = block(x)
            if name in self.excitation:
                x = self.excitation[name]((exciting or features)[_EXCITED_BY[int(name)]], x)
            features[int(name)] = x
        image: Tensor = self.output["image"](x).tanh()
        small: Tensor = self.output["small"](features[_SMALL]).tanh()
        return image if images == "image" else (image, small)

    def _small_features(self, z: Tensor) -> dict[int, Tensor]:
        x = self.initial(z)
        features = {4: x}
        wanted = [_EXCITED_BY[int(name)] for name in self.excitation]
        for size in range(3, max(wanted).bit_length()):
            x = self.blocks[str(2**size)](x)
            features[2**size] = x
        return features


def _channels(options: FastGANOptions) -> dict[int, int]:
    return {size: eighths * options.width // 8 for size, eighths in _EIGHTHS.items() if size <= options.size}


def _parameters(options: FastGANOptions) -> int:
    channels = _channels(options)
    # A 4x4 weight to twice the channels, and batch norm.
    total = 32 * options.latent * channels[4] + 4 * channels[4]
    for size in list(channels)[1:]:
        block = up_composite_parameters if size in _COMPOSITE else up_parameters
        total += block(channels[size // 2], channels[size])
        if options.skip and size in _EXCITED_BY:
            total += excitation_parameters(channels[_EXCITED_BY[size]], channels[size])
    return total + 27 * channels[options.size] + 3 * channels[_SMALL]


def _inputs(options: FastGANOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, options.latent)),)


generator = Architecture(
    options=FastGANOptions,
    build=FastGAN,
    stages={
        "initial": ("initial",),
        "blocks": ("blocks",),
        "excitation": ("excitation",),
        "output": ("output",),
    },
    inputs=_inputs,
    parameters=_parameters,
    output=lambda options: (1, 3, options.size, options.size),
    paper=PAPER,
)
