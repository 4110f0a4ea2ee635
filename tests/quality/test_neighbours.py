from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality import neighbours as neighbours_module
from benchbench.quality.neighbours import METRICS, neighbour_scores, neighbour_spread


def brute_force(real, fake, k_precision=3, k_density=5):
    """From all differences; `<=` for precision and recall, `<` for density and coverage."""

    def distances(a, b):
        return np.square(a[:, None].astype(np.float64) - b[None]).sum(axis=2)

    def radii(a, k):
        return np.sort(distances(a, a), axis=1)[:, k]

    between = distances(real, fake)
    inside = between <= radii(real, k_precision)[:, None]
    recalled = between <= radii(fake, k_precision)[None, :]
    dense = between < radii(real, k_density)[:, None]
    return (
        inside.any(axis=0),
        recalled.any(axis=1),
        dense.sum(axis=0) / k_density,
        dense.any(axis=1),
    )


def assert_same(real, fake, **ks):
    found = neighbour_scores(real, fake, **ks)
    for name, wanted in zip(
        ("precision", "recall", "density", "coverage"), brute_force(real, fake, **ks), strict=True
    ):
        np.testing.assert_allclose(getattr(found, f"{name}_per_image"), wanted, err_msg=name)
        assert getattr(found, name) == pytest.approx(wanted.mean())


@pytest.fixture(params=[1024, 16])
def tiles(request, monkeypatch):
    monkeypatch.setattr(neighbours_module, "TILE", request.param)
    monkeypatch.setattr(neighbours_module, "EXACT_AT_ONCE", 40)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("ks", [{}, {"k_precision": 1, "k_density": 1}, {"k_precision": 7, "k_density": 2}])
def test_brute_force_gives_the_same(ks):
    random = np.random.default_rng(0)
    assert_same(random.normal(size=(60, 4)), random.normal(size=(45, 4)) * 0.7 + 0.5, **ks)


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("offset", [0, 4096])
def test_ties_fall_as_defined(offset):
    # Whole numbers on a small grid: most distances are equal to some radius, all are exact in float64.
    random = np.random.default_rng(1)
    real, fake = random.integers(0, 4, (70, 3)) + offset, random.integers(0, 5, (50, 3)) + offset
    assert_same(real.astype(np.float32), fake.astype(np.float32))


def test_on_the_radius():
    real = np.array([[0.0], [1.0], [2.0], [3.0]])
    fake = np.array([[4.0], [5.5], [7.0]])
    found = neighbour_scores(real, fake, k_precision=1, k_density=1)
    assert found.precision_per_image.tolist() == [1, 0, 0]
    assert found.density_per_image.tolist() == [0, 0, 0]
    assert found.coverage == 0
    assert found.recall_per_image.tolist() == [0, 0, 0, 1]


@pytest.mark.usefixtures("tiles")
def test_copies():
    random = np.random.default_rng(2)
    real = random.normal(size=(40, 30)) + 100
    same = neighbour_scores(real, real.copy())
    assert (same.precision, same.recall, same.coverage) == (1, 1, 1)
    collapsed = np.repeat(real[:1], 20, axis=0)
    assert_same(real, collapsed)
    assert neighbour_scores(real, collapsed).recall == pytest.approx(1 / 40)
    repeated = np.repeat(real[:4], 10, axis=0)
    # Radius 0: on it counts, inside of it nothing lies.
    found = neighbour_scores(repeated, repeated.copy())
    assert (found.precision, found.recall, found.density, found.coverage) == (1, 1, 0, 0)


def test_equal_distributions_have_density_and_coverage_near_one():
    random = np.random.default_rng(3)
    found = neighbour_scores(*random.normal(size=(2, 1200, 6)))
    assert found.density == pytest.approx(1, abs=0.1)
    # Naeem et al. 2020, section 3: 1 - 1 / 2^k for equal sets.
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.03)


def test_order_does_not_matter():
    random = np.random.default_rng(4)
    real, fake = random.normal(size=(2, 80, 5))
    first, second = neighbour_scores(real, fake), neighbour_scores(real[::-1], fake[::-1])
    for name in ("precision", "recall", "density", "coverage"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), rel=1e-12)


def test_what_is_refused():
    real = np.random.default_rng(5).normal(size=(10, 4))
    with pytest.raises(FeatureError, match="more images than k"):
        neighbour_scores(real[:5], real)
    with pytest.raises(FeatureError, match="more images than k"):
        neighbour_scores(real, real[:3])
    with pytest.raises(FeatureError, match="more images than k"):
        neighbour_scores(real, real, k_precision=0)
    with pytest.raises(FeatureError, match="dimensions"):
        neighbour_scores(real, real[:, :3])


def test_the_spread_of_halves_is_that_of_fresh_sets():
    random = np.random.default_rng(0)
    fresh = [
        neighbour_scores(random.normal(size=(60, 3)), random.normal(0.5, 1, size=(50, 3))) for _ in range(150)
    ]
    found = [
        neighbour_spread(random.normal(size=(60, 3)), random.normal(0.5, 1, size=(50, 3)), seed=seed)
        for seed in range(12)
    ]
    for name in METRICS:
        wanted = np.std([getattr(each, name) for each in fresh], ddof=1)
        # Too wide rather than too narrow, since radii shrink with the number of images.
        assert 0.8 < np.mean([each[name] for each in found]) / wanted < 2, name
    again = np.random.default_rng(5).normal(size=(40, 2))
    assert neighbour_spread(again, again + 1, seed=3) == neighbour_spread(again, again + 1, seed=3)
