from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbench.training.draws import Draws
from benchbench.training.networks import Averaged, evaluating, frozen

CPU = torch.device("cpu")


def test_a_frozen_network_passes_gradients_on_and_takes_none():
    critic, net = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)
    critic.bias.requires_grad_(False)
    with frozen(critic) as still:
        still(net(torch.ones(1, 1, 2, 2))).sum().backward()
    assert critic.weight.grad is None
    assert net.weight.grad is not None
    assert critic.weight.requires_grad
    # What somebody froze before stays so.
    assert not critic.bias.requires_grad


def test_averaged_weights_are_the_geometric_mean_of_the_past():
    net = nn.BatchNorm1d(2)
    averaged = Averaged(net, decay=0.75)
    expected = net.weight.detach().clone()
    for step in range(1, 5):
        with torch.no_grad():
            net.weight.fill_(float(step))
            net.running_mean.fill_(float(step))
        averaged.update(net, images=7)
        expected = 0.75 * expected + 0.25 * step
    assert torch.allclose(averaged.network.weight, expected)
    assert torch.equal(averaged.network.running_mean, net.running_mean)
    assert not any(each.requires_grad for each in averaged.parameters())


def test_half_a_life_of_images_halves_a_weight():
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    averaged = Averaged(net, half_life_images=1000)
    with torch.no_grad():
        net.weight.fill_(0.0)
    for _ in range(10):
        averaged.update(net, images=100)
    assert averaged.network.weight.item() == pytest.approx(0.5)


def test_evaluating_puts_modes_back():
    one, other = nn.Dropout(), nn.Dropout().eval()
    with evaluating(one, other):
        assert not one.training
        assert not torch.is_grad_enabled()
    assert one.training
    assert not other.training


@pytest.mark.parametrize("world", [2, 4])
def test_processes_draw_what_one_would(world):
    whole = Draws(5, CPU)
    parts = [Draws(5, CPU, rank=rank, world=world) for rank in range(world)]
    for kind, more in (("normal", {}), ("uniform", {}), ("integers", {"high": 9})):
        wanted = getattr(whole, kind)(3, "latent", 8, 2, **more)
        for rank, part in enumerate(parts):
            assert torch.equal(getattr(part, kind)(3, "latent", 8 // world, 2, **more), wanted[rank::world])
    assert len({part.number(3, "mixing") for part in parts}) == 1


def test_draws_differ_by_step_purpose_and_seed():
    draws = Draws(5, CPU)
    seen = [
        draws.normal(1, "a", 4),
        draws.normal(2, "a", 4),
        draws.normal(1, "b", 4),
        Draws(6, CPU).normal(1, "a", 4),
    ]  # fmt: skip
    assert len({tuple(each.tolist()) for each in seen}) == 4
    assert torch.equal(draws.normal(1, "a", 4), seen[0])
