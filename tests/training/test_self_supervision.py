from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchbench.training.decoding import quarter_of, rebuilding, resized
from benchbench.training.self_supervision import contrastive, inputs_of, projection, ratio_head, stretched


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_contrastive_loss_is_nt_xent():
    first, second = noise(3, 5), noise(3, 5, seed=1)
    views = [*first, *second]
    told = 0.0
    for i, view in enumerate(views):
        likeness = [math.exp(float(F.cosine_similarity(view, each, dim=0)) / 0.5) for each in views]
        told -= math.log(likeness[(i + 3) % 6] / (sum(likeness) - likeness[i])) / 6
    assert contrastive(first, second, 0.5).item() == pytest.approx(told, rel=1e-5)


def test_views_that_agree_cost_less():
    one = torch.eye(4)
    assert contrastive(one, one, 0.5) < contrastive(one, one.flip(0), 0.5)


@pytest.mark.parametrize(("number", "width", "height"), [(0.0, 0.5, 1.0), (0.5, 1.0, 1.0), (1.0, 1.0, 0.5)])
def test_what_is_kept_of_a_stretched_image_has_the_ratio_that_is_told(number, width, height):
    places = torch.linspace(-1, 1, 65)[:-1] + 1 / 64
    images = torch.stack([places.expand(64, 64), places[:, None].expand(64, 64)])[None]
    found, ratios = stretched(images, torch.tensor([[number, 0.5]]))
    assert ratios.item() == pytest.approx(math.log(width / height))
    across, down = found[0]
    torch.testing.assert_close(across[0], places * width, atol=1e-5, rtol=0)
    torch.testing.assert_close(down[:, 0], places * height, atol=1e-5, rtol=0)


def test_the_rectangle_stays_inside():
    images = torch.linspace(0, 1, 32).expand(2, 1, 32, 32)
    found, _ = stretched(images, torch.tensor([[0.0, 0.0], [0.0, 1.0]]))
    assert found[0].max() < 0.52 < found[1].max()
    assert found[1].min() > 0.48


def test_a_layers_inputs_are_seen_while_the_block_runs():
    layer = nn.Linear(2, 2)
    with inputs_of(layer) as seen:
        layer(torch.ones(1, 2))
        layer(torch.zeros(1, 2))
    layer(torch.ones(1, 2))
    assert [float(each.sum()) for each in seen] == [2.0, 0.0]


def test_heads_take_features_of_any_size():
    assert projection(6)(noise(2, 6, 4, 4)).shape == (2, 128)
    assert ratio_head(6)(noise(2, 6, 8, 8)).shape == (2, 1)


def test_quarters_in_reading_order():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert [quarter_of(image, part).flatten().tolist() for part in range(4)] == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15],
    ]  # fmt: skip


def test_small_images_are_every_second_pixel():
    image = noise(1, 3, 8, 8)
    assert torch.equal(resized(image, 4), image[:, :, ::2, ::2])


def test_the_reconstruction_is_of_the_large_image_the_small_one_and_a_quarter():
    real = noise(2, 3, 8, 8)
    rebuilt = tuple(noise(2, 3, 4, 4, seed=seed) for seed in (1, 2, 3))
    small, part = real[:, :, ::2, ::2], real[:, :, 4:, :4]
    expected = sum(
        (made - wanted).abs().mean() for made, wanted in zip(rebuilt, (small, small, part), strict=True)
    )
    torch.testing.assert_close(rebuilding(F.l1_loss, real, rebuilt, 2), expected)
