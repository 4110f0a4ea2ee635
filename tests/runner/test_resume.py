"""Whole runs in real processes: killed, interrupted, out of disk, and gone on with."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchbench.core.measurement import ResultTable
from benchbench.core.store import find_run, read_run

pytestmark = pytest.mark.slow

# The closing summary is cut short: half of it is in its temporary file when the process is killed.
KILLED_IN_SUMMARY = """
import os, signal, sys
from benchbench.cli import main
replace = os.replace
def put(source, target):
    if "comparisons" in str(target) and "replicate" not in str(target):
        os.truncate(source, 100)
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = put
main(sys.argv[1:])
"""


MAIN = "import sys; from benchbench.cli import main; sys.exit(main(sys.argv[1:]))"


class Bench:
    """`benchbench run` in a folder of its own, with a latency lock of its own."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        # More steps than a poll takes, so that a kill falls into the training.
        text = text.replace("steps: 6", "steps: 30").replace(
            "  - parameters", "  - parameters\n  - perceptual_loss\n  - macs"
        )
        text = text.replace("  v2: {replace: {stages: [encoder, residual], with: depthwise_separable}}\n", "")
        (folder / "tiny.yaml").write_text(text)
        self.said: list[str] = []

    def start(self, *words: str, script: str | None = None, **settings: Any) -> subprocess.Popen[str]:
        call = [sys.executable, "-c", script] if script else [sys.executable, "-c", MAIN]
        self.log = self.folder / "stderr.txt"
        with self.log.open("w") as log:
            return subprocess.Popen(
                [*call, "run", "tiny.yaml", *words],
                cwd=self.folder,
                env={**os.environ, "TMPDIR": str(self.folder), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
                **settings,
            )

    def finish(self, *words: str, **settings: Any) -> ResultTable:
        code = self.start(*words, **settings).wait(120)
        assert code == 0, self.log.read_text()
        return read_run(self.folder / "results" / "tiny")

    @property
    def run(self) -> Path:
        return find_run(self.folder / "results" / "tiny")

    def wait_for(self, process: subprocess.Popen[str], pattern: str) -> None:
        deadline = time.monotonic() + 60
        while not list(self.folder.glob(pattern)):
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)

    def kill(self, process: subprocess.Popen[str]) -> None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, "a worker outlives its parent"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, ResultTable]]:
    made: dict[str, Any] = {}

    def once(text: str) -> tuple[Path, ResultTable]:
        if not made:
            bench = Bench(tmp_path_factory.mktemp("whole"), text)
            made["is"] = (bench, bench.finish())
        bench, table = made["is"]
        return bench.run, table

    return once


def same_where_deterministic(first: ResultTable, second: ResultTable) -> None:
    names = {"parameters", "macs", "macs_output_size", "perceptual_loss", "content_loss", "style_loss"}
    for one, other in zip(first.results, second.results, strict=True):
        assert one.cell == other.cell
        assert one.curves == other.curves
        assert one.layers == other.layers
        ours = [each for each in one.measurements if each.name in names]
        assert len(ours) == len(names)
        assert ours == [each for each in other.measurements if each.name in names]
        # Of a noisy machine, some percentiles and roofs are not told.
        measures = [{each.provenance for each in cell.measurements} for cell in (one, other)]
        assert measures[0] == measures[1]
        assert not other.failures


def same_weights(one: Path, other: Path) -> None:
    first = {path.name: path.read_bytes() for path in one.glob("checkpoints/*.safetensors")}
    assert len(first) == 2
    assert first == {path.name: path.read_bytes() for path in other.glob("checkpoints/*.safetensors")}


