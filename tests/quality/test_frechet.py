from __future__ import annotations

import numpy as np
import pytest
import torch

from benchbench.core.errors import FeatureError, ProtocolMismatchError
from benchbench.quality import frechet as frechet_module
from benchbench.quality.frechet import frechet_distance, frechet_influence
from benchbench.quality.intervals import linear_error, linear_interval
from benchbench.quality.statistics import FeatureStatistics, Moments, statistics_of


def shaped(n: int, roots: np.ndarray, mean: np.ndarray, axes: np.ndarray, seed: int) -> np.ndarray:
    """[n, D] whose mean is `mean` and whose covariance has `axes` and the square roots `roots`, exactly."""
    random = np.random.default_rng(seed)
    start = np.column_stack([np.ones(n), random.normal(size=(n, len(roots)))])
    independent = np.linalg.qr(start)[0][:, 1:]
    return np.sqrt(n - 1) * independent * roots @ axes.T + mean


def axes_of(d: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(7).normal(size=(d, d)))[0]


@pytest.mark.parametrize("decades", [0, 3, 6])
@pytest.mark.parametrize(("n", "m"), [(400, 300), (400, 60), (60, 400), (40, 50)])
def test_the_closed_form_of_covariances_with_common_axes(n, m, decades):
    d = 120
    random = np.random.default_rng(n + m)
    axes, roots = axes_of(d), np.logspace(0, -decades, d)
    first = np.where(np.arange(d) < n - 1, roots * random.uniform(0.5, 2, d), 0.0)
    second = np.where(np.arange(d) < m - 1, roots * random.uniform(0.5, 2, d), 0.0)
    mean = random.normal(size=(2, d)) * 0.3
    a = shaped(n, first[: n - 1], mean[0], axes[:, : n - 1], 1)
    b = shaped(m, second[: m - 1], mean[1], axes[:, : m - 1], 2)
    wanted = np.square(mean[0] - mean[1]).sum() + np.square(first - second).sum()
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("n", [30, 90, 900])
def test_a_scaled_and_shifted_set(n):
    a = np.random.default_rng(0).normal(size=(n, 80)) @ np.diag(np.logspace(0, -4, 80)) + 1
    b = 1.7 * a + 0.25
    wanted = np.square(0.7 * a.mean(axis=0) + 0.25).sum() + 0.49 * a.var(axis=0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(400, 500), (30, 500), (25, 30)])
def test_it_is_the_matrix_square_root_of_the_definition(n, m):
    random = np.random.default_rng(5)
    a, b = random.gamma(2, size=(n, 40)), random.gamma(2.3, size=(m, 40)) * 1.1
    s1, s2 = np.cov(a.T), np.cov(b.T)
    values, axes = np.linalg.eigh(s1)
    root = axes * np.sqrt(np.clip(values, 0, None)) @ axes.T
    inner = np.linalg.eigvalsh(root @ s2 @ root)
    trace = np.sqrt(inner[inner > 1e-12 * inner.max()]).sum()
    wanted = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(s1) + np.trace(s2) - 2 * trace
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-8)


@pytest.mark.parametrize("n", [20, 64, 65, 66, 500])
def test_identical_sets_are_at_zero_in_any_order_and_never_below(n):
    a = np.random.default_rng(n).gamma(1.5, size=(n, 64)).astype(np.float32)
    for other in (a, a[::-1], a[np.random.default_rng(1).permutation(n)], a.astype(np.float64)):
        assert 0 <= frechet_distance(a, other) <= 1e-9


def test_constant_and_dependent_dimensions():
    random = np.random.default_rng(2)
    inner, map_, extra = random.normal(size=(500, 10)), random.normal(size=(10, 30)), np.zeros((500, 3))
    a = np.concatenate([inner @ map_, extra], axis=1)
    b = a * 1.5 + 2
    wanted = np.square(0.5 * a.mean(axis=0) + 2).sum() + 0.25 * a.var(axis=0, ddof=1).sum()
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)
    assert 0 <= frechet_distance(a, a[::-1]) <= 1e-9
    still = np.ones((50, 4))
    assert frechet_distance(still, still + 2) == pytest.approx(16.0)
    assert frechet_distance(still[:3], still + 2) == pytest.approx(16.0)


