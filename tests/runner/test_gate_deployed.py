"""A gate of a suite that deploys: an unchanged one is green, and what would fail is taken again as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchbench.cli import main
from benchbench.core.backends import Backend
from benchbench.core.contracts import Replicate
from benchbench.core.deployment_record import DeploymentRecord
from benchbench.core.environment import Environment
from benchbench.core.errors import ProtocolMismatchError
from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult, ResultTable, RunRecord
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import Suite
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import CONTROL, DEPLOYED, UNTIMED
from benchbench.measures.latency.summary import summarise_replicates
from benchbench.runner.gate_run import check_declared
from benchbench.runner.jobs import Answer, ReplicateJob


def never(*_: Any) -> Any:
    raise AssertionError("nothing is opened here")


TOY = Backend(options=Options, precisions={"cpu": ("fp32",)}, open=never, has_threads=True)
UPDATE = ("--update", "--reason", "r")


@pytest.fixture(autouse=True)
def _backends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BACKENDS, "_added", {})
    BACKENDS.add("toy", TOY)
    BACKENDS.add("absent", replace(TOY, packages=("no_such_package_1",), extra="toy"))
    BACKENDS.add("elsewhere", replace(TOY, precisions={"cuda": ("fp32",)}))


class Machine:
    """Answers as fresh processes of this suite would; `slower` cells take longer than they did."""

    def __init__(self, workshop: Any) -> None:
        self.workshop = workshop
        self.slower: dict[str, float] = {}
        for index in range(2):
            workshop.acts[f"replicate {index}"] = self.replicate
        for variant in ("baseline", "v1", "v2"):
            workshop.acts[f"{variant} toy"] = self.deployed

    @property
    def replicates(self) -> list[ReplicateJob]:
        """The processes that were started, first ones of each comparison alone."""
        asked = [job.replicate for job in self.workshop.jobs if job.replicate is not None]
        return [each for each in asked if each.index == 0]

    def replicate(self) -> Answer:
        job = self.workshop.jobs[-1].replicate
        times = {cell.id: self.slower.get(cell.label, 1.0) for cell in job.cells}
        times[CONTROL] = times[job.cells[0].id]
        deployed = [cell for cell in job.cells if not cell.deploy.is_reference]
        facts = {f"{DEPLOYED}{cell.id}": cell.deploy.label for cell in deployed}
        return Answer(replicate=replicate_of(times, {**facts, UNTIMED: 1} if deployed else {}))

    def deployed(self) -> Answer:
        job = self.workshop.jobs[-1].cell
        artefact = Path("artefacts") / job.cell.id / "model.bin"
        (Path(job.folder) / artefact).parent.mkdir(parents=True)
        (Path(job.folder) / artefact).write_text("a file")
        return Answer(result=CellResult(cell=job.cell, deployment=DeploymentRecord(artefact=str(artefact))))


def replicate_of(times: dict[str, float], facts: dict[str, Any]) -> Replicate:
    def taken(rank: int, seconds: float) -> tuple[float, ...]:
        return tuple(seconds * (1 + 0.001 * ((7 * round_ + 3 * rank) % 5)) for round_ in range(20))

    return Replicate(
        samples={name: taken(rank, seconds) for rank, (name, seconds) in enumerate(times.items())},
        cold_start={name: (0.1, 0.1, 0.1) for name in times if name != CONTROL},
        settings={"roof_macs_per_s": 1e9, "roof_bytes_per_s": 1e9, "inside_s": 0.0, **facts},
    )


@pytest.fixture
def machine(workshop: Any) -> Machine:
    return Machine(workshop)


@pytest.fixture
def gate(tiny_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """(more words) -> the exit code of a gate by b.json of a suite that deploys."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    tiny_file.write_text(f"{tiny_file.read_text()}deploy: [toy, absent]\n")
    return lambda *words: main(["gate", str(tiny_file), "--baseline", "b.json", *words])


