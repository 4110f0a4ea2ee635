from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality.statistics import FeatureStatistics, Moments, statistics_of


def second_moment(statistics: FeatureStatistics) -> np.ndarray:
    if statistics.rows is not None:
        return statistics.rows.T @ statistics.rows
    return statistics.covariance


def features(n: int, d: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(3.0, 1.0, (n, d)) @ random.normal(0, 1, (d, d)) + 50


@pytest.mark.parametrize(("n", "d"), [(2, 5), (5, 5), (6, 5), (7, 5), (900, 5), (40, 200), (3, 1)])
def test_moments_are_numpys(n, d):
    data = features(n, d)
    found = statistics_of(data, extractor="stub")
    assert (found.count, found.dimensions, found.extractor) == (n, d, "stub")
    assert (found.rows is not None) == (n - 1 < d)
    assert (found.covariance is None) == (n - 1 < d)
    np.testing.assert_allclose(found.mean, data.mean(axis=0), rtol=1e-13)
    wanted = np.cov(data.T).reshape(d, d)
    np.testing.assert_allclose(second_moment(found), wanted, rtol=1e-10, atol=1e-12 * np.abs(wanted).max())


@pytest.mark.parametrize("n", [2, 17, 20, 21, 22, 700, 5000])
@pytest.mark.parametrize("split", ["whole", "ones", "uneven", "empty batches"])
def test_any_split_into_batches_gives_the_same(n, split):
    data = features(n, 20, seed=n)
    if split == "ones" and n > 700:
        data = data[: (n := 700)]
    sizes = {"whole": [n], "ones": [1] * n, "uneven": [3, 1, 600, 15, 900, 1], "empty batches": [0, 2, 0]}[
        split
    ]
    moments, start = Moments(), 0
    for size in sizes:
        moments.add(data[start : start + size])
        start += size
    if start < n:
        moments.add(data[start:])
    found, wanted = moments.finish(), statistics_of(data)
    assert moments.count == found.count == wanted.count
    assert (found.rows is None) == (wanted.rows is None)
    np.testing.assert_allclose(found.mean, wanted.mean, rtol=1e-12)
    scale = np.abs(second_moment(wanted)).max()
    np.testing.assert_allclose(second_moment(found), second_moment(wanted), rtol=1e-10, atol=1e-12 * scale)


def test_a_far_mean_and_sorted_batches_cost_no_digits():
    random = np.random.default_rng(3)
    near = random.normal(0, 1, (3000, 4))
    near = near[np.argsort(near[:, 0])]
    moments = Moments()
    for batch in np.split(near + 1e6, 30):
        moments.add(batch)
    wanted = np.cov((near + 1e6 - 1e6).T)
    np.testing.assert_allclose(moments.finish().covariance, wanted, rtol=1e-8, atol=1e-9)


def test_more_may_come_after_finish_and_what_came_out_stays():
    data = features(900, 6)
    moments = Moments()
    moments.add(data[:400])
    early = moments.finish()
    kept = early.covariance.copy(), early.mean.copy()
    moments.add(data[400:])
    np.testing.assert_allclose(moments.finish().covariance, np.cov(data.T), rtol=1e-10)
    np.testing.assert_array_equal(early.covariance, kept[0])
    np.testing.assert_array_equal(early.mean, kept[1])


def test_batches_are_copied_and_float32_is_taken_as_it_is():
    data = features(30, 4).astype(np.float32)
    batch = data.copy()
    moments = Moments()
    moments.add(batch)
    batch[:] = 0
    np.testing.assert_allclose(moments.finish().covariance, np.cov(data.T.astype(np.float64)), rtol=1e-12)


def test_memory_does_not_grow_with_the_number_of_images():
    moments = Moments()
    for index in range(40):
        moments.add(np.random.default_rng(index).normal(size=(500, 8)))
        held = sum(rows.nbytes for rows in moments._waiting)
        assert held < 1012 * 8 * 8
    assert moments.count == 20_000


def test_the_first_bad_row_is_named():
    data = features(3000, 4)
    data[2500, 1] = np.inf
    data[2100, 2] = np.nan
    with pytest.raises(FeatureError, match="row 2100 "):
        statistics_of(data)
    moments = Moments()
    moments.add(data[:2000])
    with pytest.raises(FeatureError, match="row 2100 "):
        moments.add(data[2000:])


@pytest.mark.parametrize(
    "data", [np.zeros((1, 4)), np.zeros((0, 4)), np.zeros((3, 0)), np.zeros(5), np.zeros((3, 2, 4))]
)
def test_what_is_no_feature_set_is_refused(data):
    with pytest.raises(FeatureError):
        statistics_of(data)


def test_no_numbers_and_another_width_are_refused():
    with pytest.raises(FeatureError, match="numbers"):
        statistics_of(np.array([["a", "b"], ["c", "d"]]))
    moments = Moments()
    moments.add(np.zeros((2, 4)))
    with pytest.raises(FeatureError, match=r"\(2, 5\)"):
        moments.add(np.zeros((2, 5)))
    with pytest.raises(FeatureError, match="at least 2"):
        Moments().finish()


def test_statistics_check_themselves():
    mean, square = np.zeros(3), np.eye(3)
    assert FeatureStatistics(10, mean, None, square).dimensions == 3
    for bad in (
        (10, mean, None, None),
        (10, mean, square, square),
        (10, mean, None, np.eye(4)),
        (10, mean, square, None),
        (1, mean, None, square),
        (10, mean, None, square * np.nan),
        (10, mean + np.inf, None, square),
    ):
        with pytest.raises(FeatureError):
            FeatureStatistics(*bad)
