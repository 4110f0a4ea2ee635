from __future__ import annotations

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import NotReplaceableError, OptionError
from benchbench.core.model import parse_options
from benchbench.variants.low_rank import LowRankOptions, replacement
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
    return replacement.build(layer, parse_options("replacement", "low_rank", LowRankOptions, options))


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize("options", [{"rank": 3}, {"ratio": 0.5}])
def test_output_has_the_shape_of_the_layer(layer: nn.Module, options: dict[str, object]) -> None:
    x = torch.rand(2, 8, 13, 14)
    assert build(layer, **options)(x).shape == layer(x).shape


def test_transposed_takes_an_output_size() -> None:
    layer = nn.ConvTranspose2d(8, 12, 3, 2, 1)
    x = torch.rand(1, 8, 5, 5)
    assert build(layer, rank=2)(x, [10, 9]).shape == layer(x, [10, 9]).shape


def test_other_layers_are_declined() -> None:
    with pytest.raises(NotReplaceableError, match="groups=2"):
        build(nn.Conv2d(8, 12, 3, groups=2), rank=2)
    with pytest.raises(NotReplaceableError, match="Conv1d is neither"):
        build(nn.Conv1d(8, 12, 3), rank=2)


def test_it_works_on_a_whole_network() -> None:
    with torch.device("meta"):
        network = bb.build("transformer_net", width=8, blocks=2)
        light = bb.replace(network, stages=["residual"], by="low_rank", rank=2)
    # Four 3x3 convolutions of 32 channels with a bias are exchanged.
    changed = build(nn.Conv2d(32, 32, 3), rank=2)
    assert parameters(network) - parameters(light) == 4 * (32 * 32 * 9 + 32 - parameters(changed))
    assert bb.count(light).macs < bb.count(network).macs


@pytest.mark.parametrize(("options", "rank"), [({"rank": 3}, 3), ({"ratio": 0.25}, 3), ({"ratio": 0.3}, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_closed_form(options: dict[str, object], rank: int, bias: bool) -> None:
    new = build(nn.Conv2d(8, 12, 3, 2, 1, bias=bias), **options)
    assert parameters(new) == 9 * 8 * rank + rank * 12 + 12 * bias
    assert bb.count(new, (1, 8, 10, 10)).macs == 25 * (9 * 8 * rank + rank * 12)
    up = build(nn.ConvTranspose2d(8, 12, 4, 2, 1, bias=bias), **options)
    assert parameters(up) == 16 * 8 * rank + rank * 12 + 12 * bias
    assert bb.count(up, (1, 8, 5, 5)).macs == 25 * 16 * 8 * rank + 100 * rank * 12


def test_a_ratio_is_taken_as_it_is_written() -> None:
    assert build(nn.Conv2d(64, 100, 3), ratio=0.07).reduced.out_channels == 7


def test_it_is_the_layer_where_its_rank_is_low_enough() -> None:
    layer = nn.Conv2d(6, 8, 3, padding=1)
    new = build(layer, rank=2)
    with torch.no_grad():
        inner, outer = new.reduced.weight, new.expanded.weight
        layer.weight.copy_(torch.einsum("or,rihw->oihw", outer[:, :, 0, 0], inner))
        layer.bias.copy_(new.expanded.bias)
    x = torch.randn(1, 6, 9, 9)
    torch.testing.assert_close(new(x), layer(x))


def test_a_rank_that_saves_nothing_is_declined() -> None:
    with pytest.raises(NotReplaceableError, match="rank 12 has 1,008 weights, the layer 864"):
        build(nn.Conv2d(8, 12, 3), rank=12)
    with pytest.raises(NotReplaceableError, match="rank 4 has"):
        build(nn.Conv2d(8, 8, 1), ratio=0.5)


@pytest.mark.parametrize("options", [{}, {"rank": 2, "ratio": 0.5}, {"rank": 0}, {"ratio": 1.0}])
def test_bad_options_are_told(options: dict[str, object]) -> None:
    with pytest.raises(OptionError):
        build(LAYERS[0], **options)


def test_it_is_told_in_words() -> None:
    assert describe(build(nn.Conv2d(8, 12, 3), rank=2)) == "Conv2d 8→2 3x3 + Conv2d 2→12 1x1"
