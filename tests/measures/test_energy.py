from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from benchbench.core.contracts import Measured
from benchbench.core.errors import MeasurementError
from benchbench.measures import energy
from benchbench.measures.energy import Drawn, EnergyOptions, as_replicate, draw, summarise
from benchbench.measures.energy_counters import open_rapl


class Machine:
    """A clock and a counter: so many watts when idle, so many more while a call runs."""

    has_device_clock = False
    source = "RAPL, package-0"

    def __init__(self, *, idle_w: float = 20.0, load_w: float = 30.0, call_s: float = 0.25) -> None:
        self.clock_s = 0.0
        self.joules = 1000.0
        self.idle_w, self.load_w, self.call_s = idle_w, load_w, call_s
        self.read_at: list[float] = []

    def now_s(self) -> float:
        return self.clock_s

    def overhead_s(self) -> float:
        return 1e-9

    def device_s(self, calls: Any, repeats: Any) -> list[float]:
        return []

    def end_to_end_s(self, call: Any, repeats: int) -> float:
        began = self.clock_s
        for _ in range(repeats):
            call()
        return self.clock_s - began

    def read_j(self) -> float:
        self.read_at.append(self.clock_s)
        return self.joules

    def sleep(self, seconds: float) -> None:
        self.clock_s += seconds
        self.joules += self.idle_w * seconds

    def call(self) -> None:
        self.clock_s += self.call_s
        self.joules += self.load_w * self.call_s


def options(**changes: Any) -> EnergyOptions:
    return EnergyOptions.model_validate({"threads": (2,), **changes})


def drawn_by(machine: Machine, **given: Any) -> Drawn:
    settings = {"seconds": 10.0, "idle_s": 4.0, **given}
    return draw(machine.call, machine, machine, sleep=machine.sleep, **settings)


def measured(drawn: Drawn, *, batch: int = 1, **changes: Any) -> Measured:
    made = options(**changes)
    return summarise([as_replicate(drawn, batch=batch, source="RAPL, package-0", options=made)], made)


def test_idle_power_is_measured_first_and_taken_off() -> None:
    drawn = drawn_by(Machine())
    assert drawn.idle_w == pytest.approx(20.0)
    assert sum(seconds for _, seconds, _ in drawn.windows) == pytest.approx(10.0)
    figures = {each.name: each for each in measured(drawn, batch=2).measurements}
    # (30 - 20) W x 0.25 s make two images.
    assert figures["energy"].value == pytest.approx(1.25)
    assert (figures["energy"].unit, figures["energy"].setting) == ("J", "cpu, 2 threads")
    assert figures["energy"].samples[0] == pytest.approx([1.25] * 5)
    assert figures["idle_power"].value == pytest.approx(20.0)
    assert figures["load_power"].value == pytest.approx(30.0)
    assert figures["energy"].protocol.settings["counter"] == "RAPL, package-0"


def test_idle_may_be_kept_and_the_protocol_tells() -> None:
    drawn = drawn_by(Machine())
    kept, less = (measured(drawn, idle=how).measurements[0] for how in ("keep", "subtract"))
    assert (kept.value, less.value) == (pytest.approx(7.5), pytest.approx(2.5))
    assert kept.protocol.hash != less.protocol.hash


def test_warming_up_is_in_neither() -> None:
    machine = Machine()

    def warm() -> None:
        machine.clock_s += 3.0
        machine.joules += 1e6

    drawn = drawn_by(machine, before_load=warm)
    assert drawn.idle_w == pytest.approx(20.0)
    assert sum(joules for joules, _, _ in drawn.windows) == pytest.approx(300.0)


def test_a_counter_is_looked_at_often_enough_to_see_it_wrap() -> None:
    machine = Machine()
    drawn_by(machine, seconds=60.0)
    under_load = machine.read_at[1:]
    assert max(late - early for early, late in itertools.pairwise(under_load)) <= 1.25


def test_a_long_call_still_fills_every_window() -> None:
    drawn = drawn_by(Machine(call_s=7.0))
    assert [calls for _, _, calls in drawn.windows] == [1] * 5


def test_a_counter_that_stands_still_is_told() -> None:
    with pytest.raises(MeasurementError, match="stands still under load"):
        drawn_by(Machine(idle_w=0.0, load_w=0.0))


def test_a_load_below_idle_has_no_figure_but_a_reason() -> None:
    found = measured(drawn_by(Machine(idle_w=30.0, load_w=29.0)))
    assert [each.name for each in found.measurements] == ["load_power", "idle_power"]
    (failure,) = found.failures
    assert (failure.of, failure.kind) == ("energy", "skipped")
    assert failure.reason == "cpu, 2 threads: 29 W under load are not above 30 W when idle"


def test_a_machine_without_counters_skips_with_the_reason(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "open_rapl", lambda: open_rapl(sys_folder=tmp_path))
    comparison = energy.measure.comparison
    assert comparison is not None
    assert comparison.members == "alone"
    failure = comparison.unavailable(options(threads=(1,)))
    assert failure is not None
    assert (failure.of, failure.kind) == ("energy", "skipped")
    assert failure.reason.startswith("cpu, 1 thread: this machine shows no energy counter of its CPU")
    folder = tmp_path / "class/powercap/intel-rapl:0"
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0")
    (folder / "energy_uj").write_text("1")
    assert comparison.unavailable(options(threads=(1,))) is None


def test_too_many_threads_are_a_failure_of_this_measure() -> None:
    comparison = energy.measure.comparison
    assert comparison is not None
    failure = comparison.unavailable(options(threads=(1000,)))
    assert failure is not None
    assert (failure.of, failure.kind) == ("energy", "skipped")


@pytest.mark.parametrize("wrong", [{"seconds": 0.5}, {"idle_s": 100}, {"baseline": "v1"}, {"idle": "no"}])
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**wrong)
