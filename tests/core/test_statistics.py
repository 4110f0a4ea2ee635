from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchbench.core.statistics import (
    PERCENTILE_MINIMUM,
    classify_outliers,
    paired_ratio,
    percentile,
    student_quantile,
    summarise,
)


def test_a_summary_is_medians_and_quartiles() -> None:
    summary = summarise([4.0, 1.0, 3.0, 2.0, 5.0])
    assert (summary.count, summary.median, summary.minimum) == (5, 3.0, 1.0)
    assert (summary.low_quartile, summary.high_quartile, summary.iqr) == (2.0, 4.0, 2.0)


def test_a_summary_needs_a_sample() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


@pytest.mark.parametrize(("rank", "least"), PERCENTILE_MINIMUM.items())
def test_a_percentile_needs_its_samples(rank: int, least: int) -> None:
    values = np.arange(least, dtype=float)
    assert percentile(values[1:], rank) is None
    assert percentile(values, rank) == pytest.approx(np.percentile(values, rank))


def test_outliers_are_counted_by_side_and_severity() -> None:
    # Quartiles 2 and 4: fences at -1 and 7, and at -4 and 10.
    body = [1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 4.0, 4.0, 4.0, 5.0]
    found = classify_outliers([*body, 8.0, -2.0, 11.0, -5.0])
    assert (found.low_severe, found.low_mild, found.high_mild, found.high_severe) == (1, 1, 1, 1)
    assert found.total == 4
    assert classify_outliers(body).total == 0


def test_equal_samples_have_no_outlier_and_a_later_one_is_severe() -> None:
    assert classify_outliers([1.0] * 20).total == 0
    assert classify_outliers([1.0] * 20 + [1.1]).high_severe == 1


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 6, 10, 30, 200])
@pytest.mark.parametrize("probability", [0.025, 0.05, 0.5, 0.9, 0.975])
def test_student_quantiles_are_those_of_scipy(freedom: int, probability: float) -> None:
    expected = float(stats.t.ppf(probability, freedom))
    assert student_quantile(probability, freedom) == pytest.approx(expected, rel=3e-3, abs=1e-9)


