"""Cells that other backends run: what they are made of, in which order, and what stands in their results."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.deployment_record import OperatorNote
from benchbench.core.errors import ArtefactError, NotHadError
from benchbench.core.expand import expand, expand_networks
from benchbench.core.measurement import CellResult
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner.baselines import baselines_of, with_networks
from benchbench.runner.cell_job import execute_cell
from benchbench.runner.deploying import setup_here
from benchbench.runner.files import digest_of_files
from benchbench.runner.jobs import Answer, CellJob
from benchbench.runner.run import run
from benchbench.runner.subjects import build_subject


class ToyOptions(Options):
    off: float = 0.0


def write(network: Network, setup: Setup, folder: Path) -> Path:
    save_file(dict(network.module.state_dict()), folder / "model.safetensors")
    (folder / "calibration.txt").write_text(str(len(network.calibration)))
    return folder / "model.safetensors"


def open_(network: Network, setup: Setup, artefact: Path | None) -> Session:
    assert artefact is not None
    if not artefact.is_file():
        raise ArtefactError(f"no file at {artefact}")
    state = load_file(artefact)

    def call(given: Any) -> Any:
        with torch.no_grad():
            return torch.func.functional_call(network.module, state, given) + setup.options.off

    return Session(
        call=lambda: call(network.inputs),
        run=call,
        facts={"library": "toy 1", "threads": setup.threads},
        operators=lambda: (OperatorNote(operator="Norm", count=3, what="fell_back", detail="slow"),),
        operator_count=12,
    )


TOY = Backend(options=ToyOptions, precisions={"cpu": ("fp32", "int8")}, open=open_, write=write)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Backend]:
    monkeypatch.setattr(BACKENDS, "_added", {})
    BACKENDS.add("toy", TOY)
    absent = replace(TOY, packages=("no_such_package_1",), extra="toy")
    BACKENDS.add("absent", absent)
    return TOY


def declared(path: Path, text: str) -> Suite:
    path.write_text(path.read_text() + text, encoding="utf-8")
    return load_suite(path)


def executed(suite: Suite, label: str, folder: Path, **job: Any) -> CellResult:
    (cell,) = (each for each in expand(suite) if each.label == label)
    return execute_cell(CellJob(cell=cell, measures=suite.measure[:1], folder=str(folder), **job))


@pytest.fixture
def deployed(toy: Backend, tiny_file: Path) -> Suite:
    text = tiny_file.read_text()
    # Its input as large as its data, and nothing that has to be trained first.
    text = text.replace("width: 4, blocks: 1}", "width: 4, blocks: 1, input: [1, 3, 32, 32]}")
    start = text.index("\ntrain:")
    tiny_file.write_text(text[:start] + text[text.index("\nmeasure:") :], encoding="utf-8")
    return declared(
        tiny_file, "deploy:\n  - {backend: toy, precision: [fp32, int8], calibration: {images: 8}}\n"
    )


def test_every_network_is_a_cell_in_eager_float32_and_in_each_way(deployed: Suite) -> None:
    labels = [cell.label for cell in expand(deployed)]
    assert labels[:3] == ["baseline", "baseline toy", "baseline toy int8"]
    assert len(labels) == 9
    assert [cell.label for cell in expand_networks(deployed)] == ["baseline", "v1", "v2"]
    chosen = expand(deployed, only="v1 toy int8")
    assert [cell.label for cell in with_networks(chosen)] == ["v1", "v1 toy int8"]
    named = {cell.id: cell.label for cell in expand(deployed)}
    against = {named[cell]: named[base] for cell, base in baselines_of(deployed).items() if base}
    assert set(against.values()) == {"baseline"}


def test_a_cell_is_written_opened_and_held_to_eager_float32(deployed: Suite, tmp_path: Path) -> None:
    result = executed(deployed, "v1 toy int8", tmp_path)
    assert result.failures == ()
    figures = {each.name: each for each in result.measurements}
    assert figures["output_psnr"].value == 200.0
    assert figures["output_max_abs"].protocol.settings["inputs"] == "2 of the test split"
    assert figures["compile_time"].unit == figures["export_time"].unit == "s"
    # What is counted is the network, whichever way it is run.
    assert figures["parameters"].value == executed(deployed, "v1", tmp_path).measurement("parameters").value  # type: ignore[union-attr]
    record = result.deployment
    assert record is not None
    assert record.artefact == f"artefacts/{result.cell.id}/model.safetensors"
    files = sorted((tmp_path / "artefacts" / result.cell.id).iterdir())
    assert figures["file_size"].value == sum(each.stat().st_size for each in files)
    assert record.digest == digest_of_files(files)
    assert record.facts["library"] == "toy 1"
    assert (record.operator_count, record.operators[0].operator) == (12, "Norm")  # type: ignore[index]
    assert (files[0].name, files[0].read_text()) == ("calibration.txt", "8")
    settings = figures["file_size"].protocol.settings
    assert settings["calibration"] == "8 of the train split, seed 0"
    assert settings["calibration_sets"] == 8


def test_files_of_a_killed_attempt_are_no_part_of_it(deployed: Suite, tmp_path: Path) -> None:
    first = executed(deployed, "v1 toy", tmp_path)
    folder = tmp_path / "artefacts" / first.cell.id
    unfinished = folder.with_name(f".{folder.name}.new")
    for each in (folder, unfinished):
        each.mkdir(exist_ok=True)
        (each / "model.onnx.data").write_bytes(bytes(1000))
    second = executed(deployed, "v1 toy", tmp_path)
    assert sorted(each.name for each in folder.parent.iterdir()) == [folder.name]
    assert second.deployment == first.deployment
    assert second.measurement("file_size").value == first.measurement("file_size").value  # type: ignore[union-attr]


def imported(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str, *, deploy: str = "toy") -> Suite:
    """A suite of the one network that `own.py`, which holds `body`, calls `build`."""
    (folder / "own.py").write_text(body)
    path = folder / "own.yaml"
    path.write_text(
        "name: own\narchitecture: {import: 'own.py:build', input: [1, 3, 8, 8]}\n"
        f"variants: {{v1: {{}}}}\nmeasure: [parameters]\ndeploy: {deploy}\n"
    )
    monkeypatch.chdir(folder)
    return load_suite(path)


def test_what_is_counted_still_has_its_norms_of_weights(
    toy: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3)))\n"
    )
    suite = imported(tmp_path, monkeypatch, body)
    folders = (str(tmp_path),)
    eager = executed(suite, "v1", tmp_path, is_deployed_elsewhere=True, import_folders=folders)
    deployed = executed(suite, "v1 toy", tmp_path, import_folders=folders)
    figures = [each.measurement("parameters") for each in (eager, deployed)]
    assert [each.value for each in figures if each] == [3 * 8 * 9 + 8 + 8] * 2
    # On disk it needs no norms, wherever it runs.
    assert eager.measurement("file_size").value == 4 * (3 * 8 * 9 + 8)  # type: ignore[union-attr]


def test_a_network_that_draws_noise_cannot_be_held_to_itself(
    toy: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import torch\n"
        "class build(torch.nn.Conv2d):\n"
        "    def __init__(self): super().__init__(3, 3, 1)\n"
        "    def forward(self, x): return super().forward(x) + torch.randn_like(x)\n"
    )
    suite = imported(tmp_path, monkeypatch, body)
    (failure,) = executed(suite, "v1 toy", tmp_path, import_folders=(str(tmp_path),)).failures
    assert (failure.kind, "draws random numbers" in failure.reason) == ("unsupported", True)


def test_a_network_that_changes_its_input_is_held_to_what_it_makes(
    toy: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        "import torch\n"
        "class build(torch.nn.Conv2d):\n"
        "    def __init__(self): super().__init__(3, 3, 1)\n"
        "    def forward(self, x): return super().forward(x.add_(1))\n"
    )
    suite = imported(tmp_path, monkeypatch, body, deploy="channels_last")
    result = executed(suite, "v1 channels_last", tmp_path, import_folders=(str(tmp_path),))
    assert result.failures == ()


def test_a_precision_of_the_gpu_alone_is_looked_for_there(toy: Backend) -> None:
    both = replace(TOY, precisions={"cpu": ("fp32",), "cuda": ("fp32", "fp16")})
    BACKENDS.add("both", both)
    assert setup_here(Deployment(backend="both"), threads=1).device == "cpu"
    assert setup_here(Deployment(backend="both", precision="fp16"), threads=1).device == "cuda"
    BACKENDS.add("none", replace(both, lacks=lambda setup: f"there is no {setup.device}"))
    with pytest.raises(NotHadError, match="'none' has no fp16 on cpu; none fp16: there is no cuda"):
        setup_here(Deployment(backend="none", precision="fp16"), threads=1)


def test_float32_is_calibrated_on_nothing_and_a_network_says_its_size(
    deployed: Suite, tmp_path: Path
) -> None:
    result = executed(deployed, "v1 toy", tmp_path)
    assert (tmp_path / "artefacts" / result.cell.id / "calibration.txt").read_text() == "0"
    network = executed(deployed, "v1", tmp_path, is_deployed_elsewhere=True)
    size, parameters = network.measurement("file_size"), network.measurement("parameters")
    assert size is not None
    assert parameters is not None
    assert size.value == 4 * parameters.value
    assert executed(deployed, "v1", tmp_path).measurement("file_size") is None


def test_outputs_that_differ_fail_the_cell_and_say_by_how_much(
    toy: Backend, deployed: Suite, tiny_file: Path, tmp_path: Path
) -> None:
    suite = load_suite(tiny_file, overrides=("deploy={backend: toy, off: 0.5}",))
    result = executed(suite, "v1 toy off=0.5", tmp_path)
    (failure,) = result.failures
    assert (failure.of, failure.kind) == ("cell", "differs")
    record = result.deployment
    assert record is not None
    assert record.value_range is not None
    assert record.relative_max_abs == pytest.approx(0.5 / record.value_range)
    assert "of their range, 0.1 % is allowed" in failure.reason
    assert result.measurement("output_max_abs").value == pytest.approx(0.5)  # type: ignore[union-attr]
    assert result.measurement("parameters") is None
    tolerant = load_suite(tiny_file, overrides=("deploy={backend: toy, off: 0.5, tolerance: {psnr_db: 1}}",))
    assert executed(tolerant, "v1 toy off=0.5", tmp_path).failures == ()


@pytest.mark.parametrize(
    ("deploy", "label", "kind", "told"),
    [
        ("{backend: toy, precision: bf16}", "v1 toy bf16", "skipped", "'toy' has no bf16 on cpu"),
        ("{backend: toy, memory_format: channels_last}", "v1 toy channels_last", "skipped", "chooses"),
        ("{backend: toy, precision: int8}", "v1 toy int8", "invalid", "too small: 8 examples"),
        ("absent", "v1 absent", "skipped", "absent needs no_such_package_1, which is not installed"),
    ],
)
def test_what_cannot_be_deployed_says_why_in_one_result(
    deployed: Suite, tiny_file: Path, tmp_path: Path, deploy: str, label: str, kind: str, told: str
) -> None:
    suite = load_suite(tiny_file, overrides=(f"deploy={deploy}",))
    (failure,) = executed(suite, label, tmp_path).failures
    assert (failure.of, failure.kind) == ("cell", kind)
    assert told in failure.reason


def test_a_network_is_trained_once_and_deployed_with_its_weights(
    toy: Backend, tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    suite = declared(tiny_file, "deploy: [{backend: toy}, absent]\n")
    said: list[str] = []
    table = run(suite, out=tmp_path, say=said.append)
    cells = [job.cell for job in workshop.jobs if job.cell is not None]
    assert [each.cell.label for each in cells] == ["baseline", "v1", "v2", "baseline toy", "v1 toy", "v2 toy"]
    for each in cells:
        if not each.cell.deploy.is_reference:
            assert Path(each.checkpoint).name == f"{each.cell.network.id}.safetensors"
    (replicate, _) = (job.replicate for job in workshop.jobs if job.replicate is not None)
    assert replicate.cells[0].label == "baseline"
    assert {cell.label for cell in replicate.cells} == {each.cell.label for each in cells}
    skipped = [result for result in table.results if result.cell.deploy.backend == "absent"]
    assert [result.failure.kind for result in skipped if result.failure] == ["skipped"] * 3
    assert skipped[0].failure is not None
    assert skipped[0].failure.fix == "pip install 'benchbench[toy]'"
    assert [result.cell.label for result in table.results][:3] == [
        "baseline",
        "baseline toy",
        "baseline absent",
    ]


def test_a_run_that_was_asked_for_by_a_relative_path_is_complete_too(
    toy: Backend, tiny_file: Path, tmp_path: Path, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made() -> Any:
        (job,) = (each.cell for each in workshop.jobs[-1:])
        weights = Path(job.checkpoint)
        subject = build_subject(job.cell.network)
        save_file(dict(subject.module.state_dict()), weights)
        return Answer(result=execute_cell(job))

    monkeypatch.chdir(tmp_path)
    suite = declared(tiny_file, "deploy: toy\n")
    for variant in suite.variants:
        workshop.acts[f"{variant} toy"] = made
    table = run(suite, out="results")
    (result,) = (each for each in table.results if each.cell.label == "v1 toy")
    assert result.failures == ()
    assert result.checkpoint == f"checkpoints/{result.cell.network.id}.safetensors"
    workshop.started.clear()
    run(suite, out="results", mode="resume")
    assert workshop.started == []
    (tmp_path / "results").rename(tmp_path / "moved")
    run(suite, out=tmp_path / "moved", mode="resume")
    assert workshop.started == []


def test_what_a_library_was_missing_for_is_tried_again(
    toy: Backend, tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    suite = declared(tiny_file, "deploy: absent\n")
    run(suite, out=tmp_path)
    workshop.started.clear()
    BACKENDS._added["absent"] = TOY
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started[:3] == ["baseline absent", "v1 absent", "v2 absent"]
    workshop.started.clear()
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started == []


def test_only_a_deployment_brings_its_network_along(
    toy: Backend, tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    suite = declared(tiny_file, "deploy: toy\n")
    run(suite, out=tmp_path, only="v1 toy")
    assert workshop.started[:2] == ["v1", "v1 toy"]


def test_without_its_network_a_deployment_is_skipped(
    toy: Backend, tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    suite = declared(tiny_file, "deploy: toy\n")
    workshop.fails("v1", "diverged")
    table = run(suite, out=tmp_path)
    (result,) = (each for each in table.results if each.cell.label == "v1 toy")
    assert result.failure is not None
    assert (result.failure.kind, "its network, 'v1', has no result" in result.failure.reason) == (
        "skipped",
        True,
    )
    assert "v1 toy" not in workshop.started


def test_a_changed_or_lost_file_is_made_again_though_the_run_was_complete(
    deployed: Suite, tmp_path: Path, workshop: Any
) -> None:
    def made() -> Any:
        (job,) = (each.cell for each in workshop.jobs[-1:])
        # Its network is made up, and so is that one's checkpoint.
        return Answer(result=execute_cell(job.model_copy(update={"checkpoint": None})))

    suite = deployed
    for cell in expand(suite):
        if not cell.deploy.is_reference:
            workshop.acts[cell.label] = made
    table = run(suite, out=tmp_path)
    assert table.folder is not None
    (result,) = (each for each in table.results if each.cell.label == "v1 toy")
    assert result.deployment is not None
    folder = (Path(table.folder) / str(result.deployment.artefact)).parent
    workshop.started.clear()
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started == []
    (folder / "calibration.txt").write_text("9")
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started == ["v1 toy"]
    (folder / "model.safetensors").unlink()
    workshop.started.clear()
    said: list[str] = []
    run(suite, out=tmp_path, mode="resume", say=said.append)
    assert workshop.started == ["v1 toy"]
    assert any("its files are gone or have changed, so it is deployed again" in line for line in said)
