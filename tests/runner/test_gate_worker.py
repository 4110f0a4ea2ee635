"""The worker's program in this process: what it answers, and what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from gate_repository import make_project

from benchbench.runner import gate_worker
from benchbench.runner.gate_worker import Worker, WorkerError

PLACING: dict[str, Any] = {"device": "cpu", "memory_format": "contiguous", "fold": "weights"}


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    project = make_project(tmp_path / "project")
    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    worker = Worker()
    suite = str(project / "suites/own.yaml")
    monkeypatch.chdir(project)
    worker.open(suite=suite, other="", overrides=[], profile=None)
    return worker


def test_it_counts_and_runs_only_where_asked(opened: Worker) -> None:
    facts = opened.prepare(cell="baseline", static=True, **PLACING)
    assert (facts["parameters"], facts["macs"]) == (223, 2 * 4 * 3 * 9 * 256)
    assert facts["macs_by_operator"] == {"Conv2d": facts["macs"]}
    assert tuple(facts["output"]["shape"]) == (1, 3, 16, 16)
    json.dumps(facts)
    assert opened.prepare(cell="baseline", static=False, **PLACING) == {}
    opened.drop()


def test_turns_are_blocks_of_the_prepared_cell(opened: Worker) -> None:
    with pytest.raises(WorkerError, match="no cell is prepared"):
        opened.block(absorb=0, calls=1)
    opened.prepare(cell="wide", static=False, **PLACING)
    calls: list[int] = []
    opened._call = lambda: calls.append(1)
    assert opened.block(absorb=2, calls=3)["seconds"] >= 0
    assert len(calls) == 5
    assert opened.warm(least_s=0.0, most_s=1.0)["calls"] == 2
    assert opened.facts()["page_faults"] >= 0
    opened.drop()
    with pytest.raises(WorkerError):
        opened.block(absorb=0, calls=1)


def test_code_of_the_other_tree_is_refused(opened: Worker) -> None:
    opened.prepare(cell="baseline", static=False, **PLACING)
    opened._other = str(Path.cwd().resolve())
    with pytest.raises(WorkerError, match="came from the other tree"):
        opened.prepare(cell="baseline", static=False, **PLACING)
    opened.drop()


def test_what_the_revisions_benchbench_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gate_worker._SURFACE, "count", "benchbench.measures.no_such_module")
    with pytest.raises(
        WorkerError, match=r"its benchbench has no benchbench\.measures\.no_such_module\.count"
    ):
        gate_worker._surface("count")


def test_the_surface_is_there() -> None:
    for name in gate_worker._SURFACE:
        assert callable(gate_worker._surface(name))


def test_it_needs_nothing_of_benchbench_to_start() -> None:
    program = Path(gate_worker.__file__)
    look = "print('benchbench' in sys.modules, 'torch' in sys.modules)"
    code = f"import runpy, sys; runpy.run_path({str(program)!r}); {look}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split() == ["False", "False"]
