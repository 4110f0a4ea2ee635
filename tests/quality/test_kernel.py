from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality import kernel as kernel_module
from benchbench.quality import polynomial_kernel
from benchbench.quality.intervals import resampled_counts
from benchbench.quality.kernel import kernel_distance, kernel_distance_subsets, kernel_interval


def by_definition(x, y, *, degree=3, gamma=None, coefficient=1.0) -> float:
    gamma = 1 / x.shape[1] if gamma is None else gamma

    def k(a, b):
        return (gamma * float(a @ b) + coefficient) ** degree

    n, m = len(x), len(y)
    inside = [
        sum(k(s[i], s[j]) for i, j in product(range(len(s)), repeat=2) if i != j) / (len(s) * (len(s) - 1))
        for s in (x, y)
    ]
    return sum(inside) - 2 * sum(k(a, b) for a in x for b in y) / (n * m)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(polynomial_kernel, "TALL", 7)
    monkeypatch.setattr(polynomial_kernel, "WIDE", 10)


@pytest.mark.parametrize("options", [{}, {"degree": 1}, {"degree": 2, "gamma": 0.3, "coefficient": 0.5}])
@pytest.mark.usefixtures("small_tiles")
def test_it_is_the_sum_over_all_pairs(options):
    random = np.random.default_rng(0)
    x, y = random.normal(size=(23, 5)), random.normal(size=(17, 5)) + 0.2
    assert kernel_distance(x, y, **options) == pytest.approx(by_definition(x, y, **options), rel=1e-11)


def test_tiles_do_not_change_it(monkeypatch):
    random = np.random.default_rng(1)
    x, y = random.gamma(1, size=(2, 300, 20))
    whole = kernel_distance(x, y)
    monkeypatch.setattr(polynomial_kernel, "TALL", 64)
    monkeypatch.setattr(polynomial_kernel, "WIDE", 100)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("n", [100, 700])
def test_float32_products_average_out(n):
    random = np.random.default_rng(n)
    x = random.gamma(1, 0.4, size=(n, 256)).astype(np.float32)
    y = random.gamma(1, 0.42, size=(n, 256)).astype(np.float32)
    exact = kernel_distance(x.astype(np.float64), y.astype(np.float64))
    mean = ((x @ y.T / 256 + 1) ** 3).mean()
    assert kernel_distance(x, y) == pytest.approx(exact, abs=1e-8 * float(mean))


def test_unbiased_and_negative_where_it_falls_so():
    random = np.random.default_rng(2)
    values = [kernel_distance(*random.normal(size=(2, 30, 10))) for _ in range(400)]
    assert min(values) < 0
    assert abs(np.mean(values)) < 3 * np.std(values) / 20


def test_it_reads_a_memory_map(tmp_path):
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 50, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    assert kernel_distance(np.load(tmp_path / "x.npy", mmap_mode="r"), y) == kernel_distance(x, y)


@pytest.mark.parametrize(("n", "m", "size"), [(60, 50, 20), (40, 70, 1000)])
def test_the_subset_estimate_is_clean_fids(n, m, size):
    from benchbench.core.torchvision_schemas import declare_missing_operators

    declare_missing_operators()
    from cleanfid.fid import kernel_distance as peer

    random = np.random.default_rng(4)
    x, y = random.gamma(1, size=(n, 32)), random.gamma(1.1, size=(m, 32))
    found = kernel_distance_subsets(x, y, subsets=10, size=size, seed=5)
    state = np.random.get_state()
    np.random.seed(5)
    wanted = peer(x, y, num_subsets=10, max_subset_size=size)
    np.random.set_state(state)
    assert found.value == pytest.approx(wanted, rel=1e-9)
    assert (found.subsets, found.size) == (10, min(n, m, size))
    assert found.deviation > 0


def test_subsets_leave_numpys_own_generator_alone():
    state = np.random.get_state()[1].copy()
    kernel_distance_subsets(*np.random.default_rng(0).normal(size=(2, 20, 4)), subsets=2, size=5, seed=1)
    np.testing.assert_array_equal(np.random.get_state()[1], state)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("sets", ["independent", "paired"])
