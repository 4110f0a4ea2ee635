from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from benchbench.core.errors import GateError, StoreError
from benchbench.core.gate_rules import GateRules
from benchbench.core.measurement import Curve, Failure, ImageRecord
from benchbench.gate.baseline import read_baseline, read_side, updated, write_baseline
from benchbench.gate.record import (
    GateRecord,
    MeasuredRevisions,
    MeasuredTables,
    judge,
    read_record,
    write_record,
)
from benchbench.gate.tables import judge_tables

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RULES = GateRules()


def test_it_holds_what_a_verdict_needs_and_no_more(factory: ModuleType, tmp_path: Path) -> None:
    run = factory.run()
    heavy = run.results[1].model_copy(
        update={
            "curves": (Curve(name="train/loss", steps=(1, 2), values=(1.0, 2.0)),),
            "images": (ImageRecord(path="a.png", role="output"),),
        }
    )
    run = run.model_copy(update={"results": (run.results[0], heavy)})
    path = tmp_path / "results" / "baseline.json"
    write_baseline(path, updated(None, run, reason="  first\n baseline ", now=NOW))
    text = path.read_text()
    document = json.loads(text)
    assert document["schema_version"] == 1
    assert document["reasons"] == [
        {
            "when": "2026-01-02T03:04:05+00:00",
            "reason": "first baseline",
            "revision": "1a2b3c4d5e",
            "benchbench": "0.1",
        }
    ]
    assert not {"curves", "images", "phases"} & set(document["table"]["results"][1])
    assert '"layers": [\n' in text
    assert text.count("\n") < 400  # samples of one process stand on one line
    again = read_baseline(path)
    assert [each.cell.id for each in again.table.results] == [each.cell.id for each in run.results]
    assert judge_tables(again.table, run, RULES).verdicts == judge_tables(run, run, RULES).verdicts
    assert read_side(path) == again.table


def test_reasons_are_kept_the_oldest_first(factory: ModuleType) -> None:
    run = factory.run()
    first = updated(None, run, reason="one", now=NOW)
    dirty = run.model_copy(update={"environment": run.environment.model_copy(update={"git_dirty": True})})
    second = updated(first, dirty, reason="two", now=NOW)
    assert [(each.reason, each.revision) for each in second.reasons] == [
        ("one", "1a2b3c4d5e"),
        ("two", "1a2b3c4d5e+changes"),
    ]


def test_what_makes_no_baseline(factory: ModuleType) -> None:
    run = factory.run()
    crash = factory.result("v1", failures=[Failure(of="latency", kind="crashed", reason="r")])
    skipped = factory.result("v1", failures=[Failure(of="latency", kind="skipped", reason="r")])
    for table, reason, problem in (
        (run, None, "without a reason"),
        (run, " \n ", "without a reason"),
        (factory.table(crash), "r", "v1: latency crashed"),
        (factory.table(), "r", "it has no cell"),
        (factory.table(skipped, finished=None), "r", "it has not finished"),
    ):
        with pytest.raises(GateError, match=problem):
            updated(None, table, reason=reason)
    with pytest.raises(GateError, match="of the suite 'toy', the run of 'other'"):
        updated(updated(None, run, reason="r"), factory.table(skipped, name="other"), reason="r")
    assert updated(None, factory.table(skipped), reason="r").table.results


DAMAGE = {
    "missing": (None, "there is no baseline at"),
    "no JSON": ("{", "damaged baseline"),
    "another kind": ('{"schema_version": 1, "suite": {}}', "is no baseline"),
    "a list": ("[1]", "is no baseline"),
    "newer": ('{"schema_version": 99, "reasons": []}', "has schema version 99"),
    "no version": ('{"reasons": []}', "schema_version is None"),
    "a part is missing": ('{"schema_version": 1, "reasons": []}', "damaged baseline: Field required"),
    "no text": (b"\xff\xfe", "damaged baseline"),
}


@pytest.mark.parametrize(("content", "problem"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_told_on_one_line(
    tmp_path: Path, content: str | bytes | None, problem: str
) -> None:
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(StoreError) as caught:
        read_baseline(path)
    assert problem in caught.value.problem
    assert "\n" not in caught.value.problem


def test_it_is_written_whole_or_not_at_all(factory: ModuleType, tmp_path: Path) -> None:
    baseline = updated(None, factory.run(), reason="r")
    with pytest.raises(StoreError, match="is a folder"):
        write_baseline(tmp_path, baseline)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(StoreError):
        write_baseline(tmp_path / "file" / "baseline.json", baseline)
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_record_is_judged_again_by_other_rules(factory: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    names = ("main", "the working tree")
    sides = ((factory.side(), factory.side()),)
    revisions = MeasuredRevisions(sides=sides, pairs=(factory.sets(1.3),), vanished=("old",))
    write_record(path, GateRecord(suite="toy", names=names, revisions=revisions))
    record = read_record(path)
    assert judge(record, RULES).exit_code == 1
    lenient = GateRules.model_validate({"measures": {"latency": "50 %"}, "vanished": "warn"})
    assert judge(record, lenient).exit_code == 0
    tables = MeasuredTables(base=factory.run(1.4), head=factory.run(1.0, seed=50), again=())
    write_record(path, GateRecord(suite="toy", names=names, tables=tables, only="v1"))
    report = judge(read_record(path), RULES)
    assert {each.cell for each in report.verdicts} == {"v1"}
    assert any("no fresh run" in each.reason for each in report.verdicts)
    alone = tables.model_copy(update={"again": None})
    assert judge(GateRecord(suite="toy", names=names, tables=alone), RULES).exit_code == 1


def test_a_record_is_of_one_kind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="give either"):
        GateRecord(suite="toy", names=("a", "b"))
    path = tmp_path / "x.json"
    path.write_text('{"schema_version": 1, "names": ["a", "b"], "suite": "toy"}')
    with pytest.raises(StoreError, match="damaged record of a gate"):
        read_record(path)
