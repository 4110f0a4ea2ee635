from __future__ import annotations

import numpy as np

from benchbench.quality.bootstrap import bootstrap_interval


def test_the_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    held = sum(5.0 in bootstrap_interval(rng.normal(5, 2, 40), resamples=400, seed=i) for i in range(300))
    assert 0.90 <= held / 300 <= 0.98


def test_its_width_is_that_of_the_normal_approximation():
    values = np.random.default_rng(1).normal(0, 1, 400)
    found = bootstrap_interval(values, resamples=4000)
    assert abs(found.half_width / (1.96 * values.std(ddof=1) / 20) - 1) < 0.08


def test_seeded_and_of_any_statistic():
    values = [1.0, 2.5, 3.1, 10.0, 4.7, 0.2, 7.7]
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    top = bootstrap_interval(values, statistic=lambda draws: draws.max(axis=-1))
    assert top.high == 10.0
    assert bootstrap_interval([2.0] * 5).half_width == 0


def test_one_value_has_no_interval():
    assert bootstrap_interval([1.0]) is None
