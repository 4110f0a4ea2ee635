from __future__ import annotations

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import NotReplaceableError, OptionError
from benchbench.measures.counting import count
from benchbench.variants.depthwise_separable import DepthwiseSeparableOptions, replacement


def build(layer: nn.Module, **options: object) -> nn.Module:
    return replacement.build(layer, DepthwiseSeparableOptions.model_validate(options))


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def test_default_is_the_lightweight_style_transfer_layer() -> None:
    new = build(nn.Conv2d(6, 10, 5, 2, 2, padding_mode="reflect"))
    assert [type(part).__name__ for part in new] == ["Conv2d", "InstanceNorm2d", "ReLU", "Conv2d"]
    assert new.depthwise.padding_mode == "reflect"
    assert parameters(new) == 6 * 25 + 2 * 6 + 6 * 10


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, 3, 2, 1, bias=False),
        nn.Conv2d(4, 6, (3, 5), (1, 2), (1, 2), dilation=(2, 1)),
        nn.Conv2d(4, 6, 3, padding="same"),
        nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1),
        nn.ConvTranspose2d(4, 6, 4, 2, 1),
    ],
)
@pytest.mark.parametrize("order", ["depthwise_first", "expand_first"])
def test_output_has_the_shape_of_the_layer(layer: nn.Module, order: str) -> None:
    x = torch.rand(2, 4, 11, 14)
    assert build(layer, order=order)(x).shape == layer(x).shape


def test_transposed_takes_an_output_size() -> None:
    layer = nn.ConvTranspose2d(4, 6, 3, 2, 1)
    x = torch.rand(1, 4, 5, 5)
    assert build(layer)(x, [10, 10]).shape == layer(x, [10, 10]).shape


def test_every_option_has_its_parameters() -> None:
    layer = nn.Conv2d(4, 6, 3, padding=1)
    assert parameters(build(layer, norm="none", activation="none")) == 4 * 9 + 24
    assert parameters(build(layer, norm="batch", norm_affine=False, depthwise_bias=True)) == 4 * 9 + 4 + 24
    assert parameters(build(layer, norm="none", pointwise_bias=True)) == 4 * 9 + 24 + 6
    expanded = build(layer, order="expand_first", expansion=3, norm="none", expand_bias=True)
    assert parameters(expanded) == 4 * 12 + 12 + 12 * 9 + 12 * 6
    assert [type(each) for each in build(layer, activation="leaky_relu")][2] is nn.LeakyReLU


def test_what_it_declines_and_why() -> None:
    with pytest.raises(NotReplaceableError, match="groups=2"):
        build(nn.Conv2d(4, 6, 3, groups=2))
    with pytest.raises(NotReplaceableError, match="1x1 already"):
        build(nn.Conv2d(4, 6, 1))
    with pytest.raises(NotReplaceableError, match="Conv1d is neither"):
        build(nn.Conv1d(4, 6, 3))
    assert parameters(build(nn.Conv2d(4, 6, 1), pointwise="replace", norm="none")) == 4 + 24


def test_expansion_belongs_to_expand_first() -> None:
    with pytest.raises(OptionError, match="expand_first"):
        bb.replace(nn.Sequential(nn.Conv2d(3, 3, 3)), stages=["0"], by="depthwise_separable", expansion=2)


class Resnet(nn.Module):
    """GAN Compression's generator, as its paper defines it, with two of the nine blocks."""

    def __init__(self, n: int = 8) -> None:
        super().__init__()
        norm = nn.InstanceNorm2d
        self.down = nn.Sequential(
            nn.ReflectionPad2d(3),
            nn.Conv2d(3, n, 7),
            norm(n),
            nn.Conv2d(n, 2 * n, 3, 2, 1),
            norm(2 * n),
            nn.Conv2d(2 * n, 4 * n, 3, 2, 1),
            norm(4 * n),
        )
        self.blocks = nn.Sequential(
            *(nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(4 * n, 4 * n, 3), norm(4 * n)) for _ in range(4))
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(4 * n, 2 * n, 3, 2, 1, 1),
            norm(2 * n),
            nn.ConvTranspose2d(2 * n, n, 3, 2, 1, 1),
            norm(n),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.up(self.blocks(self.down(x)))


GAN_COMPRESSION = {"norm": "instance", "norm_affine": False, "activation": "none", "pointwise_bias": True}


def test_gan_compressions_residual_layer() -> None:
    c, size = 32, 8
    light = bb.replace(Resnet(), stages=["blocks"], by="depthwise_separable", **GAN_COMPRESSION)
    stages = {
        row.stage: row for row in count(light, (1, 3, 32, 32), stages={"blocks": ("blocks",)}).by_stage()
    }
    assert stages["blocks"].parameters == 4 * (9 * c + c * c + c)
    assert stages["blocks"].macs == 4 * size * size * (9 * c + c * c)


def test_gan_compressions_upsampling_layer() -> None:
    light = bb.replace(
        Resnet(), stages=["up"], by="depthwise_separable", depthwise_bias=True, **GAN_COMPRESSION
    )
    row = count(light, (1, 3, 32, 32), stages={"up": ("up",)}).by_stage()[-1]
    assert row.parameters == sum(9 * a + a + a * b + b for a, b in ((32, 16), (16, 8)))
    # The depthwise transposed convolution works at its input size, the 1x1 after it at its output size.
    assert row.macs == 64 * 9 * 32 + 256 * 32 * 16 + 256 * 9 * 16 + 1024 * 16 * 8
    assert row.macs_output_size == 256 * (9 * 32 + 32 * 16) + 1024 * (9 * 16 + 16 * 8)


def test_gan_compressions_downsampling_layer() -> None:
    options = {"order": "expand_first", "norm": "none", "activation": "none"}
    biases = {"expand_bias": True, "depthwise_bias": True, "pointwise_bias": True}
    light = bb.replace(Resnet(), stages=["down"], by="depthwise_separable", **options, **biases)
    row = count(light, (1, 3, 32, 32), stages={"down": ("down",)}).by_stage()[0]
    layers = ((3, 8, 49), (8, 16, 9), (16, 32, 9))
    assert row.parameters == sum(a * 2 * a + 2 * a + k * 2 * a + 2 * a + 2 * a * b + b for a, b, k in layers)
    # The first 1x1 works on the padded 38 x 38 picture.
    first = 38 * 38 * 18 + 32 * 32 * (49 * 6 + 6 * 8)
    second = 32 * 32 * 8 * 16 + 16 * 16 * (9 * 16 + 16 * 16)
    third = 16 * 16 * 16 * 32 + 8 * 8 * (9 * 32 + 32 * 32)
    assert row.macs == first + second + third
