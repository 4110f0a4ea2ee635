from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.contracts import Measured
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.core.registry import MEASURES
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner.run import run


def figure(cell_id: str) -> Measurement:
    return Measurement(
        name="of_one", unit="B", direction="lower", value=len(cell_id), protocol=Protocol(name="made up")
    )


@pytest.fixture
def alone(tiny_file: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """The tiny suite, whose `latency` holds one network per process and finds a figure and a failure."""
    made = MEASURES.load("latency")
    assert made.comparison is not None

    def summarise(replicates: Any, name: str, options: Any) -> Any:
        (failure,) = (Failure(of="latency: batch 8", kind="skipped", reason="out of memory"),)
        return {name: Measured(measurements=(figure(name),), failures=(failure,))}

    comparison = replace(
        made.comparison,
        members="alone",
        processes=lambda options: (1, 1),
        summarise=summarise,
    )
    load, patched = MEASURES.load, replace(made, comparison=comparison)
    monkeypatch.setattr(MEASURES, "load", lambda name: patched if name == "latency" else load(name))
    return load_suite(tiny_file)


def test_each_cell_has_processes_of_its_own_and_keeps_figures_and_failures(
    alone: Suite, tmp_path: Path, workshop: Any
) -> None:
    table = run(alone, out=tmp_path)
    asked = [[cell.variant for cell in job.replicate.cells] for job in workshop.jobs if job.replicate]
    assert asked == [["baseline"], ["v1"], ["v2"]]
    for result in table.results:
        assert result.measurement("of_one") == figure(result.cell.id)
        assert [failure.of for failure in result.failures] == ["latency: batch 8"]
    workshop.started.clear()
    run(alone, out=tmp_path, mode="resume")
    assert workshop.started == []


def test_a_cell_goes_on_without_its_baseline(alone: Suite, tmp_path: Path, workshop: Any) -> None:
    workshop.fails("baseline", "diverged")
    said: list[str] = []
    table = run(alone, out=tmp_path, say=said.append)
    assert [bool(each.measurement("of_one")) for each in table.results] == [False, True, True]
    assert "v1: latency (cpu, 1 thread): process 1 of 1, the network alone" in said