def test_resamples_are_weighted_u_statistics(sets, monkeypatch):
    random = np.random.default_rng(6)
    x, y = random.normal(size=(2, 12, 3))
    y = y + 0.5
    seen = {}
    monkeypatch.setattr(
        kernel_module, "percentile_interval", lambda values, *, level: seen.setdefault("values", values)
    )
    drawn = np.random.default_rng(9)
    first = resampled_counts(12, 5, drawn)
    second = first if sets == "paired" else resampled_counts(12, 5, drawn)
    monkeypatch.setattr(kernel_module, "KernelEstimate", lambda value, interval: value)
    value = kernel_interval(x, y, resamples=5, seed=9, sets=sets)
    assert value == pytest.approx(kernel_distance(x, y, sets=sets), rel=1e-12)
    k = [(a @ b.T / 3 + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    for r, resampled in enumerate(seen["values"]):
        c, d = first[:, r].astype(float), second[:, r].astype(float)
        between = np.outer(c, d) * (1 - np.eye(12) if sets == "paired" else 1)
        wanted = -2 * (between * k[2]).sum() / between.sum()
        for each, weights in ((k[0], c), (k[1], d)):
            pairs = np.outer(weights, weights) * (1 - np.eye(12))
            wanted += (pairs * each).sum() / pairs.sum()
        assert resampled == pytest.approx(wanted, rel=1e-10)


def test_pairs_of_one_input_are_left_out():
    """Images of one input depend on each other: with them the value of equal networks would be negative."""
    random = np.random.default_rng(8)
    values = {"paired": [], "independent": []}
    for _ in range(60):
        x = random.normal(size=(40, 4))
        y = x + 0.1 * random.normal(size=(40, 4))
        for sets, found in values.items():
            found.append(kernel_distance(x, y, sets=sets))
    assert abs(np.mean(values["paired"])) < 3 * np.std(values["paired"]) / 60**0.5 + 2e-3
    assert np.mean(values["independent"]) < -0.05
    x = random.normal(size=(40, 4))
    assert kernel_distance(x, x, sets="paired") == pytest.approx(0, abs=1e-12)
    found = kernel_interval(x, x, sets="paired", resamples=50)
    assert found.interval.high - found.interval.low < 1e-9


def test_images_of_one_group_are_drawn_together():
    random = np.random.default_rng(8)
    centres = random.normal(size=(10, 6))
    groups = np.repeat(np.arange(10), 12)
    x = centres[groups] + 0.1 * random.normal(size=(120, 6))
    y = random.normal(size=(120, 6)) + 0.3
    alone = kernel_interval(x, y, resamples=300, seed=1).interval
    together = kernel_interval(x, y, resamples=300, seed=1, groups=(groups, None)).interval
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
    with pytest.raises(FeatureError, match="in 1 groups"):
        kernel_interval(x, y, groups=(np.zeros(120, dtype=int), None))


def test_the_interval_is_not_shifted_and_has_the_width_of_fresh_draws():
    random = np.random.default_rng(7)

    def draw():
        return random.normal(size=(150, 8)), random.normal(size=(150, 8)) * 1.1 + 0.5

    values, lows, highs = [], [], []
    for index in range(200):
        x, y = draw()
        values.append(kernel_distance(x, y))
        if index < 20:
            found = kernel_interval(x, y, resamples=400, seed=index)
            assert found.value in found.interval
            lows.append(found.value - found.interval.low)
            highs.append(found.interval.high - found.value)
    spread = np.std(values, ddof=1)
    assert np.mean(lows) / (1.96 * spread) == pytest.approx(1, abs=0.25)
    assert np.mean(highs) / (1.96 * spread) == pytest.approx(1, abs=0.25)


def test_what_is_refused():
    x, y = np.random.default_rng(0).normal(size=(2, 10, 4))
    with pytest.raises(FeatureError, match="dimensions"):
        kernel_distance(x, y[:, :3])
    with pytest.raises(FeatureError, match="degree 0"):
        kernel_distance(x, y, degree=0)
    with pytest.raises(FeatureError, match="paired sets of 10, 9"):
        kernel_interval(x, y[:9], sets="paired")
    with pytest.raises(FeatureError, match="subsets"):
        kernel_distance_subsets(x, y, subsets=0, seed=0)
    with pytest.raises(FeatureError, match="row 3 "):
        kernel_distance(x, np.where(np.arange(10)[:, None] == 3, np.nan, y))
    large = np.full((10, 4), 1e18, dtype=np.float32)
    with pytest.raises(FeatureError, match="too large"), np.errstate(all="ignore"):
        kernel_distance(large, large)


def test_features_far_from_zero_keep_their_digits():
    random = np.random.default_rng(0)
    x, y = (random.normal(1000, 1, size=(200, 16)).astype(np.float32) for _ in range(2))
    y += np.float32(0.02)
    wanted = kernel_distance(x.astype(np.float64), y.astype(np.float64))
    assert kernel_distance(x, y) == pytest.approx(wanted, rel=1e-9)
    found = kernel_interval(x, y, resamples=50)
    assert found.value == pytest.approx(wanted, rel=1e-9)
    again = kernel_interval(x.astype(np.float64), y.astype(np.float64), resamples=50)
    assert found.interval.low == pytest.approx(again.interval.low, rel=1e-6)
