"""A tiny suite, and fresh processes that are not started: what each would answer is made up here."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.contracts import Replicate
from benchbench.core.environment import Environment, Load
from benchbench.core.measurement import CellResult, Failure, Measurement, Protocol, ResultTable
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.measures.latency import summary
from benchbench.measures.latency.process import CONTROL
from benchbench.runner import comparisons, static_cells
from benchbench.runner import run as run_module
from benchbench.runner.jobs import Answer, CellJob, Job, ReplicateJob
from benchbench.runner.subjects import check_cells

# So that the tests can share gate_repository.
sys.path.insert(0, str(Path(__file__).parent))

TINY = """
name: tiny
architecture: {name: transformer_net, width: 4, blocks: 1}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
  v2: {replace: {stages: [encoder, residual], with: depthwise_separable}}
data: {source: photos, size: 32, train: 8, validation: 2, test: 2, images: [coffee, chelsea, astronaut]}
train:
  {recipe: perceptual, steps: 6, batch: 2, checkpoint_every: 2, samples: 1, style_size: 32,
   features: {width: 4}}
measure:
  - parameters
  - latency:
      {threads: 1, processes: 2, max_processes: 2, min_rounds: 5, min_seconds: 0.0, budget_s: 1.0,
       warmup_s: 0.05, warmup_limit_s: 0.2}
"""


class Killed(BaseException):
    """Ends a run as a kill does: nothing catches it."""


@dataclass
class Workshop:
    """Stands for fresh processes: notes which were started, and answers at once."""

    killed = Killed
    started: list[str] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    acts: dict[str, Callable[[], Answer | None]] = field(default_factory=dict)
    event: Callable[[str], None] = lambda what: None

    def __call__(self, job: Job, **_: Any) -> Answer:
        if job.check is not None:
            check_cells(job.check.cells, folders=[Path(each) for each in job.check.import_folders])
            return Answer()
        name = _name_of(job)
        self.started.append(name)
        self.jobs.append(job)
        self.event(f"{name} starts")
        act = self.acts.get(name)
        answer = act() if act is not None else None
        if answer is None:
            answer = self._do(job)
        self.event(f"{name} ends")
        return answer

    def fails(self, name: str, kind: Any, *, of: str = "cell") -> None:
        failure = Failure(of=of, kind=kind, reason=f"made to be {kind}")
        self.acts[name] = lambda: Answer(failure=failure)

    def dies(self, name: str) -> None:
        def kill() -> None:
            raise Killed

        self.acts[name] = kill

    def _do(self, job: Job) -> Answer:
        if job.static is not None:
            return Answer(results=tuple(_made_up_cell(each) for each in job.static))
        if job.cell is not None:
            return Answer(result=_made_up_cell(job.cell))
        assert job.replicate is not None
        return Answer(replicate=_made_up_replicate(job.replicate))


def _name_of(job: Job) -> str:
    if job.cell is not None:
        return job.cell.cell.label
    if job.static is not None:
        return f"counts of {', '.join(each.cell.label for each in job.static)}"
    assert job.replicate is not None
    return f"replicate {job.replicate.index}"


def _made_up_cell(job: CellJob) -> CellResult:
    path = f"checkpoints/{job.cell.id}.safetensors"
    (Path(job.folder) / "checkpoints").mkdir(exist_ok=True)
    (Path(job.folder) / path).write_text(job.cell.id)
    figure = Measurement(
        name="parameters", unit="1", direction="lower", value=7.0, protocol=Protocol(name="made up")
    )
    return CellResult(cell=job.cell, measurements=(figure,), checkpoint=path)


def _made_up_replicate(job: ReplicateJob) -> Replicate:
    names = [*(cell.id for cell in job.cells), CONTROL]
    return Replicate(
        samples={
            name: tuple(1.0 + rank + 0.01 * round_ for round_ in range(6)) for rank, name in enumerate(names)
        },
        cold_start={cell.id: (0.1, 0.1, 0.1) for cell in job.cells},
        settings={"roof_macs_per_s": 1e9, "roof_bytes_per_s": 1e9, "inside_s": 0.0},
    )


@pytest.fixture
def private_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The machine's latency lock, in a folder of its own."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / "benchbench-latency.lock"


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch, private_lock: Path) -> Workshop:
    made = Workshop()
    monkeypatch.setattr(run_module, "run_isolated", made)
    monkeypatch.setattr(comparisons, "run_isolated", made)
    monkeypatch.setattr(static_cells, "run_isolated", made)
    monkeypatch.setattr(run_module, "probe_environment", Environment)
    monkeypatch.setattr(run_module, "read_load", Load)
    # Neither the disk nor the bootstrap is what is tested with this.
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(summary, "_RESAMPLES", 20)
    return made


@pytest.fixture
def tiny_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture
def tiny(tiny_file: Path) -> Suite:
    return load_suite(tiny_file)


def content(table: ResultTable) -> list[Any]:
    """Results without what differs from one run to the next by right: times."""
    return [result.model_dump(mode="json", exclude={"phases"}) for result in table.results]


def files_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every finished file below a run's folder with its time of change and content."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for part in ("cells", "comparisons", "checkpoints")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.fixture
def helpers() -> Any:
    """What tests here share; modules cannot import a conftest."""

    class Helpers:
        tiny_text = TINY
        content = staticmethod(content)
        files_below = staticmethod(files_below)

    return Helpers
