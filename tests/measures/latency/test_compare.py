from __future__ import annotations

from typing import Any

import pytest

from benchbench.core.errors import MeasurementError
from benchbench.measures.latency.compare import compare_calls


def test_functions_are_timed_in_turns_beside_the_first_again(fake_timer: Any) -> None:
    timer, calls = fake_timer(), list[str]()
    timed = {name: timer.call(seconds, calls, name) for name, seconds in (("old", 0.2), ("new", 0.1))}
    found = compare_calls(timed, budget_s=20.0, timer=timer)
    assert found.baseline == "old"
    assert found.speedup["new"].value == pytest.approx(2.0)
    assert found.aa_control.value == pytest.approx(1.0)
    # The first and its control, for every call of the other; warm-up is by time.
    assert {name: len(values) for name, values in found.samples.items() if name in timed} == {
        "old": len(found.samples["new"]),
        "new": len(found.samples["new"]),
    }
    # A clock so fine needs no blocks: one call is one sample.
    assert calls.count("old") > 2 * len(found.samples["old"])


def test_nothing_is_compared_with_nothing() -> None:
    with pytest.raises(MeasurementError, match="nothing to compare"):
        compare_calls({})
