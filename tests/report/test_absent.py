"""What is not there is told: files that were not read, cells without a result."""

from __future__ import annotations

import pytest

from benchbench.core.reading import read_runs
from benchbench.core.store import RunStore
from benchbench.report.export import export
from benchbench.report.summary_markdown import write_summary
from benchbench.report.views.absent import MOST_LISTED, absent_rows
from benchbench.report.write import write_report

HOSTILE = "<b>\u202e|x"


@pytest.fixture
def stored(factory, tmp_path):
    """A run of four variants on disk."""
    results = [factory.without_drawings(factory.make_result(name)) for name in factory.COUNTS]
    table = factory.make_table(results=results)
    store = RunStore.create(tmp_path / "results", table.suite, table.run, table.environment)
    for result in results:
        store.write_cell(result)
    return store.folder


def read(*folders):
    said = []
    return read_runs(folders, tell=said.append).tables, said


def with_command(table, command, **changed):
    run = table.run.model_copy(update={"command": command, **changed})
    return table.model_copy(update={"run": run})


def test_what_reading_left_out_is_in_the_report_and_the_summary(stored, tmp_path):
    (damaged,) = stored.glob("cells/v1-*.json")
    damaged.write_text("{", encoding="utf-8")
    tables, said = read(stored, tmp_path / "nowhere")
    assert len(said) == 2
    files = write_report(tables, out=tmp_path / "reports")
    texts = [path.read_text(encoding="utf-8") for path in (files.markdown, files.html)]
    for text in (*texts, write_summary(tables)):
        assert f"left out: cells/{damaged.name}: damaged result file" in text
        assert "no run at" in text
        assert "no result: not run, or its file is gone or was left out" in text
        assert "Nothing failed" not in text
    assert str(stored) not in texts[0]
    assert export(tables, "failures", form="csv").count("absent") == 3


def test_a_deleted_baseline_is_told(stored):
    (gone,) = stored.glob("cells/baseline-*.json")
    gone.unlink()
    tables, said = read(stored)
    assert said == []
    (row,) = absent_rows(tables)
    assert (row.label, row.why) == ("baseline", "no result: not run, or its file is gone")
    assert "--resume" in row.fix


@pytest.mark.parametrize(
    ("only", "labels"),
    [
        (("v1",), []),
        (("v*",), ["v2"]),
        (("v1", "base*"), ["baseline"]),
        (("style_transfer",), ["baseline", "v2"]),
        (None, ["baseline", "v2"]),
    ],
)
def test_what_only_left_out_is_not_missed(stored, only, labels):
    for name in ("baseline", "v2"):
        next(stored.glob(f"cells/{name}-*.json")).unlink()
    (table,), _ = read(stored)
    rows = absent_rows([with_command(table, "benchbench run suite.yaml", only=only)])
    assert [row.label for row in rows] == labels


@pytest.mark.parametrize(
    ("command", "finished", "why"),
    [
        ("benchbench run suite.yaml", None, "no result: the run has not finished"),
        ("", "2025-01-02T03:10:05Z", "no result in this run"),
        ("benchbench run 'unbalanced", "2025-01-02T03:10:05Z", "no result in this run"),
    ],
)
def test_it_says_no_more_than_the_run_record_does(stored, command, finished, why):
    next(stored.glob("cells/v3-*.json")).unlink()
    (table,), _ = read(stored)
    assert [row.why for row in absent_rows([with_command(table, command, finished=finished)])] == [why]


def test_seeds_are_missed_one_by_one_and_runs_are_named(factory):
    results = [factory.make_result("baseline", seed=seed) for seed in (0, 2)]
    table = factory.make_table(results=results)
    suite = table.suite.model_copy(update={"matrix": {"seed": (0, 1, 2)}})
    table = table.model_copy(update={"suite": suite})
    assert [row.label for row in absent_rows([table])] == ["baseline seed=1"]
    other = factory.make_table(results=[factory.make_result("baseline")], run_id="other")
    assert [row.label for row in absent_rows([table, other])] == ["baseline seed=1 (20250102-030405)"]


def test_a_hostile_matrix_costs_no_more_than_the_list(factory):
    table = factory.make_table(results=[factory.make_result("baseline")])
    axes = {f"architecture.{at}": tuple(f"{HOSTILE}{value}" for value in range(900)) for at in range(6)}
    table = table.model_copy(update={"suite": table.suite.model_copy(update={"matrix": axes})})
    rows = absent_rows([table])
    assert len(rows) == MOST_LISTED + 1
    assert f"first {MOST_LISTED}" in rows[-1].why
    text = write_summary([table])
    assert "\u202e" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;[U+202E]" in text
