from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.paired_means import ratio_of_means


def test_equal_lists_have_a_ratio_of_exactly_one() -> None:
    found = ratio_of_means([1.0, 5.0, 9.0], [1.0, 5.0, 9.0])
    assert found is not None
    assert (found.value, found.interval.low, found.interval.high) == (1.0, 1.0, 1.0)


def test_a_constant_factor_has_no_width_however_different_the_images_are() -> None:
    images = np.array([0.1, 3.0, 80.0, 7.0])
    found = ratio_of_means(1.25 * images, images)
    assert found is not None
    assert found.value == pytest.approx(1.25)
    assert found.interval.low == pytest.approx(1.25)
    assert found.interval.high == pytest.approx(1.25)


def test_the_interval_covers_a_true_ratio_of_one_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for trial in range(200):
        hard = rng.lognormal(0, 1, 40)
        a, b = hard * rng.lognormal(0, 0.2, 40), hard * rng.lognormal(0, 0.2, 40)
        found = ratio_of_means(a, b, seed=trial, resamples=500)
        assert found is not None
        held += 1.0 in found.interval
    assert 176 <= held <= 199


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2, 3], [1, 2]), ([1, 2], [1, 2]), ([1, 2, 3], [0, 0, 0]), ([[1, 2, 3]], [[1, 2, 3]])]
)
def test_lists_that_do_not_pair_up_give_none(a: list[float], b: list[float]) -> None:
    assert ratio_of_means(a, b) is None
