from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbench.core.cell import Cell
from benchbench.core.contracts import Measure, Measured
from benchbench.core.errors import (
    ArchitectureError,
    CheckpointError,
    DivergedError,
    StoreError,
    UnsupportedOperatorError,
)
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import Options
from benchbench.core.registry import MEASURES
from benchbench.core.suite import ArchitectureSpec, MeasureSpec
from benchbench.measures.failures import explain_failure
from benchbench.runner import cell_job
from benchbench.runner.jobs import Answer, CellJob, Job
from benchbench.runner.worker import answer_job

SMALL = ArchitectureSpec.model_validate({"name": "transformer_net", "width": 4, "blocks": 1})
CELL = Cell(variant="baseline", architecture=SMALL)


def raised(error: Exception) -> Exception:
    """The same error with a place where it came from."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


def diverged() -> DivergedError:
    error = DivergedError("loss became nan at step 3", fix="lower the learning rate")
    error.step = 3
    return error


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (diverged(), "diverged", "loss became nan at step 3"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out_of_memory", "CUDA out of memory"),
        (MemoryError(), "out_of_memory", "MemoryError"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you"), "out_of_memory", "you"),
        (UnsupportedOperatorError("no rule for aten::fft"), "unsupported", "aten::fft"),
        (ArchitectureError("no module 'x'", fix="install it"), "invalid", "no module 'x'"),
        (ZeroDivisionError("division by zero"), "crashed", "test_jobs.py"),
        (FileNotFoundError(errno.ENOENT, "No such file", "style.png"), "crashed", "style.png"),
    ],
)
def test_an_exception_becomes_a_failure_of_its_kind(error: BaseException, kind: str, reason: str) -> None:
    failure = explain_failure(raised(error), of="cell")
    assert (failure.of, failure.kind) == ("cell", kind)
    assert reason in failure.reason
    assert failure.step == (3 if kind == "diverged" else None)
    assert "Traceback" not in failure.reason


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_a_disk_that_takes_no_more_is_nobodys_failure(code: int) -> None:
    with pytest.raises(StoreError, match=f"cannot write picture.png: {os.strerror(code)}"):
        explain_failure(raised(OSError(code, os.strerror(code), "picture.png")), of="cell")
    with pytest.raises(StoreError, match="cannot write w"):
        explain_failure(StoreError("cannot write w"), of="cell")


def answer(folder: Path, *measures: str) -> Answer:
    specs = tuple(MeasureSpec(name=name) for name in measures)
    job = Job(cell=CellJob(cell=CELL, measures=specs, folder=str(folder)))
    return Answer.model_validate_json(answer_job(job.model_dump_json(by_alias=True)))


class Nothing(Options):
    pass


@pytest.fixture
def measure(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Registers one more measure for a test."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1,1")

    def add(name: str, per_cell: Any) -> None:
        load = MEASURES.load
        made = Measure(options=Nothing, per_cell=per_cell)
        monkeypatch.setattr(MEASURES, "load", lambda asked: made if asked == name else load(asked))

    return add


def figure(name: str, value: float) -> Measurement:
    return Measurement(name=name, unit="1", direction="lower", value=value, protocol=Protocol(name="p"))


def test_a_measure_that_fails_does_not_stop_the_others(tmp_path: Path, measure: Any) -> None:
    def crash(*_: Any) -> Measured:
        raise ZeroDivisionError("division by zero")

    measure("odd", crash)
    result = answer(tmp_path, "odd", "parameters").result
    assert result is not None
    assert result.measurement("parameters") is not None
    (failure,) = result.failures
    assert (failure.of, failure.kind, result.failure) == ("odd", "crashed", None)
    assert [phase.name for phase in result.phases] == ["build", "measure odd", "measure parameters"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_failure_and_no_figure(tmp_path: Path, measure: Any, value: float) -> None:
    measure("odd", lambda *_: Measured(measurements=(figure("odd", value), figure("even", 2.0))))
    result = answer(tmp_path, "odd").result
    assert result is not None
    assert [each.name for each in result.measurements] == ["even"]
    assert [(each.of, each.kind, each.reason) for each in result.failures] == [
        ("odd", "diverged", f"odd is {value}")
    ]


def test_a_full_disk_in_a_measure_or_a_training_is_an_obstacle(
    tmp_path: Path, measure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "output-0.png")

    measure("odd", full)
    found = answer(tmp_path, "odd")
    assert (found.result, found.failure) == (None, None)
    assert found.obstacle is not None
    assert found.obstacle.problem == "cannot write output-0.png: No space left on device"
    assert found.obstacle.fix == "free some disk space, then run again with --resume"
    monkeypatch.setattr(cell_job, "_prepare", full)
    assert answer(tmp_path, "parameters").obstacle == found.obstacle


def test_a_cell_that_cannot_be_built_is_a_failure_of_the_cell(tmp_path: Path) -> None:
    spec = ArchitectureSpec.model_validate({"import": "no.such:x", "input": [1, 3, 8, 8]})
    cell = CELL.model_copy(update={"architecture": spec})
    job = Job(cell=CellJob(cell=cell, measures=(), folder=str(tmp_path)))
    found = json.loads(answer_job(job.model_dump_json(by_alias=True)))
    (failure,) = found["result"]["failures"]
    assert (failure["of"], failure["kind"]) == ("cell", "invalid")
    assert "no module 'no'" in failure["reason"]


def test_what_to_do_is_kept_apart_from_the_reason_and_told_once() -> None:
    error = CheckpointError("w.pt is damaged", expected="tensors alone", fix="save the state dict")
    failure = explain_failure(error, of="cell")
    assert failure.reason == "w.pt is damaged\n  expected: tensors alone"
    assert failure.fix == "save the state dict"