@pytest.mark.parametrize(("left", "right"), [(9, 40), (40, 9), (9, 12), (40, 40)])
def test_sets_that_span_different_subspaces(left, right):
    random = np.random.default_rng(left)
    a = random.normal(size=(300, left)) @ random.normal(size=(left, 40)) * np.linspace(3, 0.1, 40)
    b = random.normal(size=(200, right)) @ random.normal(size=(right, 40)) * np.linspace(0.1, 3, 40)
    factors = [(x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b)]
    overlap = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    wanted = np.square(a.mean(axis=0) - b.mean(axis=0)).sum() + sum(np.square(f).sum() for f in factors)
    assert frechet_distance(a, b) == pytest.approx(wanted - 2 * overlap, rel=1e-9)


def test_statistics_and_features_give_the_same():
    random = np.random.default_rng(9)
    a, b = random.normal(size=(300, 20)), random.normal(size=(15, 20)) + 0.1
    moments = Moments()
    for batch in np.array_split(a, 7):
        moments.add(batch)
    wanted = frechet_distance(a, b)
    assert frechet_distance(moments.finish("x"), statistics_of(b, extractor="x")) == pytest.approx(
        wanted, rel=1e-11
    )
    assert frechet_distance(moments.finish("x"), b) == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("n", [15, 300])
def test_read_only_memory_reversed_views_and_tensors(n):
    a, b = np.random.default_rng(n).normal(size=(2, n, 20))
    wanted = frechet_distance(a, b)
    a.flags.writeable = False
    assert frechet_distance(a, torch.from_numpy(b)) == wanted
    kept = statistics_of(a)
    second = kept.rows if kept.covariance is None else kept.covariance
    for moved in (second[::-1, ::-1], np.asfortranarray(second)[::-1, ::-1]):
        moved.flags.writeable = False
        turned = FeatureStatistics(
            n, kept.mean[::-1], *((moved, None) if kept.covariance is None else (None, moved))
        )
        assert frechet_distance(turned, b[:, ::-1]) == pytest.approx(wanted, rel=1e-11)


