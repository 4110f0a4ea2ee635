from __future__ import annotations

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import NotReplaceableError, OptionError
from benchbench.core.model import parse_options
from benchbench.variants.ghost import GhostOptions, replacement
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
    return replacement.build(layer, parse_options("replacement", "ghost", GhostOptions, options))


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("options", [{}, {"ratio": 5, "kernel": 1}])
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
        light = bb.replace(network, stages=["residual"], by="ghost")
    # Four 3x3 convolutions of 32 channels with a bias are exchanged.
    changed = build(nn.Conv2d(32, 32, 3))
    assert parameters(network) - parameters(light) == 4 * (32 * 32 * 9 + 32 - parameters(changed))
    assert bb.count(light).macs < bb.count(network).macs


@pytest.mark.parametrize(("ratio", "primary"), [(2, 6), (3, 4), (5, 3)])
@pytest.mark.parametrize("bias", [True, False])
def test_closed_form(ratio: int, primary: int, bias: bool) -> None:
    new = build(nn.Conv2d(8, 12, 3, 2, 1, bias=bias), ratio=ratio, kernel=5)
    cheap = primary * (ratio - 1)
    weights = 9 * 8 * primary + 25 * cheap
    assert parameters(new) == weights + (primary + cheap) * bias
    assert bb.count(new, (1, 8, 10, 10)).macs == 25 * weights
    up = build(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=bias), ratio=ratio)
    assert bb.count(up, (1, 8, 5, 5)).macs == 25 * 16 * 8 * primary + 100 * 9 * cheap
    assert up(torch.rand(1, 8, 5, 5)).shape == (1, 12, 10, 10)


def test_the_papers_own_module() -> None:
    new = build(nn.Conv2d(8, 12, 3, padding=1), norm="batch", activation="relu", bias="none")
    assert parameters(new) == 9 * 8 * 6 + 9 * 6 + 2 * 12
    assert bool((new(torch.randn(2, 8, 7, 7)) >= 0).all())
    assert describe(new) == (
        "Conv2d 8→6 3x3 + BatchNorm2d + ReLU + Conv2d 6→6 3x3 depthwise + BatchNorm2d + ReLU"
    )
    plain = build(nn.Conv2d(8, 12, 3), norm="instance", bias="none")
    assert parameters(plain) == 9 * 8 * 6 + 9 * 6 + 2 * 12


def test_the_first_outputs_are_the_convolved_ones() -> None:
    new = build(nn.Conv2d(8, 12, 3, padding=1))
    x = torch.randn(1, 8, 7, 7)
    torch.testing.assert_close(new(x)[:, :6], new.primary(x))
    torch.testing.assert_close(new(x)[:, 6:], new.cheap(new.primary(x)))


def test_fewer_outputs_than_the_ratio_are_declined() -> None:
    with pytest.raises(NotReplaceableError, match="3 outputs are fewer than the ratio 4"):
        build(nn.Conv2d(8, 3, 3), ratio=4)


@pytest.mark.parametrize("options", [{"ratio": 1}, {"kernel": 4}, {"ratios": 2}])
def test_bad_options_are_told(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(LAYERS[0], **options)


def test_it_is_told_in_words() -> None:
    assert describe(build(nn.Conv2d(8, 12, 3))) == "Conv2d 8→6 3x3 + Conv2d 6→6 3x3 depthwise"


def test_parts_that_save_nothing_are_declined() -> None:
    # 1x1, 4 -> 10: 5 * 4 + 5 * 9 = 65 against 40.
    with pytest.raises(NotReplaceableError, match="both parts have 65 weights, the layer 40"):
        build(nn.Conv2d(4, 10, 1))
