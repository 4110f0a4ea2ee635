from __future__ import annotations

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import NotReplaceableError, OptionError
from benchbench.core.model import parse_options
from benchbench.variants.factorised import FactorisedOptions, replacement
from benchbench.variants.replace import describe

LAYERS = [
    nn.Conv2d(8, 12, 3, 2, 1, bias=False),
    nn.Conv2d(8, 12, (3, 5), (1, 2), (1, 2), dilation=(2, 1)),
    nn.Conv2d(8, 12, 3, padding="same"),
    nn.Conv2d(8, 12, 7, padding=3, padding_mode="reflect"),
    nn.ConvTranspose2d(8, 12, 3, 2, 1, output_padding=1),
    nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=False),
]


def build(layer: nn.Module, **options: object) -> nn.Module:
    assert replacement.build is not None
    return replacement.build(layer, parse_options("replacement", "factorised", FactorisedOptions, options))


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("options", [{}, {"middle": "in", "inner_bias": True}])
def test_output_has_the_shape_of_the_layer(layer: nn.Module, options: dict[str, object]) -> None:
    x = torch.rand(2, 8, 13, 14)
    assert build(layer, **options)(x).shape == layer(x).shape


def test_transposed_takes_an_output_size() -> None:
    layer = nn.ConvTranspose2d(8, 12, 3, 2, 1)
    x = torch.rand(1, 8, 5, 5)
    assert build(layer)(x, [10, 9]).shape == layer(x, [10, 9]).shape


def test_other_layers_are_declined() -> None:
    with pytest.raises(NotReplaceableError, match="groups=2"):
        build(nn.Conv2d(8, 12, 3, groups=2))
    with pytest.raises(NotReplaceableError, match="Conv1d is neither"):
        build(nn.Conv1d(8, 12, 3))


def test_it_works_on_a_whole_network() -> None:
    with torch.device("meta"):
        network = bb.build("transformer_net", width=8, blocks=2)
        light = bb.replace(network, stages=["residual"], by="factorised")
    # Four 3x3 convolutions of 32 channels with a bias are exchanged.
    changed = build(nn.Conv2d(32, 32, 3))
    assert parameters(network) - parameters(light) == 4 * (32 * 32 * 9 + 32 - parameters(changed))
    assert bb.count(light).macs < bb.count(network).macs


@pytest.mark.parametrize(("middle", "channels"), [("in", 8), ("out", 12), ("min", 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_closed_form(middle: str, channels: int, bias: bool) -> None:
    new = build(nn.Conv2d(8, 12, 5, 2, 2, bias=bias), middle=middle)
    first, second = 5 * 8 * channels, 5 * channels * 12
    assert parameters(new) == first + second + 12 * bias
    # 20 x 20: the first halves the height, the second the width.
    assert bb.count(new, (1, 8, 20, 20)).macs == 10 * 20 * first + 10 * 10 * second
    up = build(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=bias), middle=middle, inner_bias=True)
    assert parameters(up) == 4 * 8 * channels + channels + 4 * channels * 12 + 12 * bias
    assert bb.count(up, (1, 8, 5, 6)).macs == 30 * 4 * 8 * channels + 60 * 4 * channels * 12


def test_it_is_the_layer_where_that_factorises() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    new = build(layer)
    down, across = torch.randn(3), torch.randn(3)
    with torch.no_grad():
        layer.weight.copy_(torch.outer(down, across)[None, None])
        new.vertical.weight.copy_(down[None, None, :, None])
        new.horizontal.weight.copy_(across[None, None, None, :])
    x = torch.randn(1, 1, 9, 9)
    torch.testing.assert_close(new(x), layer(x))


@pytest.mark.parametrize("kernel", [1, (1, 3), (5, 1)])
def test_a_kernel_along_one_axis_is_declined(kernel: int | tuple[int, int]) -> None:
    with pytest.raises(NotReplaceableError, match="has one axis alone"):
        build(nn.Conv2d(8, 12, kernel))


def test_bad_options_are_told() -> None:
    with pytest.raises(OptionError, match="middle"):
        build(LAYERS[0], middle="both")


def test_it_is_told_in_words() -> None:
    assert describe(build(nn.Conv2d(8, 12, 3))) == "Conv2d 8→12 3x1 + Conv2d 12→12 1x3"


def test_factors_that_save_nothing_are_declined() -> None:
    # 9x9, 3 -> 32: 9 * 32 * (3 + 32) = 10,080 against 81 * 3 * 32 = 7,776.
    with pytest.raises(NotReplaceableError, match="two factors have 10,080 weights, the layer 7,776"):
        build(nn.Conv2d(3, 32, 9))
    assert parameters(build(nn.Conv2d(3, 32, 9, bias=False), middle="min")) == 9 * 3 * (3 + 32)
