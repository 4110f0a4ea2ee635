"""Every example is run, as its user would."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import benchbench as bb
from benchbench.runner.subjects import build_subject

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def python(*words: str, folder: Path = ROOT) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_replace_and_count_prints_the_reference_counts(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "replace_and_count.py"), run_name="__main__")
    out = capsys.readouterr().out
    for count in ("1,679,235 parameters", "10,078,912,512 MACs", "381,315 parameters", "4,757,389,312 MACs"):
        assert count in out


# TinyGenerator(32): down 896, body 2 x 9248, up 1539. A separable 3x3 32->32 with its norm is
# 288 + 64 + 1024, without 288 + 1024; a separable 4x4 32->3 without a norm is 512 + 96.
PARAMETERS = {
    "baseline": 896 + 2 * 9248 + 1539,
    "body": 896 + 2 * 1376 + 1539,
    "body+up": 896 + 2 * 1312 + 608,
}
BASELINE_MACS = 32 * 32 * (27 * 32 + 2 * 9 * 32 * 32 + 16 * 32 * 3)


def test_the_suite_on_an_own_model_builds_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [*sys.path])
    cells = bb.expand(bb.load_suite(EXAMPLES / "own_model.yaml"))
    counts = {cell.variant: bb.count(build_subject(cell).module) for cell in cells}
    assert {variant: each.parameters for variant, each in counts.items()} == PARAMETERS
    assert counts["baseline"].macs == BASELINE_MACS


@pytest.mark.slow
def test_the_suite_on_an_own_model_runs_and_reports_without_torch(tmp_path: Path) -> None:
    out = python("-m", "benchbench", "run", "examples/own_model.yaml", "--out", str(tmp_path / "results"))
    assert "body+up" in out
    table = bb.read_run(tmp_path / "results" / "own_model")
    found = {
        (result.cell.variant, each.name): each.value
        for result in table.results
        for each in result.measurements
    }
    for variant, parameters in PARAMETERS.items():
        assert found[variant, "parameters"] == parameters
    assert found["baseline", "macs"] == BASELINE_MACS
    program = "import sys; from benchbench.cli import main; main(sys.argv[1:]); print('torch' in sys.modules)"
    run, reports = str(tmp_path / "results/own_model/latest"), str(tmp_path / "reports")
    assert python("-c", program, "report", run, "--out", reports).splitlines()[-1] == "False"
    assert list((tmp_path / "reports").rglob("*.html"))


def test_every_example_is_run_here() -> None:
    run_here = {"own_model.py", "own_model.yaml", "replace_and_count.py"}
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == run_here
