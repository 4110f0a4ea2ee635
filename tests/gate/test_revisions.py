from __future__ import annotations

from types import ModuleType

import pytest

from benchbench.core.errors import GateError
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport, PairedTiming
from benchbench.gate.revisions import judge_revisions


def rules(**declared: object) -> GateRules:
    return GateRules.model_validate(declared)


def statuses(report: GateReport) -> dict[str, str]:
    return {f"{each.cell} {each.measure}": each.status for each in report.verdicts}


def test_equal_revisions_pass_and_a_slower_one_fails(factory: ModuleType) -> None:
    sides = [(factory.side(), factory.side())]
    same = judge_revisions(sides, [factory.sets(1.0, count=1)], rules(), suite="toy")
    assert set(statuses(same).values()) == {"pass"}
    assert (same.exit_code, len(same.timings)) == (0, 1)
    slower = judge_revisions(sides, [factory.sets(1.3)], rules(), suite="toy", rerun=lambda only: f"x {only}")
    assert statuses(slower)["v1 latency"] == "fail"
    verdict = next(each for each in slower.verdicts if each.measure == "latency")
    assert verdict.change == pytest.approx(1.3, abs=0.01)
    assert verdict.head == pytest.approx(0.013, rel=0.05)
    assert verdict.rerun == "x v1"
    assert (
        statuses(judge_revisions(sides, [factory.sets(1.3, count=1)], rules(), suite="toy"))["v1 latency"]
        == "ambiguous"
    )


def test_rules_hold_for_times(factory: ModuleType) -> None:
    sides = [(factory.side(), factory.side())]

    def judged(**declared: object) -> GateReport:
        return judge_revisions(sides, [factory.sets(1.3)], rules(**declared), suite="toy")

    assert statuses(judged(measures={"latency": "50 %"}))["v1 latency"] == "pass"
    assert "v1 latency" not in statuses(judged(measures={"latency": "ignore"}))
    warned = judged(cells={"v1": {"latency": {"on": "warn"}}})
    assert warned.exit_code == 0
    assert [each.status for each in warned.verdicts if each.is_warning] == ["note"]


def test_counts_operators_and_outputs(factory: ModuleType) -> None:
    head = factory.side(
        parameters=301,
        macs_by_operator={"conv": 4000, "linear": 1000},
        output=factory.output("b", (1.0, -2.5)),
    )
    report = judge_revisions([(factory.side(), head)], [], rules(), suite="toy")
    assert statuses(report) == {"v1 parameters": "fail", "v1 macs": "fail", "v1 output": "fail"}
    lacking = factory.side(macs=None, output=None)
    report = judge_revisions([(factory.side(), lacking)], [], rules(vanished="warn"), suite="toy")
    assert statuses(report) == {"v1 parameters": "pass", "v1 macs": "note", "v1 output": "note"}


def test_a_cell_that_no_longer_builds_fails(factory: ModuleType) -> None:
    broken = factory.side(parameters=None, macs=None, output=None, problem="no module\nnamed x")

    def judged(base: object, head: object) -> tuple[str, str]:
        (verdict,) = judge_revisions([(base, head)], [], rules(), suite="toy").verdicts
        return verdict.status, verdict.reason

    assert judged(factory.side(), broken) == ("fail", "it no longer builds: no module named x")
    assert judged(broken, factory.side())[0] == "note"
    assert judged(broken, broken) == ("ambiguous", "neither revision builds it: no module named x")


def test_cells_of_one_revision_alone(factory: ModuleType) -> None:
    report = judge_revisions([], [], rules(), suite="toy", vanished=("old",), appeared=("new",))
    assert statuses(report) == {"old cell": "fail", "new cell": "note"}
    with pytest.raises(GateError, match="no cell to judge"):
        judge_revisions([], [], rules(), suite="toy")


def test_a_cell_without_times_among_timed_ones_is_ambiguous(factory: ModuleType) -> None:
    sides = [(factory.side(), factory.side()), (factory.side("v2"), factory.side("v2"))]
    empty = PairedTiming(cell="v2", setting=factory.SETTING)
    for pairs in ([factory.sets(1.0)], [factory.sets(1.0), empty]):
        report = judge_revisions(sides, pairs, rules(), suite="toy", cautions=["mind"])
        assert statuses(report)["v2 latency"] == "ambiguous"
        assert report.cautions == ("mind",)
