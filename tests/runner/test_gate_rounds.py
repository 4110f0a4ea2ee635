"""Rounds with a clock that stands still unless a turn moves it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from benchbench.runner.gate_rounds import Pace, Turn, Turns, take_rounds


@dataclass
class Bench:
    """Four processes whose turns take made-up times."""

    call_s: float = 0.01
    jitter: float = 0.001
    now: float = 0.0
    turns: list[tuple[int, int, int]] = field(default_factory=list)
    rng: random.Random = field(default_factory=lambda: random.Random(3))

    def turn(self, index: int) -> Turn:
        def take(absorb: int, calls: int) -> float:
            self.turns.append((index, absorb, calls))
            self.now += (absorb + calls) * self.call_s
            return self.call_s * (1 + self.rng.uniform(-self.jitter, self.jitter))

        return take

    def take(self, *, pace: Pace | None = None, tolerance: float = 0.05, seed: int = 0):  # type: ignore[no-untyped-def]
        turns = Turns(base=(self.turn(0), self.turn(1)), head=(self.turn(2), self.turn(3)))
        return take_rounds(
            turns,
            call_s=self.call_s,
            pace=pace or Pace(),
            tolerance=tolerance,
            seed=seed,
            now_s=lambda: self.now,
        )


def test_every_process_has_one_turn_a_round_in_an_order_that_changes() -> None:
    bench = Bench()
    taken = bench.take()
    order = [index for index, _, _ in bench.turns]
    rounds = [order[at : at + 4] for at in range(0, len(order), 4)]
    assert all(sorted(each) == [0, 1, 2, 3] for each in rounds)
    assert len({tuple(each) for each in rounds}) > 10
    assert [len(each) for each in (*taken.base, *taken.head)] == [len(rounds)] * 4


def test_samples_stay_with_their_process() -> None:
    bench = Bench(jitter=0.0)
    turns = [bench.turn(index) for index in range(4)]

    def scaled(turn: Turn, factor: float) -> Turn:
        return lambda absorb, calls: turn(absorb, calls) * factor

    base = (scaled(turns[0], 1.0), scaled(turns[1], 2.0))
    head = (scaled(turns[2], 3.0), scaled(turns[3], 4.0))
    taken = take_rounds(
        Turns(base, head), call_s=0.01, pace=Pace(), tolerance=0.05, seed=0, now_s=lambda: bench.now
    )
    assert [set(each) for each in (*taken.base, *taken.head)] == [{0.01}, {0.02}, {0.03}, {0.04}]


def test_short_calls_make_a_block_after_one_for_nothing_and_long_ones_stand_alone() -> None:
    short, long = Bench(call_s=0.001), Bench(call_s=2.0)
    short.take()
    long.take()
    assert {turn[1:] for turn in short.turns} == {(1, Pace().calls(0.001))}
    assert Pace().calls(0.001) > 1
    assert {turn[1:] for turn in long.turns} == {(0, 1)}


def test_a_quiet_machine_stops_after_the_least_rounds_and_seconds() -> None:
    bench = Bench()
    taken = bench.take(pace=Pace(min_seconds=1.0))
    assert len(taken.base[0]) == Pace().min_rounds
    assert bench.now >= 1.0
    assert taken.notes == ()
    hasty = Bench(call_s=0.0001)
    hasty.take(pace=Pace(block_s=0.0001))
    assert Pace().min_seconds <= hasty.now < 1.5 * Pace().min_seconds


def test_a_noisy_one_goes_on_to_its_budget_and_says_so() -> None:
    bench = Bench(jitter=0.9)
    pace = Pace()
    taken = bench.take(pace=pace)
    assert pace.budget_s <= bench.now < pace.budget_s + 1.0
    assert taken.notes == ("unconverged: the rounds scatter too widely for the tolerance",)


def test_a_wider_tolerance_needs_fewer_rounds() -> None:
    strict, lax = Bench(jitter=0.2), Bench(jitter=0.2)
    strict.take(tolerance=0.02)
    lax.take(tolerance=0.3)
    assert len(lax.turns) < len(strict.turns)


def test_calls_too_long_for_the_budget_stop_at_the_fewest_rounds() -> None:
    taken = Bench(call_s=10.0).take()
    assert len(taken.base[0]) == Pace().fewest_rounds
    assert taken.notes == ("only 8 rounds: calls are long for the budget",)


def test_what_was_done_is_kept() -> None:
    bench = Bench()
    settings = bench.take().settings
    assert settings["calls"] == Pace().calls(0.01)
    assert settings["untimed_calls"] == 1
    assert settings["rounds"] == len(bench.turns) // 4
    assert settings["seconds"] == pytest.approx(bench.now)
