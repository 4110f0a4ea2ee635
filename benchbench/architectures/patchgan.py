"""PatchGAN, which judges every patch of an image by itself, and several of them at several scales.

Isola et al. 2017, "Image-to-image translation with conditional adversarial networks" (three layers:
patches of 70 x 70). At several scales: Wang et al. 2018, pix2pixHD, and Park et al. 2019, GauGAN.
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from benchbench.architectures.initialisation import draw_normal
from benchbench.architectures.spectral import spectral_norm
from benchbench.core.contracts import Architecture, InputSpec
from benchbench.core.model import Options
from benchbench.core.suite import Paper

Norm = Literal["instance", "batch", "spectral_instance"]


class PatchGANOptions(Options):
    """Options of `patchgan_discriminator`.

    Attributes:
        channels: of the input; 6 where it is conditional, input and output side by side (pix2pix).
        width: channels of the first layer; they double three times at most.
        layers: convolutions of stride 2; one of stride 1 and the output follow.
        norm: of all layers but the first and the output; `instance` without scale and shift (CycleGAN),
            `batch` with them (pix2pix).
        size: height and width of the image.
    """

    channels: Annotated[int, Field(ge=1, le=1024)] = 3
    width: Annotated[int, Field(ge=1, le=512)] = 64
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    norm: Literal["instance", "batch"] = "instance"
    size: Annotated[int, Field(ge=8, le=2048)] = 256

    @model_validator(mode="after")
    def _patches_are_left(self) -> Self:
        # Each of the two layers of stride 1 takes one row.
        least = 3 << self.layers
        if self.size < least:
            raise ValueError(f"size is {self.size}, expected at least {least} (layers {self.layers})")
        return self


class MultiscaleOptions(Options):
    """Options of `multiscale_discriminator`.

    Attributes:
        channels: of the input, label map and image side by side: 36 + 3 for Cityscapes.
        width: channels of the first layer; they double three times at most.
        layers: convolutions of stride 2 per scale; one of stride 1 and the output follow. (GauGAN counts
            that of stride 1 too, and calls its three 4.)
        scales: discriminators, each on half the size of the one before; 2 in GauGAN, 3 in pix2pixHD.
        norm: of all layers but the first and the output; `instance` (pix2pixHD) without scale and shift,
            `spectral_instance` (GauGAN) with spectral norm beside it and no bias.
        height: of the example input.
        aspect: width of the example input as a multiple of its height.
    """

    channels: Annotated[int, Field(ge=1, le=1024)] = 39
    width: Annotated[int, Field(ge=1, le=512)] = 64
    layers: Annotated[int, Field(ge=1, le=6)] = 3
    scales: Annotated[int, Field(ge=1, le=5)] = 2
    norm: Literal["instance", "spectral_instance"] = "spectral_instance"
    height: Annotated[int, Field(ge=32, le=4096)] = 256
    aspect: Annotated[int, Field(ge=1, le=4)] = 2


class PatchDiscriminator(nn.Module):
    """An image to one logit per patch; 4x4 convolutions and leaky ReLU of 0.2.

    Weights from N(0, 0.02), biases 0; with spectral norm from Xavier's normal distribution, gain 0.02.

    Args:
        widths: channels of the layers, those of stride 2 and the one of stride 1.
        padding: of every convolution; 1 in pix2pix, 2 in pix2pixHD and GauGAN.
    """

    def __init__(self, channels: int, widths: list[int], *, norm: Norm, padding: int) -> None:
        super().__init__()
        first = nn.Conv2d(channels, widths[0], 4, stride=2, padding=padding)
        self.input = nn.Sequential(OrderedDict(conv=first, leaky_relu=nn.LeakyReLU(0.2, inplace=True)))
        self.hidden = nn.Sequential()
        for number, (before, after) in enumerate(pairwise(widths), start=2):
            stride = 1 if number == len(widths) else 2
            conv = nn.Conv2d(before, after, 4, stride=stride, padding=padding, bias=_has_bias(norm))
            normalised = nn.BatchNorm2d(after) if norm == "batch" else nn.InstanceNorm2d(after)
            layer = nn.Sequential(
                OrderedDict(conv=conv, norm=normalised, leaky_relu=nn.LeakyReLU(0.2, inplace=True))
            )
            self.hidden.append(layer)
        self.output = nn.Conv2d(widths[-1], 1, 4, padding=padding)
        self.apply(_draw_xavier if norm == "spectral_instance" else draw_normal)
        if norm == "spectral_instance":
            for each in self.hidden:
                spectral_norm(each.get_submodule("conv"))

    def forward(self, image: Tensor) -> Tensor:
        """[N, channels, H, W] -> [N, 1, h, w], a logit per patch."""
        logits: Tensor = self.output(self.hidden(self.input(image)))
        return logits


class MultiscaleDiscriminator(nn.Module):
    """One patch discriminator per scale, the first on the image, the next on its half, and so on."""

    def __init__(self, options: MultiscaleOptions) -> None:
        super().__init__()
        self.scales = nn.ModuleList(
            PatchDiscriminator(options.channels, _widths(options), norm=options.norm, padding=2)
            for _ in range(options.scales)
        )
        self.halve = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """[N, channels, H, W] -> one [N, 1, h, w] per scale, the largest first."""
        logits = []
        for number, discriminator in enumerate(self.scales):
            image = image if number == 0 else self.halve(image)
            logits.append(discriminator(image))
        return tuple(logits)


def _build_one(options: PatchGANOptions) -> PatchDiscriminator:
    return PatchDiscriminator(options.channels, _widths(options), norm=options.norm, padding=1)


def _widths(options: PatchGANOptions | MultiscaleOptions) -> list[int]:
    return [options.width * min(2**layer, 8) for layer in range(options.layers + 1)]


def _has_bias(norm: Norm) -> bool:
    # pix2pix and pix2pixHD keep it before an instance norm, which takes it away again.
    return norm == "instance"


def _draw_xavier(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d):
        nn.init.xavier_normal_(layer.weight, gain=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _parameters(options: PatchGANOptions | MultiscaleOptions) -> int:
    widths = _widths(options)
    per_channel = 2 if options.norm == "batch" else int(_has_bias(options.norm))
    hidden = sum(16 * before * after + per_channel * after for before, after in pairwise(widths))
    return 16 * options.channels * widths[0] + widths[0] + hidden + 16 * widths[-1] + 1


def _output(options: PatchGANOptions) -> tuple[int, ...]:
    side = (options.size >> options.layers) - 2
    return (1, 1, side, side)


def _multiscale_inputs(options: MultiscaleOptions) -> tuple[InputSpec, ...]:
    return (InputSpec(shape=(1, options.channels, options.height, options.height * options.aspect)),)


discriminator = Architecture(
    options=PatchGANOptions,
    build=_build_one,
    stages={"input": ("input",), "hidden": ("hidden",), "output": ("output",)},
    inputs=lambda options: (InputSpec(shape=(1, options.channels, options.size, options.size)),),
    parameters=_parameters,
    output=_output,
    size_multiple=lambda options: 1,
    paper=Paper(
        title="Image-to-image translation with conditional adversarial networks",
        year=2017,
        authors="Phillip Isola, Jun-Yan Zhu, Tinghui Zhou, Alexei A. Efros",
        url="https://arxiv.org/abs/1611.07004",
    ),
)

multiscale = Architecture(
    options=MultiscaleOptions,
    build=MultiscaleDiscriminator,
    stages={"input": ("scales.*.input",), "hidden": ("scales.*.hidden",), "output": ("scales.*.output",)},
    inputs=_multiscale_inputs,
    parameters=lambda options: options.scales * _parameters(options),
    size_multiple=lambda options: 1,
    paper=Paper(
        title="High-resolution image synthesis and semantic manipulation with conditional GANs",
        year=2018,
        authors="Ting-Chun Wang, Ming-Yu Liu, Jun-Yan Zhu, Andrew Tao, Jan Kautz, Bryan Catanzaro",
        url="https://arxiv.org/abs/1711.11585",
        note=(
            "The default is that of Park et al. 2019, GauGAN, https://arxiv.org/abs/1903.07291: two scales, "
            "spectral norm."
        ),
    ),
)