def test_killed_at_five_points_a_run_loses_and_repeats_nothing(
    tmp_path: Path, helpers: Any, whole: Any
) -> None:
    bench = Bench(tmp_path / "killed", helpers.tiny_text)
    kept: dict[str, tuple[int, bytes]] = {}

    def check_kept() -> None:
        now = helpers.files_below(bench.run)
        for path, what in kept.items():
            assert now[path] == what, path
        kept.update({path: what for path, what in now.items() if path.endswith(".json")})

    def kill_at(pattern: str) -> None:
        process = bench.start("--resume")
        bench.wait_for(process, f"results/tiny/2*/{pattern}")
        bench.kill(process)
        check_kept()

    kill_at("checkpoints/baseline-*.state.pt")
    assert not kept
    kill_at("cells/baseline-*.json")
    assert [path.split("-")[0] for path in kept] == ["cells/baseline"]
    # In the first replicate: its process is up once the lock names it, and takes seconds from there.
    process = bench.start("--resume")
    bench.wait_for(process, "benchbench-latency.json")
    time.sleep(1.5)
    bench.kill(process)
    check_kept()
    assert len(kept) == 2
    kill_at("comparisons/*/replicate-0.json")
    assert sum("replicate-0" in path for path in kept) == 1
    assert bench.start("--resume", script=KILLED_IN_SUMMARY).wait(120) == -signal.SIGKILL
    check_kept()
    assert sum("replicate" in path for path in kept) == 2
    table = bench.finish("--resume")
    check_kept()
    assert "process 1 of 2" not in bench.log.read_text()
    assert bench.log.read_text().count("finished before") == 2
    assert len(list((bench.folder / "results" / "tiny").glob("2*"))) == 1
    folder, reference = whole(helpers.tiny_text)
    same_where_deterministic(reference, table)
    same_weights(folder, bench.run)


@pytest.mark.parametrize("group", [False, True], ids=["the process alone", "as a terminal does"])
def test_ctrl_c_is_resumable_and_says_how(tmp_path: Path, helpers: Any, whole: Any, group: bool) -> None:
    bench = Bench(tmp_path / "interrupted", helpers.tiny_text)
    send: Callable[[int, int], None] = os.killpg if group else os.kill

    def interrupt_at(pattern: str, wait_s: float, *words: str) -> str:
        process = bench.start(*words)
        bench.wait_for(process, pattern)
        time.sleep(wait_s)
        send(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        said = bench.log.read_text()
        assert "To go on: benchbench run tiny.yaml --resume" in said
        assert "Traceback" not in said
        return said

    interrupt_at("results/tiny/2*/checkpoints/baseline-*.state.pt", 0.0)
    assert not list(bench.run.glob("cells/*"))
    interrupt_at("benchbench-latency.json", 1.0, "--resume")
    table = bench.finish("--resume")
    folder, reference = whole(helpers.tiny_text)
    same_where_deterministic(reference, table)
    same_weights(folder, bench.run)


def test_a_full_disk_in_training_is_one_error_and_resumable(tmp_path: Path, helpers: Any, whole: Any) -> None:
    """A limit on the size of files stands for the disk: root may write anywhere, and past no limit."""
    bench = Bench(tmp_path / "full", helpers.tiny_text)

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))

    process = bench.start(preexec_fn=small_files)
    assert process.wait(60) == 2
    said = bench.log.read_text()
    assert "error: cannot write" in said
    assert "Traceback" not in said
    assert "[2/2]" not in said
    assert not list(bench.run.glob("cells/*"))
    assert not list(bench.run.glob("checkpoints/.*"))
    same_where_deterministic(whole(helpers.tiny_text)[1], bench.finish("--resume"))


def test_a_cell_that_diverges_is_kept_as_failed_and_not_tried_again(tmp_path: Path, helpers: Any) -> None:
    bench = Bench(tmp_path / "diverging", helpers.tiny_text + "matrix: {train.lr: [1.0e+30, 0.001]}\n")
    assert bench.start("--only", "baseline*").wait(120) == 1
    table = read_run(bench.folder / "results" / "tiny")
    (failed,) = [each for each in table.results if each.failure is not None]
    (well,) = [each for each in table.results if each.failure is None]
    assert failed.failure is not None
    assert (failed.failure.kind, failed.cell.label) == ("diverged", "baseline train.lr=1e+30")
    assert failed.failure.step is not None
    assert 1 < failed.failure.step <= 30
    assert well.measurement("latency") is not None
    assert bench.start("--only", "baseline*", "--resume").wait(60) == 1
    assert "nothing left to do" in bench.log.read_text()
