from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality import intervals as intervals_module
from benchbench.quality.bootstrap import bootstrap_interval
from benchbench.quality.intervals import (
    grouped_counts,
    grouped_influence,
    linear_error,
    linear_interval,
    mean_interval,
    resampled_counts,
)


def test_two_independent_sets_add_in_squares_and_pairs_add_before():
    random = np.random.default_rng(0)
    a = random.normal(size=500)
    error = a.std() / np.sqrt(499)
    assert linear_error([a]) == pytest.approx(error)
    assert linear_error([a, -a]) == pytest.approx(error * np.sqrt(2))
    assert linear_error([a, -a], sets="paired") == 0
    assert linear_interval(3.0, [a, -a], sets="paired").half_width < 1e-12
    for influences, wanted in (([a], error), ([a, -a], error * np.sqrt(2))):
        found = linear_interval(3.0, influences, resamples=4000)
        assert found.half_width == pytest.approx(1.96 * wanted, rel=0.08)
        assert (found.low + found.high) / 2 == pytest.approx(3.0, abs=0.1 * wanted)


def test_seeded_with_any_block_of_draws(monkeypatch):
    values = np.random.default_rng(1).normal(size=50)
    whole = linear_interval(1.0, [values], seed=3, level=0.9)
    assert whole.level == 0.9
    assert whole == linear_interval(1.0, [values], seed=3, level=0.9)
    assert whole != linear_interval(1.0, [values], seed=4, level=0.9)
    monkeypatch.setattr(intervals_module, "DRAWS", 130)
    assert whole.low == pytest.approx(linear_interval(1.0, [values], seed=3, level=0.9).low)


def test_a_mean_has_the_interval_of_the_plain_bootstrap():
    values = np.random.default_rng(2).gamma(1, size=60)
    found, wanted = mean_interval(values, seed=7), bootstrap_interval(values.tolist(), seed=7)
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), rel=1e-12)


def test_counts_are_draws_with_replacement():
    counts = resampled_counts(30, 2000, np.random.default_rng(3))
    assert counts.shape == (30, 2000)
    assert (counts.sum(axis=0) == 30).all()
    assert counts.var() == pytest.approx(1 - 1 / 30, rel=0.03)


def test_what_is_refused():
    values = np.ones(5)
    with pytest.raises(FeatureError, match="paired sets of 5, 4"):
        linear_interval(0.0, [values, values[:4]], sets="paired")
    with pytest.raises(FeatureError, match="no set"):
        linear_interval(0.0, [])
    with pytest.raises(FeatureError, match="at least 2"):
        mean_interval([1.0])
    with pytest.raises(FeatureError, match="finite"):
        mean_interval([1.0, np.nan])


def test_images_of_a_group_are_drawn_together():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 4)[random.permutation(24)]
    counts = grouped_counts(24, 200, random, groups)
    for group in range(6):
        assert (counts[groups == group] == counts[groups == group][0]).all()
    firsts = np.array([counts[groups == group][0] for group in range(6)])
    assert (firsts.sum(axis=0) == 6).all()
    assert np.array_equal(
        grouped_counts(9, 5, np.random.default_rng(1), None), resampled_counts(9, 5, np.random.default_rng(1))
    )


def test_a_mean_over_groups_varies_as_groups_do():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 9)
    of_group = random.normal(size=40)
    values = of_group[groups]
    error = of_group.std() / np.sqrt(39)
    assert linear_error([grouped_influence(values, groups)]) == pytest.approx(error)
    assert linear_error([values]) < error / 2.5
    assert grouped_influence(values, None) is values
    with pytest.raises(FeatureError, match="1 groups"):
        grouped_influence(values, np.zeros(360, dtype=np.int64))
    with pytest.raises(FeatureError, match="told by 5 numbers"):
        grouped_counts(360, 3, random, groups[:5])
