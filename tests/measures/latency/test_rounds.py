from __future__ import annotations

import random
from typing import Any

import pytest

from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.rounds import (
    FIXED_RUNS,
    OVERHEAD_SHARE,
    take_fixed,
    take_interleaved,
    warm_up,
)

NAMES = ("base", "light", "again")


def options(**changes: Any) -> LatencyOptions:
    return LatencyOptions.model_validate({"processes": 1, **changes})


def take(timer: Any, seconds: dict[str, Any], *, seed: int = 0, **changes: Any) -> tuple[Any, list[str]]:
    calls: list[str] = []
    runs = {name: timer.call(value, calls, name) for name, value in seconds.items()}
    rounds = take_interleaved(runs, baseline="base", timer=timer, options=options(**changes), seed=seed)
    return rounds, calls


def noisy(sigma: float, seed: int) -> Any:
    rng = random.Random(seed)
    return lambda _: 0.1 * rng.lognormvariate(0, sigma)


def test_warm_up_doubles_until_time_and_stability_are_enough(fake_timer: Any) -> None:
    timer, calls = fake_timer(), []
    median, spent, capped = warm_up(timer.call(0.1, calls, "base"), timer, options())
    # Windows of 1, 2, 4 and 8: after 7 calls 0.7 s have passed, after 15 calls 1.5 s.
    assert len(calls) == 15
    assert (median, spent, capped) == (pytest.approx(0.1), pytest.approx(1.5), False)


def test_warm_up_goes_on_while_calls_get_faster(fake_timer: Any) -> None:
    timer, calls = fake_timer(), []
    call = timer.call(lambda count: 0.1 if count < 7 else 0.05, calls, "base")
    median, spent, capped = warm_up(call, timer, options())
    # The window of 8 has lasted long enough, but is unlike the one before it.
    assert len(calls) == 7 + 8 + 16
    assert (median, spent, capped) == (pytest.approx(0.05), pytest.approx(0.7 + 24 * 0.05), False)


def test_warm_up_that_never_settles_is_capped_and_flagged(fake_timer: Any) -> None:
    timer = fake_timer()
    growing = lambda count: 0.1 * 1.05**count  # noqa: E731
    _, spent, capped = warm_up(timer.call(growing, [], "base"), timer, options(warmup_limit_s=3.0))
    assert capped
    assert 3.0 <= spent < 6.0
    # It settles after its warm-up.
    rounds, _ = take(fake_timer(), {"base": 0.1, "again": lambda count: max(2.0 * 0.9**count, 0.2)})
    assert rounds.notes == {"base": [], "again": ["warm-up capped"]}


def test_a_call_longer_than_the_cap_is_warmed_up_twice(fake_timer: Any) -> None:
    timer, calls = fake_timer(), []
    _, spent, capped = warm_up(timer.call(4.0, calls, "base"), timer, options())
    assert (len(calls), spent, capped) == (2, pytest.approx(8.0), False)


def test_the_timers_own_cost_is_below_its_share_of_a_sample(fake_timer: Any) -> None:
    overhead_s = 5e-8
    timer = fake_timer(overhead_s=overhead_s)
    rounds, _ = take(timer, {"base": 3e-5, "light": 0.01}, min_seconds=0.1, warmup_s=0.1)
    assert rounds.repeats == {"base": 17, "light": 1}
    assert overhead_s / (17 * 3e-5) < OVERHEAD_SHARE < overhead_s / (16 * 3e-5)
    assert rounds.samples["base"] == pytest.approx([3e-5] * len(rounds.samples["base"]))


def test_each_round_runs_every_subject_once_in_an_order_of_its_own(fake_timer: Any) -> None:
    rounds, calls = take(fake_timer(), dict.fromkeys(NAMES, 0.1))
    warm = 3 * 15
    orders = [tuple(calls[at : at + 3]) for at in range(warm, len(calls), 3)]
    assert len(orders) == len(rounds.samples["base"]) == 20
    assert all(sorted(order) == sorted(NAMES) for order in orders)
    assert len(set(orders)) == 6


def test_the_seed_decides_the_order(fake_timer: Any) -> None:
    seconds = dict.fromkeys(NAMES, 0.1)
    first, again = take(fake_timer(), seconds, seed=3)[1], take(fake_timer(), seconds, seed=3)[1]
    assert first == again
    assert first != take(fake_timer(), seconds, seed=4)[1]


