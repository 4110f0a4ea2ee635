from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import benchbench as bb
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import ReplacementError

IMAGE = (InputSpec(shape=(1, 3, 16, 16)),)
Run = Callable[["Network", Tensor], Any]


class Network(nn.Module):
    """Layers by name, and the forward pass as a function of them."""

    def __init__(self, run: Run, **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Any:
        return self.run(self, x)


def two(run: Run, *, made: int, taken: int, **more: nn.Module) -> Network:
    """A 1x1 convolution `a` from an image, one `b` to five channels, and what `run` does between."""
    return Network(run, a=nn.Conv2d(3, made, 1), b=nn.Conv2d(taken, 5, 1), **more)


def thin(
    module: nn.Module, multiplier: float = 0.5, inputs: tuple[InputSpec, ...] = IMAGE, **options: int
) -> nn.Module:
    return bb.replace(module, by="width", multiplier=multiplier, inputs=inputs, **options)


def _attend(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    tokens = y.flatten(2)
    return m.b(m.p((tokens @ (tokens.transpose(1, 2) @ tokens).softmax(-1)).view(y.shape)))


def _gate(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    return m.b(y * torch.sigmoid(m.gate(F.adaptive_avg_pool2d(y, 1).flatten(1)))[:, :, None, None])


def _pixel_norm(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    return m.b(y * torch.rsqrt((y * y).mean(1, keepdim=True) + 1e-8))


def _adain(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    scale, shift = m.gate(y.mean((2, 3))).chunk(2, dim=1)
    return m.b(F.instance_norm(y) * scale[:, :, None, None] + shift.view(1, -1, 1, 1))


@pytest.mark.parametrize(
    ("network", "made", "taken"),
    [
        (two(lambda m, x: m.b(F.pixel_shuffle(m.a(x), 2)), made=16, taken=4), 8, 2),
        (two(lambda m, x: m.b(F.pixel_unshuffle(m.a(x), 2)), made=4, taken=16), 2, 8),
        (two(lambda m, x: m.b(F.glu(m.a(x), dim=1)), made=16, taken=8), 8, 4),
        (two(lambda m, x: m.b(torch.mul(*m.a(x).chunk(2, 1))), made=16, taken=8), 8, 4),
        (two(lambda m, x: m.b(F.channel_shuffle(m.a(x), 4)), made=16, taken=16), 8, 8),
        (two(lambda m, x: m.b(torch.cat([m.a(x), torch.ones(1, 2, 16, 16)], 1)), made=8, taken=10), 4, 6),
        (two(lambda m, x: m.b(x * m.a(x).sum(1, keepdim=True)), made=8, taken=3), 4, 3),
        (two(lambda m, x: m.b(m.a(x)).permute(0, 2, 3, 1), made=8, taken=8), 4, 4),
        (two(_pixel_norm, made=16, taken=16), 8, 8),
        (two(_gate, made=16, taken=16, gate=nn.Linear(16, 16)), 8, 8),
        (two(_adain, made=16, taken=16, gate=nn.Linear(16, 32)), 8, 8),
        (two(lambda m, x: m.b(m.n(m.a(x))), made=8, taken=8, n=nn.BatchNorm2d(8, affine=False)), 4, 4),
        (two(lambda m, x: m.b(m.n(m.a(x))), made=64, taken=64, n=nn.GroupNorm(32, 64)), 32, 32),
    ],
)
def test_channels_are_followed(network: Network, made: int, taken: int) -> None:
    light = thin(network)
    assert (light.a.out_channels, light.b.in_channels) == (made, taken)
    assert light.b.out_channels == 5
    x = torch.rand(1, 3, 16, 16)
    assert light(x).shape == network(x).shape


def test_features_become_a_map() -> None:
    network = Network(
        lambda m, z: m.b(m.a(z).view(1, -1, 4, 4)), a=nn.Linear(10, 8 * 16), b=nn.Conv2d(8, 3, 1)
    )
    light = thin(network, 0.75, (InputSpec(shape=(1, 10)),))
    assert (light.a.out_features, light.b.in_channels) == (6 * 16, 6)


@pytest.mark.parametrize(
    "run", [lambda m, x: m.b(m.a(x)).view(-1), lambda m, x: m.b(m.a(x)).mean((1, 2, 3)).neg()]
)
def test_outputs_that_have_lost_their_channels_keep_them(run: Run) -> None:
    network = Network(run, a=nn.Conv2d(3, 8, 1), b=nn.Conv2d(8, 1, 1))
    light = thin(network, 2)
    assert (light.a.out_channels, light.b.in_channels, light.b.out_channels) == (16, 16, 1)


def _drop(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    m.n(m.c(y)).tanh()
    return m.b(y)


def test_what_is_computed_and_dropped_keeps_its_channels() -> None:
    light = thin(two(_drop, made=8, taken=8, c=nn.Conv2d(8, 6, 1), n=nn.BatchNorm2d(6)))
    assert (light.c.in_channels, light.c.out_channels, light.n.num_features) == (4, 6, 6)


def test_one_channel_that_meets_many_stays_one() -> None:
    network = two(lambda m, x: m.b(m.a(x) * m.mask(x)), made=8, taken=8, mask=nn.Conv2d(3, 1, 1))
    light = thin(network, 2)
    assert (light.a.out_channels, light.mask.out_channels) == (16, 1)


def _add(m: Network, x: Tensor) -> Tensor:
    return m.b(m.a(x) + m.n(m.c(x)))


def test_an_addition_is_as_wide_as_both_sides_allow() -> None:
    network = two(_add, made=24, taken=24, c=nn.Conv2d(3, 24, 1), n=nn.GroupNorm(8, 24))
    light = thin(network, 0.45)
    # 24 x 0.45 = 10.8; a multiple of the 8 groups of the second is 8.
    assert {light.a.out_channels, light.c.out_channels, light.b.in_channels} == {8}


@pytest.mark.parametrize("run", [lambda m, x: m.b(m.a(x) + x), lambda m, x: m.b(x + m.a(x))])
def test_an_addition_of_the_input_keeps_its_width_on_either_side(run: Run) -> None:
    network = two(lambda m, x: m.c(run(m, x)), made=3, taken=3, c=nn.Conv2d(5, 3, 1))
    light = thin(network, 2)
    assert (light.a.out_channels, light.b.in_channels, light.b.out_channels) == (3, 3, 10)


def test_channels_of_one_dimensional_signals() -> None:
    chain = nn.Sequential(nn.Conv1d(3, 8, 3), nn.InstanceNorm1d(8), nn.Conv1d(8, 3, 3))
    light = thin(chain, 0.5, (InputSpec(shape=(2, 3, 9)),))
    assert (light[0].out_channels, light[1].num_features, light[2].in_channels) == (4, 4, 4)


def _deep(m: Network, x: Tensor) -> Tensor:
    y = m.a(x)
    for _ in range(1200):
        y = m.c(y) + y
    z = m.b(y)
    for _ in range(1200):
        z = z.flip(1)
    return z


def test_depth_does_not_matter() -> None:
    light = thin(two(_deep, made=8, taken=8, c=nn.Conv2d(8, 8, 1)))
    assert (light.c.in_channels, light.c.out_channels, light.b.out_channels) == (4, 4, 5)


def _add_concatenations(m: Network, x: Tensor) -> Tensor:
    y = torch.cat([m.a(x), m.c(m.a(x))], 1)
    return m.b(y + m.d(y))


@pytest.mark.parametrize(
    ("network", "told"),
    [
        (
            two(_attend, made=8, taken=8, p=nn.Conv2d(8, 8, 1)),
            "cannot follow the channels into p: 'bmm' in Network",
        ),
        (
            two(lambda m, x: m.b(m.a(x)[:, :4]), made=8, taken=4),
            "cannot follow the channels into b: 'slice' in Network",
        ),
        (
            two(lambda m, x: m.b(m.a(x).view(1, 2, -1).neg().view(1, 8, 16, 16)), made=8, taken=8),
            "cannot follow the channels into b: 'view' in Network",
        ),
        (
            two(lambda m, x: m.b(m.a(x).permute(0, 3, 1, 2)), made=16, taken=16),
            "cannot follow the channels into b: 'permute' in Network",
        ),
        (
            two(
                lambda m, x: m.b(m.p(m.a(x).flatten(2).mT).mT.view(1, 8, 16, 16)),
                made=8,
                taken=8,
                p=nn.Linear(8, 8),
            ),
            "cannot follow the channels into p: they are not dimension 1 of [1, 256, 8]",
        ),
        (
            two(_add_concatenations, made=8, taken=12, c=nn.Conv2d(8, 4, 1), d=nn.Conv2d(12, 12, 1)),
            "cannot follow the channels of a: Network adds channels that are put together in different ways",
        ),
        (
            two(lambda m, x: m.b(F.conv2d(x, m.a.weight)), made=8, taken=8),
            "cannot follow a (Conv2d): the example input does not reach it",
        ),
        (
            two(lambda m, x: m.b(m.n(torch.cat([x, m.a(x)], 1))), made=5, taken=8, n=nn.GroupNorm(4, 8)),
            "at n: GroupNorm does not take num_channels=7",
        ),
        (
            two(lambda m, x: m.b(m.n(m.a(x))), made=8, taken=8, n=nn.LayerNorm([8, 16, 16])),
            "cannot follow n (LayerNorm): its parameter 'weight' belongs to no layer of a known kind",
        ),
        (
            two(lambda m, x: m.b(m.n(m.a(x))), made=12, taken=12, n=nn.ChannelShuffle(4)),
            "the changed network does not run at n (Number of channels must be divisible by groups",
        ),
        (
            two(lambda m, x: m.b(m.a(x).view(1, 8, 256).view(1, 8, 16, 16)), made=8, taken=8),
            "the changed network does not run at Network (shape '[1, 8, 256]' is invalid",
        ),
        (
            two(lambda m, x: m.b(m.a(x)) * x.sum().item(), made=8, taken=8),
            "follows the network on the meta device, and it does not run at Network",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(network: Network, told: str) -> None:
    before = {key: value.shape for key, value in network.state_dict().items()}
    with pytest.raises(ReplacementError) as caught:
        thin(network)
    assert told in caught.value.problem
    assert "\n" not in caught.value.problem
    assert {key: value.shape for key, value in network.state_dict().items()} == before


def test_a_part_that_the_example_does_not_reach_is_named() -> None:
    with torch.device("meta"):
        network = bb.build("fastgan_discriminator", spectral_norm=False)
    with pytest.raises(ReplacementError, match=r"cannot follow decoders.large.1.1 \(Conv2d\): the example"):
        bb.replace(network, by="width", multiplier=0.5)
