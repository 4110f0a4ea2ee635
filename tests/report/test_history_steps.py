"""Step changes: found where there is one, silent where there is only noise, a drift or an outlier."""

from __future__ import annotations

import random

from benchbench.report.history_steps import find_changes, find_steps


def noise(seed: int, count: int, *, level: float = 100.0, deviation: float = 1.0) -> list[float]:
    chance = random.Random(seed)
    return [level + chance.gauss(0, deviation) for _ in range(count)]


def test_a_step_is_found_at_its_place_with_both_levels() -> None:
    (step,) = find_steps([10.0, 10.1, 9.9, 10.0, 10.1, 9.9, 12.0, 12.1, 11.9, 12.0])
    assert step.at == 6
    assert (step.before, step.after) == (10.0, 12.0)
    assert abs(step.change - 0.2) < 1e-9


def test_a_step_down_and_up_again_are_two() -> None:
    values = [10.0, 10.1, 9.9, 10.0, 10.1, 8.0, 8.1, 7.9, 8.0, 8.1, 8.0, 10.0, 10.1, 9.9]
    assert [step.at for step in find_steps(values)] == [5, 11]


def test_a_step_of_ten_deviations_in_noise_is_found_within_one_run() -> None:
    for seed in range(50):
        steps = find_steps(noise(seed, 15) + noise(1000 + seed, 8, level=110.0))
        assert len(steps) == 1
        assert abs(steps[0].at - 15) <= 1


def test_noise_alone_stays_unmarked() -> None:
    marked = sum(bool(find_steps(noise(seed, 30))) for seed in range(300))
    assert marked <= 3


def test_heavy_tails_stay_unmarked_too() -> None:
    chance = random.Random(5)
    series = [[100 + chance.choice((-1, 1)) * chance.expovariate(1.0) for _ in range(30)] for _ in range(300)]
    assert sum(bool(find_steps(each)) for each in series) <= 6


def test_a_drift_is_no_step() -> None:
    assert find_steps([100 + 0.5 * run for run in range(40)]) == ()
    assert find_steps([value + 0.2 * run for run, value in enumerate(noise(3, 40))]) == ()


def test_one_outlier_is_no_step() -> None:
    values = noise(1, 20)
    values[10] = 500.0
    assert find_steps(values) == ()
    values[2] = 0.0
    assert find_steps(values) == ()


def test_a_step_shows_with_its_third_run_and_not_before() -> None:
    quiet = [10.0, 10.1, 9.9, 10.0, 10.1]
    assert find_steps([*quiet, 12.0, 12.0]) == ()
    assert find_steps([*quiet, 12.0, 12.0, 12.0])[0].at == 5


def test_less_than_one_percent_is_no_step_without_any_noise() -> None:
    assert find_steps([10.0] * 6 + [10.05] * 6) == ()
    assert find_steps([10.0] * 6 + [10.2] * 6)[0].at == 6


def test_too_few_runs_have_no_step() -> None:
    assert find_steps([]) == ()
    assert find_steps([1.0, 2.0, 2.0, 2.0]) == ()


def test_of_counts_every_change_is_one() -> None:
    assert [step.at for step in find_changes([5, 5, 6, 6, 5])] == [2, 4]
    assert find_changes([0.0, 1.0])[0].change is None
