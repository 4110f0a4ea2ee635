from __future__ import annotations

import math

import pytest
import torch

from benchbench.training.adversarial import discriminator_loss, generator_loss


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


# For scores of 2 and -0.5 of real, 0.25 of made images, by hand.
REAL, FAKE = (2.0, -0.5), 0.25
WANTED = {
    "bce": (
        -(log_sigmoid(2.0) + log_sigmoid(-0.5)) / 2 - math.log(1 - 1 / (1 + math.exp(-0.25))),
        -log_sigmoid(0.25),
    ),
    "hinge": ((0 + 1.5) / 2 + 1.25, -0.25),
    "lsgan": ((1 + 2.25) / 2 + 0.0625, 0.5625),
    "wgan": (-0.75 + 0.25, -0.25),
}
WANTED["non_saturating"] = WANTED["bce"]


@pytest.mark.parametrize("kind", list(WANTED))
def test_the_losses_by_hand(kind):
    real, fake = torch.tensor(REAL).view(2, 1), torch.tensor([FAKE])
    judged, fooled = WANTED[kind]
    assert discriminator_loss(real, fake, kind).item() == pytest.approx(judged, rel=1e-6)
    assert generator_loss(fake, kind).item() == pytest.approx(fooled, rel=1e-6)


@pytest.mark.parametrize("kind", list(WANTED))
def test_every_scale_counts_the_same(kind):
    maps = [torch.randn(2, 1, 4, 4), torch.randn(2, 1, 2, 2)]
    others = [torch.randn(2, 1, 4, 4), torch.randn(2, 1, 2, 2)]
    each = [discriminator_loss(a, b, kind) for a, b in zip(maps, others, strict=True)]
    torch.testing.assert_close(discriminator_loss(maps, tuple(others), kind), sum(each) / 2)
    torch.testing.assert_close(generator_loss(maps, kind), sum(generator_loss(a, kind) for a in maps) / 2)


@pytest.mark.parametrize("kind", list(WANTED))
def test_large_scores_stay_finite(kind):
    huge = torch.tensor([200.0, -200.0])
    assert discriminator_loss(huge, huge, kind).isfinite()
    assert generator_loss(huge, kind).isfinite()
