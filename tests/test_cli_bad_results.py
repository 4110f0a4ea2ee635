"""Result files that are damaged, newer, or lack what was asked for: a line each, and the rest is shown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchbench.cli import main
from benchbench.core.store import RunStore

CaptureFixture = pytest.CaptureFixture[str]


@pytest.fixture
def run(load_module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of four variants with pictures, in results/ of the working directory."""
    factory = load_module("report/factory.py")
    monkeypatch.chdir(tmp_path)
    results = [factory.make_result(name) for name in factory.COUNTS]
    results = [result.model_copy(update={"curves": (), "layers": ()}) for result in results]
    table = factory.make_table(results=results)
    store = RunStore.create(Path("results"), table.suite, table.run, table.environment)
    for result in results:
        store.write_cell(result)
    factory.write_images(store.folder, results)
    return store.folder


def damage(run: Path) -> tuple[Path, Path]:
    """Half of one cell, and another of a newer benchbench."""
    (half,) = run.glob("cells/v1-*.json")
    half.write_bytes(half.read_bytes()[:500])
    (newer,) = run.glob("cells/v2-*.json")
    newer.write_text(json.dumps({**json.loads(newer.read_text()), "schema_version": 99}))
    return half, newer


@pytest.mark.parametrize(
    "words",
    [
        ["report", "{run}"],
        ["report", "{run}", "--summary", "-"],
        ["table", "{run}"],
        ["table", "{run}", "--format", "csv"],
        ["compare", "{run}", "{copy}"],
        ["history", "results/style_transfer"],
    ],
)
def test_damaged_and_newer_cells_are_a_line_each_and_the_rest_is_shown(
    run: Path, capsys: CaptureFixture, words: list[str]
) -> None:
    copy = shutil.copytree(run, "copy")
    half, newer = damage(run)
    assert main([word.format(run=run, copy=copy) for word in words]) == 0
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len([line for line in lines if str(half) in line and "damaged result file" in line]) == 1
    assert len([line for line in lines if str(newer) in line and "schema version 99" in line]) == 1
    assert "Traceback" not in captured.err
    assert captured.out


def test_a_report_is_made_of_what_is_whole(run: Path, capsys: CaptureFixture) -> None:
    damage(run)
    outputs = sorted(run.glob("samples/v3/output-0-*.png"))
    outputs[0].write_text("no picture")
    outputs[-1].unlink()
    assert main(["report", str(run)]) == 0
    text = next(Path("reports").rglob("report.html")).read_text(encoding="utf-8")
    assert ">v3<" in text
    assert "not a readable image" in text or "the file is missing" in text
    assert "v3-" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["report"], ["report", "--summary", "-"], ["table"], ["compare", "{run}"]])
@pytest.mark.parametrize("place", ["nowhere", "empty", "file.txt"])
def test_what_is_no_run_is_named(run: Path, capsys: CaptureFixture, words: list[str], place: str) -> None:
    Path("empty").mkdir()
    Path("file.txt").write_text("no run")
    asked = [word.format(run=run) for word in words]
    assert main([*asked[:1], place, *asked[1:]]) == 2
    assert f"no run at {place}" in capsys.readouterr().err


def test_a_run_without_results_has_a_report_and_no_table(run: Path, capsys: CaptureFixture) -> None:
    shutil.rmtree(run / "cells")
    assert main(["report", str(run)]) == 0
    assert main(["report", str(run), "--summary", "-"]) == 0
    assert main(["table", str(run)]) == 2
    err = capsys.readouterr().err
    assert "nothing of what was measured goes into the table 'summary'" in err
    assert "environment" in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["table", "{run}", "--table", "stages"],
            "nothing of what was measured goes into the table 'stages'",
        ),
        (["compare", "{run}", "{run}", "--measure", "fid"], "'fid'"),
        (["history", "results/style_transfer", "--measure", "fid"], "'fid'"),
    ],
)
def test_a_measure_that_no_run_has_is_told_with_those_there_are(
    run: Path, capsys: CaptureFixture, words: list[str], told: str
) -> None:
    assert main([word.format(run=run) for word in words]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "one of" in err or "one that has rows here" in err


def test_a_run_that_lacks_the_measure_is_told_beside_one_that_has_it(
    run: Path, capsys: CaptureFixture
) -> None:
    lacking = Path(shutil.copytree(run, "lacking"))
    for path in lacking.glob("cells/*.json"):
        document = json.loads(path.read_text())
        figures = document["measurements"]
        document["measurements"] = [each for each in figures if each["name"] != "latency"]
        path.write_text(json.dumps(document))
    assert main(["compare", str(run), str(lacking), "--measure", "latency"]) == 0
    assert "not measured" in capsys.readouterr().out


def test_a_damaged_header_names_its_file(run: Path, capsys: CaptureFixture) -> None:
    copy = Path(shutil.copytree(run, "copy"))
    (run / "run.json").write_text('{"schema_version": 1, "suite"')
    assert main(["report", str(run)]) == 2
    assert f"{run.resolve()}/run.json: damaged result file" in capsys.readouterr().err
    assert main(["report", str(run), str(copy)]) == 2
    captured = capsys.readouterr()
    assert "left out: " in captured.err
    assert "report.html" in captured.out
