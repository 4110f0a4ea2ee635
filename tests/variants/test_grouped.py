from __future__ import annotations

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import NotReplaceableError, OptionError
from benchbench.core.model import parse_options
from benchbench.variants.grouped import GroupedOptions, replacement
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
    return replacement.build(layer, parse_options("replacement", "grouped", GroupedOptions, options))


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("options", [{"groups": 4}, {"groups": 2, "shuffle": True}])
def test_output_has_the_shape_of_the_layer(layer: nn.Module, options: dict[str, object]) -> None:
    x = torch.rand(2, 8, 13, 14)
    assert build(layer, **options)(x).shape == layer(x).shape


def test_transposed_takes_an_output_size() -> None:
    layer = nn.ConvTranspose2d(8, 12, 3, 2, 1)
    x = torch.rand(1, 8, 5, 5)
    assert build(layer, groups=4)(x, [10, 9]).shape == layer(x, [10, 9]).shape


def test_other_layers_are_declined() -> None:
    with pytest.raises(NotReplaceableError, match="groups=2"):
        build(nn.Conv2d(8, 12, 3, groups=2), groups=4)
    with pytest.raises(NotReplaceableError, match="Conv1d is neither"):
        build(nn.Conv1d(8, 12, 3), groups=4)


def test_it_works_on_a_whole_network() -> None:
    with torch.device("meta"):
        network = bb.build("transformer_net", width=8, blocks=2)
        light = bb.replace(network, stages=["residual"], by="grouped", groups=4)
    # Four 3x3 convolutions of 32 channels with a bias are exchanged.
    changed = build(nn.Conv2d(32, 32, 3), groups=4)
    assert parameters(network) - parameters(light) == 4 * (32 * 32 * 9 + 32 - parameters(changed))
    assert bb.count(light).macs < bb.count(network).macs


@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_closed_form(groups: int, bias: bool) -> None:
    plain = build(nn.Conv2d(8, 12, 3, 2, 1, bias=bias), groups=groups)
    weights = 9 * 8 * 12 // groups
    assert parameters(plain) == weights + 12 * bias
    assert bb.count(plain, (1, 8, 10, 10)).macs == 25 * weights
    up = build(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=bias), groups=groups, shuffle=True)
    assert bb.count(up, (1, 8, 10, 10)).macs == 100 * 16 * 8 * 12 // groups
    assert parameters(up) == 16 * 8 * 12 // groups + 12 * bias


def test_a_group_sees_its_own_inputs_and_the_shuffle_deals_them_out() -> None:
    layer = nn.Conv2d(8, 8, 1, bias=False)
    plain, shuffled = build(layer, groups=2), build(layer, groups=2, shuffle=True)
    x = torch.zeros(1, 8, 3, 3)
    x[:, :4] = 1.0
    assert [bool(each) for each in plain(x).abs().sum((0, 2, 3)) > 0] == [True] * 4 + [False] * 4
    assert [bool(each) for each in shuffled(x).abs().sum((0, 2, 3)) > 0] == [True, False] * 4


def test_channels_that_do_not_divide_are_declined() -> None:
    with pytest.raises(NotReplaceableError, match="8→12 channels are not both multiples of 8"):
        build(nn.Conv2d(8, 12, 3), groups=8)


@pytest.mark.parametrize("options", [{"groups": 1}, {"groups": 0}, {}, {"groups": 2, "shufle": True}])
def test_bad_options_are_told(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(LAYERS[0], **options)


def test_it_is_told_in_words() -> None:
    assert describe(build(nn.Conv2d(8, 12, 3), groups=4)) == "Conv2d 8→12 3x3 groups 4"
