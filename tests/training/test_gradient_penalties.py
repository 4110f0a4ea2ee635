from __future__ import annotations

import pytest
import torch

from benchbench.training.gradient_penalties import r1, wgan_gp


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 2, 4, 4, generator=torch.Generator().manual_seed(count))


def quadratic(x: torch.Tensor) -> torch.Tensor:
    """Its gradient at x is x."""
    return x.flatten(1).square().sum(dim=1) / 2


def test_wgan_gp_in_closed_form():
    real, fake = images(), images().flip(0) * 2
    alpha = torch.tensor([0.0, 0.3, 1.0]).view(3, 1, 1, 1)
    between = alpha * real + (1 - alpha) * fake
    expected = sum((float(each.norm()) - 1) ** 2 for each in between) / 3
    assert wgan_gp(quadratic, real, fake, alpha).item() == pytest.approx(expected, rel=1e-5)


def test_wgan_gp_is_zero_where_the_gradient_is_one():
    direction = images(1)[0] / images(1)[0].norm()
    penalty = wgan_gp(
        lambda x: (x * direction).sum(dim=(1, 2, 3)), images(), images(), torch.rand(3, 1, 1, 1)
    )
    assert penalty.item() == pytest.approx(0.0, abs=1e-6)


def test_of_a_map_the_sum_counts():
    real, fake, alpha = images(), -images(), torch.rand(3, 1, 1, 1)
    torch.testing.assert_close(
        wgan_gp(lambda x: x.square() / 2, real, fake, alpha), wgan_gp(quadratic, real, fake, alpha)
    )


def test_r1_in_closed_form():
    expected = sum(float(each.square().sum()) for each in images()) / 3
    assert r1(quadratic, images()).item() == pytest.approx(expected, rel=1e-5)


def test_the_penalties_train_weights():
    # score = w x: the gradient is w for each of the 32 numbers.
    weight = torch.tensor(0.5, requires_grad=True)

    def linear(x: torch.Tensor) -> torch.Tensor:
        return (weight * x).flatten(1).sum(dim=1)

    with torch.no_grad():
        real = images()
    penalty = r1(linear, real)
    penalty.backward()
    assert penalty.item() == pytest.approx(32 * 0.25)
    assert weight.grad.item() == pytest.approx(32 * 2 * 0.5)
    weight.grad = None
    wgan_gp(linear, real, -real, torch.rand(3, 1, 1, 1)).backward()
    norm = 32**0.5
    assert weight.grad.item() == pytest.approx(2 * (0.5 * norm - 1) * norm, rel=1e-5)
    assert not real.requires_grad
