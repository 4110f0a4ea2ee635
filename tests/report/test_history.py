"""A suite over time: which runs count, what is told apart, and what the page says."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from benchbench.core.errors import StoreError, UnknownNameError
from benchbench.core.store import RunStore
from benchbench.core.suite import ArchitectureSpec
from benchbench.report.history_blocks import steps_grid, summary_lines
from benchbench.report.history_plots import tick_labels
from benchbench.report.history_records import history_record
from benchbench.report.history_view import read_history, view_history
from benchbench.report.history_write import history_markdown, write_history


@pytest.fixture(scope="module")
def make_run(factory):
    """A run of one day whose latencies are `factor` times as long."""

    def make(day, *, factor=1.0, finished=True, parameters=381315, title="Style", **environment):
        results = []
        for name in ("baseline", "v1"):
            result = factory.without_drawings(factory.make_result(name))
            figures = [
                each.model_copy(update={"value": each.value * factor})
                if each.name == "latency"
                else each.model_copy(update={"value": parameters})
                if (each.name, name) == ("parameters", "v1")
                else each
                for each in result.measurements
            ]
            results.append(result.model_copy(update={"measurements": tuple(figures)}))
        suite = factory.make_suite(title=title)
        table = factory.make_table(results=results, run_id=f"202501{day:02d}-000000", suite=suite)
        run = table.run.model_copy(
            update={
                "started": f"2025-01-{day:02d}T00:00:00+00:00",
                "finished": table.run.finished if finished else None,
            }
        )
        return table.model_copy(
            update={"run": run, "environment": table.environment.model_copy(update=environment)}
        )

    return make


def wave(day):
    return 1.0 + 0.004 * (day % 3 - 1)


@pytest.fixture(scope="module")
def stepped(make_run):
    """Ten days, a step of 20 % on the seventh, when torch changed."""
    return [
        make_run(day, factor=wave(day) * (1.2 if day >= 7 else 1.0),
                 packages={"torch": "2.14.0" if day >= 7 else "2.13.0"})
        for day in range(1, 11)
    ]  # fmt: skip


def measure(history, name):
    return next(each for each in history.measures if each.name == name)


def test_a_step_is_marked_at_its_run_with_what_changed_there(stepped) -> None:
    history = view_history(stepped)
    (marked,) = measure(history, "latency").series[0].steps
    assert history.runs[marked.run].name == "20250107-000000"
    assert marked.step.change == pytest.approx(0.2, abs=0.01)
    assert history.runs[marked.run].changed == ("torch 2.13.0 → 2.14.0",)
    assert measure(history, "perceptual_loss").series[0].steps == ()
    lines = summary_lines(history)
    assert lines[0] == "10 complete runs of style_transfer on 1 machine, 2 steps (advisory)"
    assert "71.3 ms" in lines[1]


def test_another_machine_is_a_series_of_its_own(make_run) -> None:
    runs = [
        make_run(day, factor=wave(day) * (1.0 if day % 2 else 1.5), cpu_model="A" if day % 2 else "B")
        for day in range(1, 21)
    ]
    history = view_history(runs)
    assert [name.partition(",")[0] for name in history.environments] == ["A", "B"]
    assert all(series.steps == () for series in measure(history, "latency").series)
    assert [point.environment for point in measure(history, "latency").series[0].points][:4] == [0, 1, 0, 1]


def test_of_counts_every_change_is_marked_across_machines(make_run) -> None:
    runs = [make_run(1), make_run(2, cpu_model="B"), make_run(3, parameters=381316)]
    (baseline, v1) = measure(view_history(runs), "parameters").series
    assert baseline.is_constant
    assert [marked.run for marked in v1.steps] == [2]


def test_the_page_has_drawings_steps_and_runs_and_is_the_same_twice(stepped, tmp_path: Path) -> None:
    history = view_history(stepped)
    files = write_history(history, out=tmp_path)
    first = {path: path.read_bytes() for path in sorted(files.markdown.parent.rglob("*.*"))}
    text = files.markdown.read_text(encoding="utf-8")
    pictures = re.findall(r"\]\(plots/([^)]+)\)", text)
    assert pictures
    for name in pictures:
        assert (
            (files.markdown.parent / "plots" / name).read_text(encoding="utf-8").rstrip().endswith("</svg>")
        )
    assert "| 20250107-000000 | 71.3 ms | 85.6 ms | +20.0 % | torch 2.13.0 → 2.14.0 |" in text
    assert "The same in every run, in every cell." in text
    page = files.html.read_text(encoding="utf-8")
    assert page.count("<svg") == len(pictures)
    assert "://" not in page
    assert "<script" not in page
    rows = list(csv.DictReader(files.csv.read_text(encoding="utf-8").splitlines()))
    latency = [row for row in rows if (row["measure"], row["cell"]) == ("latency", "v1")]
    assert [row["is_step"] for row in latency] == ["no"] * 6 + ["yes"] + ["no"] * 3
    shutil.rmtree(files.markdown.parent)
    write_history(history, out=tmp_path)
    assert {path: path.read_bytes() for path in sorted(files.markdown.parent.rglob("*.*"))} == first


def test_nothing_that_is_named_is_markup(make_run, tmp_path: Path) -> None:
    hostile = "<img src=x onerror=alert(1)>|$x$"
    runs = [make_run(day, title=hostile, cpu_model=hostile, factor=day) for day in (1, 2)]
    files = write_history(view_history(runs, told=[hostile]), out=tmp_path)
    assert "<img" not in files.markdown.read_text(encoding="utf-8")
    assert "<img" not in files.html.read_text(encoding="utf-8")
    for plot in (files.markdown.parent / "plots").iterdir():
        assert "<img" not in plot.read_text(encoding="utf-8")


def test_only_whole_runs_count_and_the_others_are_told(make_run, tmp_path: Path) -> None:
    folders = []
    for table in (make_run(1), make_run(2, finished=False), make_run(3), make_run(4), make_run(5)):
        store = RunStore.create(tmp_path, table.suite, table.run, table.environment)
        for result in table.results:
            store.write_cell(result)
        folders.append(store.folder)
    newer = folders[2] / "run.json"
    newer.write_text(newer.read_text().replace('"schema_version": 1', '"schema_version": 99'))
    (broken,) = (folders[3] / "cells").glob("v1*")
    broken.write_text(broken.read_text()[:50])
    (tmp_path / "style_transfer" / "no-run").mkdir()
    told: list[str] = []
    tables, said = read_history(tmp_path / "style_transfer", tell=told.append)
    assert [table.run.id for table in tables] == ["20250101-000000", "20250104-000000", "20250105-000000"]
    assert told == list(said)
    assert len(told) == 3
    assert all("\n" not in line for line in told)
    assert any("schema version 99" in line for line in told)
    assert any("damaged result file" in line for line in told)
    assert any("has not finished" in line for line in told)
    (_, v1) = measure(view_history(tables), "parameters").series
    assert [point.run for point in v1.points] == [0, 2]


def test_a_folder_without_runs_is_a_wrong_request(make_run, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no runs at"):
        read_history(tmp_path, tell=print)
    table = make_run(1, finished=False)
    store = RunStore.create(tmp_path, table.suite, table.run, table.environment)
    with pytest.raises(StoreError, match="one run at") as caught:
        read_history(store.folder, tell=print)
    assert str(store.folder.parent) in str(caught.value.fix)
    with pytest.raises(StoreError, match="has finished"):
        read_history(store.folder.parent, tell=lambda line: None)


def test_one_measure_alone_and_runs_that_lack_it(make_run, factory) -> None:
    lacking = make_run(2)
    results = tuple(factory.without(result, "latency") for result in lacking.results)
    runs = [make_run(1), lacking.model_copy(update={"results": results})]
    history = view_history(runs, measures=["latency"])
    assert [each.name for each in history.measures] == ["latency"]
    assert history.told == ("latency is not in 20250102-000000",)
    with pytest.raises(UnknownNameError, match="latncy"):
        view_history(runs, measures=["latncy"])


def test_the_record_is_json_with_figures_whole(stepped) -> None:
    record = json.loads(json.dumps(history_record(view_history(stepped)), allow_nan=False))
    latency = next(each for each in record["measures"] if each["measure"] == "latency")
    assert latency["cells"][0]["points"][0]["value"] == 0.0713 * wave(1)
    assert latency["cells"][0]["steps"][0]["run"] == "20250107-000000"


def test_cells_that_are_declared_otherwise_are_told_where_the_step_is(make_run) -> None:
    wider = make_run(2, parameters=500000)
    (baseline, light) = wider.results
    network = ArchitectureSpec(name=light.cell.architecture.name, width=64)
    light = light.model_copy(update={"cell": light.cell.model_copy(update={"architecture": network})})
    history = view_history([make_run(1), wider.model_copy(update={"results": (baseline, light)})])
    assert history.runs[1].changed == ("v1: architecture.width none and 64",)
    (row,) = (row for row in steps_grid(history).rows if row.items[0].text == "parameters")
    assert row.items[-1].text == "v1: architecture.width none and 64"


def test_what_one_run_lacks_is_not_said_to_be_in_every_run(make_run) -> None:
    without = make_run(2)
    lacking = [
        result.model_copy(
            update={"measurements": tuple(each for each in result.measurements if each.name != "macs")}
        )
        for result in without.results
    ]
    tables = [make_run(1), without.model_copy(update={"results": tuple(lacking)})]
    history = view_history(tables, measures=["macs"])
    page = history_markdown(history, ())
    assert "not all have it" in page
    assert "in every run, in every cell" not in page


def test_ticks_of_runs_close_to_one_another_are_told_apart() -> None:
    names = ("a", "b", "c")
    days = [f"2025-01-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    assert tick_labels(days, names=names) == ("2025-01-01", "2025-01-02", "2025-01-03")
    minutes = [f"2025-01-01T03:0{minute}:00+00:00" for minute in (1, 2, 3)]
    assert tick_labels(minutes, names=names) == ("01-01 03:01", "01-01 03:02", "01-01 03:03")
    seconds = [f"2025-01-01T03:00:0{second}+00:00" for second in (1, 2, 3)]
    assert tick_labels(seconds, names=names) == ("01-01 03:00:01", "01-01 03:00:02", "01-01 03:00:03")
    over_a_year = ["2024-12-31T23:59:00", "2025-01-01T00:01:00", "2025-01-01T00:02:00"]
    assert tick_labels(over_a_year, names=names) == tuple(text[:16].replace("T", " ") for text in over_a_year)
    # At the same second nothing but the name is left.
    assert tick_labels(["2025-01-01T03:00:01Z"] * 3, names=names) == names
