from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from benchbench.core.cell import Cell
from benchbench.core.measurement import CellResult, Failure, Protocol
from benchbench.core.suite import ArchitectureSpec


@pytest.fixture(scope="session")
def factory(load_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module `factory.py` beside this file."""
    return load_module("report/factory.py")


@pytest.fixture(scope="session")
def table(factory, tmp_path_factory):
    """The synthetic run with its pictures on disk."""
    return factory.make_table(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def files(table, tmp_path_factory):
    """The report of the synthetic run."""
    from benchbench.report.write import write_report

    return write_report(table, out=tmp_path_factory.mktemp("reports"))


@pytest.fixture
def trained(factory):
    """Makes a result of a training: seconds for 10,000 steps; the step that met the level, or "missed"."""

    def make(
        variant, per_10k_s, *, seed=0, batch=4, met=None, score_every=50, level="fd[rand-conv-64] <= 30"
    ):
        settings = {"device": "cpu", "batch": batch, "steps": 500, "score_every": score_every}
        protocol = Protocol(name="training", settings=settings)

        def figure(name, value, unit="1", setting=""):
            return factory.figure(name, value, unit, setting=setting, protocol=protocol)

        figures = [
            figure("training_time", per_10k_s / 20 + 7, "s"),
            figure("training_10k_steps", per_10k_s, "s"),
            figure("peak_resident", 2**30, "B"),
        ]
        failures = [Failure(of=f"level: {level}", kind="skipped", reason="not met")]
        if isinstance(met, int):
            failures = []
            figures.append(figure("steps_to_level", met, setting=level))
            figures.append(figure("time_to_level", met * per_10k_s / 1e4, "s", setting=level))
        return CellResult(
            cell=Cell(variant=variant, seed=seed, architecture=ArchitectureSpec(name=f"net_{variant}")),
            measurements=tuple(figures),
            failures=tuple(failures) if met is not None else (),
        )

    return make
