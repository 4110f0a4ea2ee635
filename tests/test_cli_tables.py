"""`benchbench table`, `compare`, `history` and `report --summary` as they are typed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from benchbench.cli import main
from benchbench.core.store import RunStore

Runs = Callable[..., list[str]]


@pytest.fixture
def runs(load_module: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    factory = load_module("report/factory.py")
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> list[str]:
        made = []
        for name in names:
            results = [factory.without_drawings(factory.make_result(each)) for each in ("baseline", "v1")]
            table = factory.make_table(results=results, run_id=name)
            store = RunStore.create(Path("results"), table.suite, table.run, table.environment)
            for result in results:
                store.write_cell(result)
            made.append(str(store.folder))
        return made

    return make


def test_table_prints_and_writes(runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (run,) = runs("a")
    assert main(["table", run]) == 0
    assert "| v1 |" in capsys.readouterr().out
    assert main(["table", run, "--table", "latency", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["variant"] for row in rows] == ["baseline", "v1"]
    out = tmp_path / "tables" / "a.tex"
    assert main(["table", run, "--format", "latex", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "a.tex" in captured.err
    assert out.read_text(encoding="utf-8").startswith(r"\begin{table}")


def test_a_wrong_table_lists_the_names(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", *runs("a"), "--table", "sumary"]) == 2
    err = capsys.readouterr().err
    assert "controls, curves, deployments, environment" in err
    assert "did you mean 'summary'?" in err


def test_what_is_whole_is_shown_and_what_is_not_is_a_line(
    runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, c = runs("a", "b", "c")
    next(Path(b, "cells").glob("v1*")).write_text('{"cell": ')
    header = Path(c, "run.json")
    header.write_text(header.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    assert main(["compare", a, b]) == 0
    captured = capsys.readouterr()
    assert "What is comparable" in captured.out
    assert "v1    b" in captured.out
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("left out: ")
    assert main(["compare", a, b, c, "nowhere"]) == 2
    captured = capsys.readouterr()
    assert "What is comparable" in captured.out
    assert captured.err.count("\n") == 3
    assert "schema version 2" in captured.err
    assert "no run at nowhere" in captured.err
    assert main(["table", a, c]) == 2
    assert "| v1 |" in capsys.readouterr().out


def test_compare_prints_json_and_writes_markdown(
    runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    a, b = runs("a", "b")
    assert main(["compare", a, b, "--json", "--measure", "macs"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {row["measure"] for row in record["rows"]} == {"macs"}
    assert main(["compare", a, b, "--out", "both.md"]) == 0
    assert capsys.readouterr().out == ""
    assert "# 2 runs compared" in (tmp_path / "both.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compare", "RUN"], "one run to compare"),
        (["compare", "RUN", "RUN", "--measure", "latncy"], "did you mean 'latency'?"),
        (["compare", "nowhere", "nothing"], "no run at nowhere"),
        (["history", "nowhere"], "no runs at nowhere"),
        (["history", "RUN"], "expected: the folder of a suite"),
        (["table", "nowhere"], "no run at nowhere"),
        (["table", "RUN", "--format", "tex"], "'tex'"),
        (["table", "RUN", "--table", "curves"], "one that has rows here: summary"),
    ],
)
def test_a_wrong_request_is_told(
    words: list[str], told: str, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    (run,) = runs("a")
    assert main([run if word == "RUN" else word for word in words]) == 2
    err = capsys.readouterr().err
    assert told in err
    assert "Traceback" not in err


def test_history_writes_the_page_and_says_where(
    runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    runs("a", "b")
    assert main(["history", "results/style_transfer", "--measure", "latency"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "2 complete runs of style_transfer on 1 machine, 0 steps (advisory)",
        "markdown: reports/style_transfer/history/history.md",
        "html:     reports/style_transfer/history/history.html",
    ]
    assert (tmp_path / "reports/style_transfer/history/history.html").is_file()
    assert main(["history", "results/style_transfer", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][1]["run"] == "b"


def test_report_summary_prints_or_writes_the_short_report_alone(
    runs: Runs, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (run,) = runs("a")
    assert main(["report", run, "--summary", "-"]) == 0
    text = capsys.readouterr().out
    assert "## The answer" in text
    assert main(["report", run, "--summary", "short.md"]) == 0
    assert (tmp_path / "short.md").read_text(encoding="utf-8") == text
    assert not (tmp_path / "reports").exists()


def test_a_report_is_made_of_what_is_whole(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = runs("a", "b")
    next(Path(a, "cells").glob("v1*")).write_text("{")
    assert main(["report", a, "--summary", "-"]) == 0
    captured = capsys.readouterr()
    assert "**baseline**" in captured.out
    assert "| v1 | parameters | – | 381,315 | – | not measured |" in captured.out
    assert captured.err.count("\n") == 1
    Path(b, "run.json").unlink()
    assert main(["report", a, b, "--summary", "-"]) == 2
    assert "**baseline**" in capsys.readouterr().out


def test_a_terminal_is_not_steered_by_a_name(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = runs("a", "b")
    header = Path(b, "run.json")
    header.write_text(header.read_text().replace("Example CPU", "\\u001b[2JCPU"))
    assert main(["compare", a, b]) == 0
    assert "\x1b" not in capsys.readouterr().out