def test_an_unchanged_suite_that_deploys_is_green(
    gate: Callable[..., int], machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    # What cannot be deployed here is told as a warning.
    only = ("--set", "deploy=toy")
    assert gate(*only, *UPDATE) == 0
    assert gate(*only) == 0
    assert "\ngreen: " in capsys.readouterr().out
    assert len(machine.replicates) == 2


@pytest.mark.parametrize("label", ["v1", "v1 toy"])
def test_what_would_fail_is_compared_again_beside_all_that_it_was_compared_with(
    gate: Callable[..., int], machine: Machine, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    assert gate(*UPDATE) == 0
    machine.slower[label] = 1.5
    capsys.readouterr()
    assert gate() == 1
    out, err = capsys.readouterr()
    assert f"fail: {label} speedup (cpu, 1 thread): 50" in out
    assert f"measured again, as it would fail: {label}\n" in err
    _, head, again = machine.replicates
    networks = ("baseline", "v1", "v2")
    assert {cell.label for cell in again.cells} == {*networks, *(f"{each} toy" for each in networks)}
    assert again.cells == head.cells
    # It lands in a folder of its own, and opens the files of the run.
    assert again.folder.startswith(f"{head.folder}/again/")
    assert again.artefacts == head.artefacts
    assert len(again.artefacts) == 3
    assert all(Path(each).read_text() == "a file" for each in again.artefacts.values())
    assert {name: Path(path).resolve() for name, path in again.checkpoints.items()} == {
        name: Path(path).resolve() for name, path in head.checkpoints.items()
    }


def suite(**more: Any) -> Suite:
    latency = {"threads": 1, "processes": 1}
    declared = {"name": "toy", "architecture": "transformer_net", "measure": [{"latency": latency}], **more}
    return Suite.model_validate(declared)


def base_of(declared: Suite, *, facts: dict[str, Any]) -> ResultTable:
    """A run of it as the latency measure leaves it, where a process said so of its deployments."""
    cell, *deployed = expand(declared)
    options = LatencyOptions.model_validate(declared.measure[0].options)
    replicates = [replicate_of({cell.id: 1.0, CONTROL: 1.0}, facts)]
    found = summarise_replicates(replicates, cell.id, options)[cell.id].measurements
    record = RunRecord(id="r", command="c", started="now", benchbench="0.1")
    results = (CellResult(cell=cell, measurements=found), *(CellResult(cell=each) for each in deployed))
    return ResultTable(suite=declared, run=record, environment=Environment(), results=results)


AS_DEPLOYED = {f"{DEPLOYED}baseline": "toy", UNTIMED: 1}
OTHERWISE = "dtype float32 in the base and as deployed in the head; memory_format contiguous in the base"


@pytest.mark.parametrize(
    ("base", "facts", "head"),
    [
        ("toy", AS_DEPLOYED, "toy"),
        # There they all failed, as they may here.
        ("toy", {}, "toy"),
        # What is not installed, or not of this device, is compared with nothing.
        ((), {}, "absent"),
        ((), {}, "elsewhere"),
        ((), {}, {"backend": "toy", "precision": "bf16"}),
        ((), {}, "eager"),
    ],
)
def test_a_suite_that_may_measure_as_its_base_is_let_through(base: Any, facts: Any, head: Any) -> None:
    check_declared(base_of(suite(deploy=base), facts=facts), suite(deploy=head))


@pytest.mark.parametrize(
    ("base", "facts", "head", "told"),
    [
        ((), {}, {"deploy": "toy"}, f"latency of baseline: {OTHERWISE}"),
        ("toy", AS_DEPLOYED, {}, "dtype as deployed in the base and float32 in the head"),
        ("toy", AS_DEPLOYED, {"deploy": "absent"}, "dtype as deployed in the base and float32 in the head"),
    ],
)
def test_a_suite_that_deploys_what_its_base_did_not_is_told_before_anything_is_measured(
    base: Any, facts: Any, head: Any, told: str
) -> None:
    with pytest.raises(ProtocolMismatchError) as refused:
        check_declared(base_of(suite(deploy=base), facts=facts), suite(**head))
    assert told in refused.value.problem


@pytest.mark.parametrize("facts", [AS_DEPLOYED, {}])
def test_of_a_suite_that_deploys_what_else_differs_is_told_alone(facts: Any) -> None:
    head = suite(deploy="toy", measure=[{"latency": {"threads": 1, "processes": 2}}])
    with pytest.raises(ProtocolMismatchError) as refused:
        check_declared(base_of(suite(deploy="toy"), facts=facts), head)
    assert refused.value.problem == "latency of baseline: processes 1 in the base and 2 in the head"
