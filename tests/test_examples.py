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


# LabelMapDecoder(8 classes, style 16, width 16): two strided 3x3 layers 8->16 at 32x64 and 16->32 at
# 16x32, a linear 16->32, two 3x3 32->32 at 16x32, then 3x3 32->16 at 32x64 and 16->3 at 64x128.
LOOK, THINK, PAINT = 9 * 8 * 16, 9 * 32 * 32, 9 * 32 * 16
LABEL_MAP = {
    "baseline": (
        LOOK + 16 + 9 * 16 * 32 + 32 + 17 * 32 + 2 * (THINK + 32) + PAINT + 16 + 9 * 16 * 3 + 3,
        2048 * LOOK + 512 * (9 * 16 * 32 + 2 * THINK) + 16 * 32 + 2048 * PAINT + 8192 * 9 * 16 * 3,
    )
}
# Depthwise 3x3 and pointwise 32->32, without biases, instead of two whole ones; rank 8
# instead of 32->16 (16->3 declines).
LABEL_MAP["residual"] = (
    LABEL_MAP["baseline"][0] - 2 * (THINK + 32) + 2 * (9 * 32 + 32 * 32),
    LABEL_MAP["baseline"][1] - 512 * 2 * THINK + 512 * 2 * (9 * 32 + 32 * 32),
)
RANK_8 = 9 * 32 * 8 + 8 * 16
LABEL_MAP["decoder"] = (
    LABEL_MAP["baseline"][0] - PAINT + RANK_8,
    LABEL_MAP["baseline"][1] - 2048 * PAINT + 2048 * RANK_8,
)


def test_the_suite_on_a_file_with_a_dictionary_guesses_stages_and_counts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    cells = bb.expand(bb.load_suite(EXAMPLES / "label_map_decoder.yaml"))
    subjects = {cell.variant: build_subject(cell, folders=[EXAMPLES]) for cell in cells}
    for variant, subject in subjects.items():
        counts = bb.count(subject.module, subject.inputs, places=subject.places)
        assert (counts.parameters, counts.macs) == LABEL_MAP[variant]
    baseline = subjects["baseline"]
    assert baseline.stages == {
        "encoder": ("look", "look_closer", "style"),
        "residual": ("think",),
        "decoder": ("paint", "finish"),
    }
    batch = dict(zip(("labels", "style"), baseline.inputs, strict=True))
    assert baseline.module(batch)["image"].shape == (1, 3, 64, 128)


@pytest.mark.slow
def test_the_suite_on_a_file_with_a_dictionary_runs(tmp_path: Path) -> None:
    suite = str(EXAMPLES / "label_map_decoder.yaml")
    python("-m", "benchbench", "run", suite, "--out", str(tmp_path / "results"), folder=tmp_path)
    table = bb.read_run(tmp_path / "results" / "label_map_decoder")
    found = {
        (result.cell.variant, each.name): each.value
        for result in table.results
        for each in result.measurements
    }
    for variant, (parameters, macs) in LABEL_MAP.items():
        assert (found[variant, "parameters"], found[variant, "macs"]) == (parameters, macs)


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
    run_here = {
        "label_map_decoder.py",
        "label_map_decoder.yaml",
        "own_model.py",
        "own_model.yaml",
        "replace_and_count.py",
    }
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == run_here