def test_what_does_not_belong_together_is_refused():
    a, b = np.random.default_rng(0).normal(size=(2, 30, 6))
    with pytest.raises(ProtocolMismatchError, match="extractor 'x' and 'y'"):
        frechet_distance(statistics_of(a, extractor="x"), statistics_of(b, extractor="y"))
    with pytest.raises(ProtocolMismatchError, match="dimensions 6 and 5"):
        frechet_distance(a, b[:, :5])
    with pytest.raises(ProtocolMismatchError, match="dimensions"):
        frechet_influence(a, b[:, :5])
    with pytest.raises(FeatureError, match="at least 2"):
        frechet_distance(a, b[:1])
    indefinite = FeatureStatistics(30, np.zeros(2), None, np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(FeatureError, match="negative eigenvalues"):
        frechet_distance(indefinite, indefinite)


def weighted_distance(a: np.ndarray, b: np.ndarray, u: np.ndarray, v: np.ndarray) -> float:
    """From weights that sum to 1; covariances times N / (N - 1)."""
    factors, means = [], []
    for data, weights in ((a, u), (b, v)):
        mean = weights @ data
        scale = len(data) / (len(data) - 1)
        factors.append(np.sqrt(weights * scale)[:, None] * (data - mean))
        means.append(mean)
    overlap = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return np.square(means[0] - means[1]).sum() + sum(np.square(f).sum() for f in factors) - 2 * overlap


@pytest.mark.parametrize(
    ("n", "m", "d"), [(60, 50, 6), (12, 15, 40), (12, 80, 30), (80, 12, 30), (25, 25, 24)]
)
def test_influence_is_the_derivative_by_weights(n, m, d):
    random = np.random.default_rng(n)
    a = random.gamma(2, size=(n, d)) * np.linspace(0.5, 2, d)
    b = random.gamma(2.5, size=(m, d))
    u, v = np.full(n, 1 / n), np.full(m, 1 / m)
    assert weighted_distance(a, b, u, v) == pytest.approx(frechet_distance(a, b), rel=1e-9)
    first, second = frechet_influence(a, b)
    assert abs(first.mean()) < 1e-9
    assert abs(second.mean()) < 1e-9
    e = 1e-5
    for i in (0, 3, n - 1):
        point = np.eye(n)[i]
        ends = [weighted_distance(a, b, (1 - s) * u + s * point, v) for s in (-e, e)]
        assert first[i] == pytest.approx(
            (ends[1] - ends[0]) / (2 * e), rel=1e-4, abs=1e-4 * np.abs(first).max()
        )
    for i in (0, 3, m - 1):
        point = np.eye(m)[i]
        ends = [weighted_distance(a, b, u, (1 - s) * v + s * point) for s in (-e, e)]
        assert second[i] == pytest.approx(
            (ends[1] - ends[0]) / (2 * e), rel=1e-4, abs=1e-4 * np.abs(second).max()
        )


def test_influence_where_dimensions_are_dependent():
    random = np.random.default_rng(4)
    map_ = random.normal(size=(5, 9))
    a, b = random.normal(size=(70, 5)) @ map_, random.normal(size=(60, 5)) @ map_ * 1.3
    full, _ = np.linalg.qr(map_.T)
    for found, wanted in zip(frechet_influence(a, b), frechet_influence(a @ full, b @ full), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(("n", "d"), [(200, 8), (200, 16), (40, 64)])
def test_the_standard_error_is_the_spread_over_fresh_draws(n, d):
    random = np.random.default_rng(d)
    scale = np.linspace(0.5, 1.5, d)

    def draw() -> tuple[np.ndarray, np.ndarray]:
        return random.normal(size=(n, d)) * scale, random.normal(size=(n, d)) * 1.2 + 0.3

    values, errors = [], []
    for index in range(400):
        a, b = draw()
        values.append(frechet_distance(a, b))
        if index < 30:
            errors.append(linear_error(frechet_influence(a, b)))
    spread = np.std(values, ddof=1)
    assert np.mean(errors) / spread == pytest.approx(1, abs=0.25)
    interval = linear_interval(values[0], frechet_influence(a, b), seed=1)
    assert interval.half_width / (1.96 * spread) == pytest.approx(1, abs=0.3)
    assert values[0] in interval


def test_resampled_distances_are_biased_and_the_influence_is_not():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 60, 40))
    value = frechet_distance(a, b)
    resampled = [
        frechet_distance(a[random.integers(0, 60, 60)], b[random.integers(0, 60, 60)]) for _ in range(50)
    ]
    assert min(resampled) > value
    assert value in linear_interval(value, frechet_influence(a, b))


@pytest.mark.slow
@pytest.mark.parametrize("n", [140, 3000])
def test_it_agrees_with_clean_fid(n):
    from benchbench.core.torchvision_schemas import declare_missing_operators

    declare_missing_operators()
    from cleanfid.fid import fid_from_feats

    random = np.random.default_rng(n)
    a = random.gamma(1, size=(n, 512)).astype(np.float32)
    b = random.gamma(1.2, size=(n, 512)).astype(np.float32)
    assert frechet_distance(a, b) == pytest.approx(fid_from_feats(a, b), rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 4.0])
def test_singular_values_from_squares_keep_the_digits_of_their_sum(monkeypatch, decay):
    random = np.random.default_rng(0)
    scale = np.arange(1, 97) ** -decay
    x, y = (random.normal(size=(300, 96)) * scale for _ in range(2))
    exact = frechet_distance(x, y)
    monkeypatch.setattr(frechet_module, "ONE_THREAD", 8)
    taken = []
    svdvals = torch.linalg.svdvals
    monkeypatch.setattr(torch.linalg, "svdvals", lambda matrix: taken.append(1) or svdvals(matrix))
    assert frechet_distance(x, y) == pytest.approx(exact, rel=1e-11)
    assert frechet_distance(x, x) <= 1e-11
    # A spectrum that falls steeply is left to the slower way.
    assert len(taken) == (2 if decay == 4.0 else 0)