def test_a_ratio_is_the_mean_over_processes_of_median_log_ratios() -> None:
    bottom = [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    found = paired_ratio([[2.0, 2.0, 50.0], [8.0, 8.0, 0.1]], bottom)
    assert found.value == pytest.approx(4.0)


def test_what_is_common_to_a_round_drops_out() -> None:
    drift = np.linspace(1.0, 3.0, 40)
    found = paired_ratio([1.5 * drift], [drift])
    assert found.value == pytest.approx(1.5)
    assert found.relative_half_width == pytest.approx(0.0, abs=1e-12)
    assert found.interval.low == pytest.approx(1.5)


def test_a_ratio_and_its_inverse_mirror_each_other() -> None:
    rng = np.random.default_rng(3)
    a, b = np.exp(rng.normal(0, 0.1, (2, 60)))
    there, back = paired_ratio([a], [b]), paired_ratio([b], [a])
    assert there.value == pytest.approx(1 / back.value)
    assert there.interval.low == pytest.approx(1 / back.interval.high, rel=5e-3)


def test_the_same_samples_give_the_same_interval_and_the_unit_does_not_matter() -> None:
    rng = np.random.default_rng(4)
    a, b = np.exp(rng.normal(0, 0.1, (2, 30)))
    assert paired_ratio([a], [b]) == paired_ratio([a], [b])
    assert paired_ratio([a * 1e3], [b * 1e3]).interval.low == pytest.approx(
        paired_ratio([a], [b]).interval.low
    )


def test_the_order_of_processes_leaves_the_ratio_and_hardly_moves_its_interval() -> None:
    rng = np.random.default_rng(5)
    tops, bottoms = np.exp(rng.normal(0, 0.02, (2, 3, 40)))
    one, other = paired_ratio(tops, bottoms), paired_ratio(tops[::-1], bottoms[::-1])
    assert one.value == pytest.approx(other.value)
    assert one.interval.low == pytest.approx(other.interval.low, rel=2e-3)


def test_processes_that_disagree_widen_the_interval() -> None:
    rng = np.random.default_rng(6)
    bottom = np.exp(rng.normal(0, 0.001, (3, 50)))
    agree = paired_ratio(bottom * np.exp(rng.normal(0, 0.001, (3, 50))), bottom)
    offsets = np.asarray([[0.97], [1.0], [1.03]])
    disagree = paired_ratio(bottom * offsets, bottom)
    assert agree.relative_half_width < 0.002
    # Student's: 4.303 * 0.03 / sqrt(3).
    assert disagree.relative_half_width == pytest.approx(0.0745, rel=0.02)


@pytest.mark.parametrize(
    ("top", "bottom", "words"),
    [
        ([], [], "no samples"),
        ([[1.0, 2.0]], [[1.0, 2.0, 3.0]], "do not align"),
        ([[1.0]], [[1.0]], "fewer than two"),
        ([[1.0, 0.0]], [[1.0, 1.0]], "positive"),
        ([[1.0, 1.0]], [[1.0, -1.0]], "positive"),
    ],
)
def test_samples_that_make_no_ratio_are_refused(
    top: list[list[float]], bottom: list[list[float]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        paired_ratio(top, bottom)


def test_processes_must_be_as_many_on_both_sides() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        paired_ratio([[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0]])


def _jitter(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    return rng.normal(0, 0.03, (rounds, 2))


def _drift(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    steps = rng.normal(0, 0.007, 2 * rounds)
    level = np.zeros(2 * rounds)
    for index in range(1, level.size):
        level[index] = 0.99 * level[index - 1] + steps[index]
    return level.reshape(rounds, 2) + rng.normal(0, 0.01, (rounds, 2))


def _bursts(rng: np.random.Generator, rounds: int) -> NDArray[np.float64]:
    values = rng.normal(0, 0.01, 2 * rounds)
    start = 0
    while start < values.size:
        start += int(rng.exponential(40))
        length = int(rng.exponential(20)) + 1
        stretch = values[start : start + length]
        stretch += math.log1p(rng.uniform(0.2, 0.6)) * rng.uniform(0.5, 1.0, stretch.size)
        start += length
    return values.reshape(rounds, 2)


@pytest.mark.parametrize("noise", [_jitter, _drift, _bursts])
@pytest.mark.parametrize(("processes", "rounds"), [(1, 20), (1, 60), (3, 20)])
def test_two_equal_subjects_are_seldom_told_apart(noise, processes: int, rounds: int) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    trials, missed = 200, 0
    for _ in range(trials):
        tops, bottoms = [], []
        for _ in range(processes):
            # The order within a round is random, as it is when they are taken.
            pair = rng.permuted(np.exp(noise(rng, rounds)), axis=1)
            tops.append(pair[:, 0])
            bottoms.append(pair[:, 1])
        missed += 1.0 not in paired_ratio(tops, bottoms, resamples=400).interval
    # 5 % of 200 is 10, and 16 is beyond what chance makes of it once in forty times.
    assert missed <= 16


def test_processes_with_offsets_of_their_own_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(300):
        offsets = np.exp(rng.normal(0, 0.005, (3, 1)))
        tops, bottoms = np.exp(rng.normal(0, 0.002, (2, 3, 20)))
        missed += 1.0 not in paired_ratio(tops * offsets, bottoms, resamples=200).interval
    assert missed <= 23


def test_the_interval_is_useful_on_a_quiet_machine() -> None:
    rng = np.random.default_rng(2)
    tops, bottoms = np.exp(rng.normal(0, 0.01, (2, 1, 20)))
    assert paired_ratio(tops, bottoms).relative_half_width < 0.02