def test_samples_of_one_index_are_of_one_round(fake_timer: Any) -> None:
    timer = fake_timer()
    started = []

    def seconds(_: int) -> float:
        started.append(timer.clock_s)
        return 0.1 + timer.clock_s * 1e-3

    rounds, _ = take(timer, dict.fromkeys(NAMES, seconds), half_width=0.5)
    for values in zip(*(rounds.samples[name] for name in NAMES), strict=True):
        # The machine slows down by 0.1 ms per call, so three of one round lie within 0.3 ms.
        assert max(values) - min(values) < 4e-4


@pytest.mark.parametrize(
    ("seconds", "changes", "expected"),
    [
        (0.5, {}, 20),  # least rounds, 20 s
        (0.01, {}, 250),  # least seconds: 5 s of rounds of 0.02 s
        (0.01, {"min_seconds": 0.0}, 20),
        (0.01, {"min_seconds": 0.0, "min_rounds": 7}, 7),
    ],
)
def test_quiet_rounds_stop_at_the_least(
    fake_timer: Any, seconds: float, changes: dict[str, Any], expected: int
) -> None:
    rounds, _ = take(fake_timer(), {"base": seconds, "light": seconds}, **changes)
    assert len(rounds.samples["base"]) == pytest.approx(expected, abs=1)


def test_noisy_rounds_go_on_until_the_interval_is_narrow_enough(fake_timer: Any) -> None:
    seconds = {"base": noisy(0.05, 1), "light": noisy(0.05, 2)}
    loose, _ = take(fake_timer(), seconds, half_width=0.05)
    tight, _ = take(fake_timer(), seconds, half_width=0.02)
    assert len(loose.samples["base"]) < len(tight.samples["base"]) < 300  # 300 rounds fill the budget


def test_the_budget_ends_what_does_not_converge(fake_timer: Any) -> None:
    seconds = {"base": noisy(0.5, 1), "light": noisy(0.5, 2)}
    timer = fake_timer()
    rounds, _ = take(timer, seconds, budget_s=10.0)
    spent = timer.clock_s - sum(rounds.warmup_s.values())
    assert 10.0 <= spent < 11.5
    assert len(rounds.samples["base"]) >= 20


def test_long_calls_end_at_twice_the_budget_and_say_so(fake_timer: Any) -> None:
    rounds, _ = take(fake_timer(), {"base": 2.0, "light": 2.0}, budget_s=12.0)
    assert len(rounds.samples["base"]) == 6
    assert rounds.notes["light"] == ["only 6 rounds: calls are long for the budget"]


def test_a_device_clock_gives_samples_of_its_own(fake_timer: Any) -> None:
    rounds, _ = take(fake_timer(device_share=0.5), {"base": 0.2, "light": 0.1})
    assert rounds.device_samples["base"] == pytest.approx([0.1] * len(rounds.samples["base"]))
    assert rounds.device_samples["light"] == pytest.approx([0.05] * len(rounds.samples["light"]))


def test_time_inside_the_subjects_is_all_of_it(fake_timer: Any) -> None:
    timer = fake_timer(overhead_s=5e-8)
    rounds, _ = take(timer, {"base": 2e-5, "light": 0.01}, min_seconds=0.1, warmup_s=0.1)
    assert rounds.inside_s == pytest.approx(timer.clock_s, rel=1e-6)


def test_the_fixed_protocol_is_a_hundred_and_a_hundred_one_after_the_other(fake_timer: Any) -> None:
    timer, calls = fake_timer(device_share=0.5), []
    runs = {name: timer.call(lambda count: 1.0 if count < 100 else 0.1, calls, name) for name in NAMES}
    rounds = take_fixed(runs, timer=timer)
    assert FIXED_RUNS == 100
    assert calls == [name for name in NAMES for _ in range(300)]  # the last hundred for the device's clock
    for name in NAMES:
        assert rounds.samples[name] == pytest.approx([0.1] * 100)
        assert rounds.device_samples[name] == pytest.approx([0.05] * 100)
        assert rounds.repeats[name] == 1


def test_untimed_calls_go_before_each_sample_of_their_subject(fake_timer: Any) -> None:
    timer, calls = fake_timer(), []
    # A library's first call after another's is slower: the pool of the other still spins.
    last: list[str] = []

    def call(name: str) -> Any:
        def run() -> None:
            slowed = bool(last) and last[-1] != name
            timer.clock_s += 0.2 if slowed else 0.1
            last.append(name)
            calls.append(name)

        return run

    runs = {name: call(name) for name in NAMES}
    rounds = take_interleaved(
        runs, baseline="base", timer=timer, options=options(min_rounds=5, min_seconds=0), seed=0, untimed=1
    )
    assert {round(each, 9) for values in rounds.samples.values() for each in values} == {0.1}
    assert calls[-2] == calls[-1]
