"""Export: what is chosen, whose weights it has, what is written, and that nothing is left where it fails."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbench.backends import prepare
from benchbench.backends.pt2 import open_pt2, write_pt2
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.errors import (
    ArtefactError,
    CheckpointError,
    DamagedResultError,
    DependencyError,
    MeasurementError,
    OptionError,
    OutputsDifferError,
    StoreError,
    UnknownNameError,
    UnsupportedDeploymentError,
)
from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult, Failure, Measurement, Protocol, RunRecord
from benchbench.core.store import RunStore
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner import export as export_module
from benchbench.runner import export_job
from benchbench.runner.export import Exported, export
from benchbench.runner.export_choice import choose_cell, choose_deployment, choose_target
from benchbench.runner.export_facts import ModelCard
from benchbench.runner.jobs import Answer, Job
from benchbench.runner.subjects import build_subject
from benchbench.runner.worker import answer_job

NETWORK = """
name: tiny
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  v1: {title: "lighter", replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters]
"""
DEPLOYED = (
    NETWORK
    + """
deploy:
  - {backend: [onnxruntime, openvino, compile], tolerance: {psnr_db: 50}}
  - {backend: openvino, precision: int8}
"""
)
TRAINED = (
    NETWORK
    + """
data: {source: photos, size: 16, train: 4, validation: 1, test: 2, images: [coffee, chelsea, astronaut]}
train: {recipe: perceptual, steps: 7}
"""
)

Load = Callable[..., Suite]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, *overrides: str) -> Suite:
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return load_suite(path, overrides=overrides)

    return load_text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def in_this_process(job: Job, **_: Any) -> Answer:
        answer = Answer.model_validate_json(answer_job(job.model_dump_json(by_alias=True)))
        if answer.obstacle is not None:
            from benchbench.runner.isolate import _as_error

            raise _as_error(answer.obstacle)
        return answer

    monkeypatch.setattr(export_module, "run_isolated", in_this_process)
    monkeypatch.setattr(export_module, "probe_environment", lambda: Environment(cpu_model="A CPU"))


class FakeWay:
    """Stands for a backend: writes weights, opens them, and errs where it is told to."""

    def __init__(self, *, write: Callable[[Path], None] | None = None, error: float = 0.0) -> None:
        self._write = write
        self._error = error

    def write(self, network: Network, setup: Setup, folder: Path) -> Path:
        if self._write is not None:
            self._write(folder)
        return write_pt2(network, setup, folder)

    def open(self, network: Network, setup: Setup, path: Path) -> Session:
        session = open_pt2(path, network, setup)
        run = session.run
        session.run = lambda given: run(given) + self._error  # type: ignore[operator]
        return session


@pytest.fixture
def way(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    return lambda **said: monkeypatch.setattr(export_job, "_way_of", lambda name: FakeWay(**said))


def to_pt2(suite: Suite, **said: Any) -> Exported:
    return export(suite, **{"only": "v1", "to": "pt2", "out": "out", **said})


# What is chosen


def test_a_network_comes_before_the_ways_to_run_it(load: Load) -> None:
    suite = load(DEPLOYED)
    assert choose_cell(suite, "v1").label == "v1"
    assert choose_cell(suite, "v1*").label == "v1"
    assert choose_cell(suite, "v1 openvino int8").label == "v1 openvino int8"
    assert choose_cell(suite, choose_cell(suite, "v1").id).label == "v1"


def test_several_cells_are_listed(load: Load) -> None:
    with pytest.raises(UnknownNameError) as caught:
        choose_cell(load(NETWORK, "matrix.seed=[0, 1]"), "v1")
    assert "matches 2 cells: v1 seed=0, v1 seed=1" in caught.value.problem
    assert caught.value.fix == "--only 'v1 seed=0'"
    with pytest.raises(UnknownNameError, match="v1 onnxruntime, v1 openvino, v1 compile, v1 openvino int8"):
        choose_cell(load(DEPLOYED), "v1 *")


def test_what_the_suite_declares_of_a_backend_is_taken(load: Load) -> None:
    suite = load(DEPLOYED)
    network = choose_cell(suite, "v1")
    cell = choose_deployment(suite, network, choose_target("onnx"), precision=None, shapes=None)
    assert cell.id == choose_cell(suite, "v1 onnxruntime").id
    assert cell.deploy.bounds.psnr_db == 50
    plain = choose_deployment(suite, network, choose_target("openvino"), precision=None, shapes="dynamic")
    assert plain.label == "v1 openvino dynamic"
    assert plain.deploy.bounds.psnr_db == 50
    assert plain.network.id == network.id


def test_open_shapes_keep_what_the_suite_declares_of_the_backend(load: Load) -> None:
    declared = "{backend: openvino, precision: int8, calibration: {images: 9}, tolerance: {psnr_db: 7}}"
    suite = load(NETWORK, f"deploy={declared}")
    for name in ("v1", "v1 openvino int8"):
        cell = choose_deployment(
            suite, choose_cell(suite, name), choose_target("openvino"), precision="int8", shapes="dynamic"
        )
        assert cell.label == "v1 openvino int8 dynamic"
        assert (cell.deploy.calibration.images, cell.deploy.bounds.psnr_db) == (9, 7)


def test_of_several_that_the_suite_declares_one_has_to_be_named(load: Load) -> None:
    suite = load(NETWORK, "deploy={backend: openvino, precision: int8, quantise: [all, weights]}")
    network = choose_cell(suite, "v1")
    with pytest.raises(OptionError, match="declares 2 deployments of that kind for 'v1'") as caught:
        choose_deployment(suite, network, choose_target("openvino"), precision="int8", shapes=None)
    assert caught.value.expected == "one of v1 openvino int8, v1 openvino int8 quantise=weights"
    named = choose_cell(suite, "v1 openvino int8 quantise=weights")
    target = choose_target("openvino")
    assert choose_deployment(suite, named, target, precision=None, shapes=None) == named


def test_a_format_that_is_not_of_the_cells_backend_is_refused_with_the_fix(load: Load) -> None:
    suite = load(DEPLOYED)
    with pytest.raises(OptionError) as caught:
        choose_deployment(
            suite, choose_cell(suite, "v1 openvino int8"), choose_target("onnx"), precision=None, shapes=None
        )
    assert caught.value.expected == "--to openvino"
    assert "--only 'v1' --to onnx" in str(caught.value.fix)
    with pytest.raises(OptionError, match="leaves no file of its own"):
        choose_deployment(
            suite, choose_cell(suite, "v1 compile"), choose_target("pt2"), precision=None, shapes=None
        )
    with pytest.raises(OptionError, match="'v1 openvino int8' is int8"):
        choose_deployment(
            suite,
            choose_cell(suite, "v1 openvino int8"),
            choose_target("openvino"),
            precision="fp32",
            shapes=None,
        )
    with pytest.raises(OptionError, match="pt2 has no int8"):
        choose_deployment(
            suite, choose_cell(suite, "v1"), choose_target("pt2"), precision="int8", shapes=None
        )
    with pytest.raises(UnknownNameError, match="unknown format 'onxn'"):
        choose_target("onxn")


def test_a_missing_library_is_told_with_the_command(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "missing_packages", lambda backend: backend.packages)
    with pytest.raises(DependencyError) as caught:
        export(load(NETWORK), only="v1", to="onnx", out="out")
    assert caught.value.fix == "pip install 'benchbench[onnx]'"
    assert not Path("out").exists()


# What is written


def test_an_export_is_whole_and_its_digests_hold(load: Load) -> None:
    suite = load(NETWORK)
    done = to_pt2(suite)
    assert done.folder == Path("out") / choose_cell(suite, "v1").id
    assert [each.name for each in Path("out").iterdir()] == [done.folder.name]
    names = {each.name for each in done.folder.iterdir()}
    assert names == {"model.pt2", "model_card.md", "model_card.json", "SHA256SUMS"}
    lines = (done.folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert set(sums) == names - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((done.folder / name).read_bytes()).hexdigest() == digest
    card = ModelCard.model_validate_json((done.folder / "model_card.json").read_text())
    assert card == done.card
    text = (done.folder / "model_card.md").read_text()
    assert "Random weights (seed 0)" in text.splitlines()[2]
    assert card.usage in text
    network = build_subject(choose_cell(suite, "v1")).module
    assert card.made.parameters == sum(each.numel() for each in network.parameters())


def test_the_written_file_is_run_by_the_cards_program_as_it_stands(load: Load) -> None:
    done = to_pt2(load(NETWORK))
    assert 0 < len([line for line in done.card.usage.splitlines() if line.strip()]) <= 10
    assert "torch.Size([1, 3, 16, 16])" in run_usage(done)


def run_usage(done: Exported) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run(
        [sys.executable, "-c", done.card.usage],
        cwd=done.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "precision"), [("onnx", "fp32"), ("openvino", "fp32"), ("onnx", "int8"), ("openvino", "int8")]
)
def test_every_format_is_run_by_the_cards_program_as_it_stands(load: Load, to: Any, precision: Any) -> None:
    # Its two sides are separate programs: what is read here was written by the command itself.
    photos = "data={source: photos, size: 16, train: 64, images: [coffee, chelsea, astronaut]}"
    # Untrained and tiny: eight bits are worth less to it than to a network that is used.
    loose = "deploy={backend: [onnxruntime, openvino], precision: int8, tolerance: {psnr_db: 10}}"
    done = export(load(NETWORK, photos, loose), only="v1", to=to, precision=precision, out="out")
    assert "(1, 3, 16, 16)" in run_usage(done)
    assert (done.card.made.calibration is not None) == (precision == "int8")
    assert done.card.made.inputs[0].channels == "RGB"


@pytest.mark.slow
@pytest.mark.parametrize("to", ["onnx", "openvino", "pt2"])
@pytest.mark.parametrize(
    "architecture",
    [
        "{name: stargan, size: 32, width: 8, blocks: 1}",
        "{name: spade_generator, width: 4, height: 64, labels: 6}",
        "{name: dcgan, size: 32}",
    ],
)
def test_networks_of_several_inputs_layouts_and_latents(load: Load, to: Any, architecture: str) -> None:
    suite = load(f"name: other\narchitecture: {architecture}\nmeasure: [parameters]\n")
    done = export(suite, only="baseline", to=to, out="out")
    assert run_usage(done)


def test_a_users_own_model_prints_nothing_into_the_answer(
    load: Load, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchbench.runner.isolate import run_isolated

    monkeypatch.setattr(export_module, "run_isolated", run_isolated)
    (tmp_path / "loud.py").write_text(
        "from torch import nn\ndef build():\n    print('I am loud')\n    return nn.Conv2d(3, 3, 3)\n"
    )
    suite = load("name: own\narchitecture: {import: 'loud.py:build', input: [1, 3, 8, 8]}\nmeasure: [macs]\n")
    done = to_pt2(suite, only="baseline")
    assert capfd.readouterr().out == ""
    assert done.card.made.inputs[0].range is None
    assert done.card.made.macs == 6 * 6 * 27 * 3


# What fails leaves nothing


def left() -> list[Path]:
    return list(Path("out").rglob("*")) if Path("out").exists() else []


def test_outputs_that_differ_are_refused_and_nothing_is_left(load: Load, way: Callable[..., None]) -> None:
    way(error=0.5)
    with pytest.raises(OutputsDifferError, match=r"model\.pt2, loaded again: its outputs differ by up to"):
        to_pt2(load(NETWORK))
    assert not Path("out").exists()


def test_what_was_there_stays_where_it_fails(load: Load, way: Callable[..., None]) -> None:
    suite = load(NETWORK)
    done = to_pt2(suite)
    before = {each.name: each.read_bytes() for each in done.folder.iterdir()}
    with pytest.raises(StoreError, match="is there already"):
        to_pt2(suite)
    way(error=0.5)
    with pytest.raises(OutputsDifferError):
        to_pt2(suite, existing="replace")
    assert {each.name: each.read_bytes() for each in done.folder.iterdir()} == before
    assert [each.name for each in Path("out").iterdir()] == [done.folder.name]


def test_force_replaces_an_export_and_nothing_else(load: Load) -> None:
    suite = load(NETWORK)
    folder = to_pt2(suite).folder
    (folder / "stray").touch()
    assert to_pt2(suite, existing="replace").folder == folder
    assert not (folder / "stray").exists()
    assert [each.name for each in Path("out").iterdir()] == [folder.name]
    (folder / "model_card.json").unlink()
    with pytest.raises(StoreError, match="is no export of benchbench"):
        to_pt2(suite, existing="replace")


def test_a_file_that_does_not_open_again(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    class Truncating(FakeWay):
        def write(self, network: Network, setup: Setup, folder: Path) -> Path:
            path = super().write(network, setup, folder)
            path.write_bytes(path.read_bytes()[:900])
            return path

    monkeypatch.setattr(export_job, "_way_of", lambda name: Truncating())
    with pytest.raises(ArtefactError, match="damaged"):
        to_pt2(load(NETWORK))
    assert left() == []


def test_a_full_disk_is_told_as_one(load: Load, way: Callable[..., None]) -> None:
    def fill(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    way(write=fill)
    with pytest.raises(StoreError, match="No space left") as caught:
        to_pt2(load(NETWORK))
    assert "--resume" not in str(caught.value)
    assert "--out" in str(caught.value.fix)
    assert not Path("out").exists()


def test_a_library_that_tells_a_full_disk_in_its_own_words(
    load: Load, way: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        # From here on the folder takes nothing.
        folder.rmdir()
        raise RuntimeError("failed finding central directory")

    way(write=fail)
    with pytest.raises(StoreError, match="cannot write"):
        to_pt2(load(NETWORK))


def test_what_an_exporter_raises_is_told_in_a_line(load: Load, way: Callable[..., None]) -> None:
    def fail(folder: Path) -> None:
        raise RuntimeError("no rule for aten::fancy\nand a page of graph")

    way(write=fail)
    with pytest.raises(UnsupportedDeploymentError, match="aten::fancy") as caught:
        to_pt2(load(NETWORK))
    assert "page of graph" not in str(caught.value)
    assert not Path("out").exists()


def test_an_out_that_is_a_file(load: Load) -> None:
    Path("out").write_text("mine")
    with pytest.raises(StoreError, match="cannot write"):
        to_pt2(load(NETWORK))
    assert Path("out").read_text() == "mine"


def test_an_interruption_leaves_nothing(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(job: Job, **_: Any) -> Answer:
        assert job.export is not None
        (Path(job.export.folder) / "model.pt2").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "run_isolated", interrupt)
    with pytest.raises(KeyboardInterrupt):
        to_pt2(load(NETWORK), out="deep/out")
    assert not Path("deep").exists()


@pytest.mark.parametrize(("kind", "fix"), [("timed_out", "look for what waits"), ("crashed", None)])
def test_a_process_without_an_answer(
    load: Load, monkeypatch: pytest.MonkeyPatch, kind: Any, fix: str | None
) -> None:
    failure = Failure(of="cell", kind=kind, reason="it went\naway")
    monkeypatch.setattr(export_module, "run_isolated", lambda job, **_: Answer(failure=failure))
    with pytest.raises(
        MeasurementError, match=rf"'v1' could not be exported: {kind}: it went(\n|$)"
    ) as caught:
        to_pt2(load(NETWORK))
    assert str(caught.value.fix).startswith(str(fix))


def test_equal_outputs_are_told_in_json_that_others_read(load: Load, way: Callable[..., None]) -> None:
    way()
    done = to_pt2(load(NETWORK))
    text = (done.folder / "model_card.json").read_text()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    agreement = json.loads(text, parse_constant=refuse)["made"]["agreement"]
    assert (agreement["max_abs"], agreement["psnr_db"]) == (0, None)
    assert ModelCard.model_validate_json(text) == done.card
    assert "outputs are equal" in (done.folder / "model_card.md").read_text()


@pytest.mark.slow
def test_dynamic_shapes_are_tried_with_another_batch(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    class Fixed(FakeWay):
        def open(self, network: Network, setup: Setup, path: Path) -> Session:
            session = super().open(network, setup, path)
            run = session.run
            session.run = lambda given: run(given)[:1]  # type: ignore[index]
            return session

    done = to_pt2(load(NETWORK), shapes="dynamic")
    assert done.card.made.inputs[0].shape == ("batch", 3, "height", "width")
    assert "batch of twice the size" in done.card.made.agreement.inputs
    monkeypatch.setattr(export_job, "_way_of", lambda name: Fixed())
    with pytest.raises(MeasurementError, match=r"makes \[1, 3, 16, 16\], and eager float32 \[2, 3, 16, 16\]"):
        to_pt2(load(NETWORK), shapes="dynamic", existing="replace")


# Whose weights


def write_run(
    suite: Suite, *, name: str = "20261121-101010", failure: Failure | None = None, only: str = "*"
) -> RunStore:
    """A run of the networks, with weights of seed 5 and a latency."""
    record = RunRecord(
        id=name, command="benchbench run suite.yaml --profile quick", started="", benchbench="0"
    )
    store = RunStore.create(Path("results"), suite, record, Environment(cpu_model="The run's CPU"))
    for cell in expand(suite, only=only):
        store.write_cell(_result(store, cell, failure))
    return store


def _result(store: RunStore, cell: Cell, failure: Failure | None) -> CellResult:
    path = Path("checkpoints") / f"{cell.id}.pt"
    (store.folder / "checkpoints").mkdir(exist_ok=True)
    torch.save(_weights(cell), store.folder / path)
    figure = Measurement(
        name="latency",
        setting="cpu, 1 thread",
        unit="s",
        direction="lower",
        value=0.002,
        samples=((0.001, 0.002), (0.003, 0.002)),
        protocol=Protocol(name="latency/interleaved"),
    )
    return CellResult(
        cell=cell,
        checkpoint=None if failure is not None else str(path),
        measurements=(figure,),
        failures=() if failure is None else (failure,),
    )


def _weights(cell: Cell) -> dict[str, torch.Tensor]:
    return build_subject(cell.model_copy(update={"seed": 5})).module.state_dict()


def test_a_suite_that_trains_and_has_no_run_is_refused(load: Load) -> None:
    with pytest.raises(CheckpointError, match="no trained weights of 'v1'") as caught:
        to_pt2(load(TRAINED), command="benchbench run suite.yaml --only v1")
    assert str(caught.value.fix).startswith("benchbench run suite.yaml --only v1 makes them")
    assert caught.value.exit_code == 2


def test_weights_and_figures_are_those_of_the_newest_run(load: Load) -> None:
    suite = load(TRAINED)
    write_run(suite)
    done = to_pt2(suite)
    weights, run = done.card.weights, done.card.run
    assert (weights.origin, weights.run, weights.recipe, weights.steps) == (
        "trained",
        "20261121-101010",
        "perceptual",
        7,
    )
    assert run is not None
    assert [(each.name, each.of, each.run) for each in run.figures] == [("latency", "v1", "20261121-101010")]
    # Medians of 1.5 and 2.5 ms: Student's factor of one degree of freedom, 12.706, on the logarithms.
    interval = run.figures[0].interval
    assert interval is not None
    half = 12.7062 * math.log(2.5 / 1.5) / 2
    assert interval.low == pytest.approx(math.sqrt(1.5 * 2.5) * 1e-3 * math.exp(-half), rel=1e-3)
    assert interval.high == pytest.approx(math.sqrt(1.5 * 2.5) * 1e-3 * math.exp(half), rel=1e-3)
    text = (done.folder / "model_card.md").read_text()
    assert "Random" not in text
    assert "The run's CPU" in text
    assert str(Path.cwd()) not in (done.folder / "model_card.json").read_text()
    program = torch.export.load(done.folder / "model.pt2")
    wanted = _weights(choose_cell(suite, "v1"))
    found = {name.removeprefix("module."): value for name, value in program.state_dict.items()}
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())


def test_a_run_that_was_named_and_lacks_the_cell(load: Load) -> None:
    suite = load(TRAINED)
    store = write_run(suite)
    with pytest.raises(CheckpointError, match="does not hold 'v1'") as caught:
        to_pt2(load(TRAINED, "train.steps=8"), run=store.folder)
    # The likeliest cause: another --profile or --set than the run's.
    assert "--profile quick" in str(caught.value)
    assert f"holds {choose_cell(suite, 'v1').id}" in str(caught.value)


def test_an_older_run_that_holds_it_is_named(load: Load) -> None:
    suite = load(TRAINED)
    older = write_run(suite)
    write_run(suite, name="20261122-101010", only="baseline")
    with pytest.raises(CheckpointError) as caught:
        to_pt2(suite)
    assert caught.value.fix == f"--run results/tiny/{older.folder.name}, which does"
    assert to_pt2(suite, run=older.folder).card.weights.run == older.folder.name


def test_a_cell_that_failed_a_damaged_one_and_lost_weights(load: Load) -> None:
    suite = load(TRAINED)
    failure = Failure(of="cell", kind="diverged", reason="loss is NaN\nat step 3", fix="a smaller rate")
    write_run(suite, failure=failure)
    with pytest.raises(CheckpointError, match=r"'v1' failed in .*: diverged: loss is NaN\n") as caught:
        to_pt2(suite)
    assert caught.value.fix == "a smaller rate"
    store = write_run(suite, name="20261122-101010")
    cell = choose_cell(suite, "v1")
    (store.folder / "checkpoints" / f"{cell.id}.pt").unlink()
    with pytest.raises(CheckpointError, match="has lost the weights"):
        to_pt2(suite)
    store.cell_file(cell.id).write_text("{")
    with pytest.raises(DamagedResultError, match="damaged result file"):
        to_pt2(suite)
    with pytest.raises(StoreError, match="no run at nowhere"):
        to_pt2(suite, run="nowhere")
    assert not Path("out").exists()


def test_damage_elsewhere_in_the_run_is_told_on_the_card(load: Load) -> None:
    suite = load(TRAINED)
    store = write_run(suite)
    store.cell_file(choose_cell(suite, "baseline").id).write_text("{")
    run = to_pt2(suite).card.run
    assert run is not None
    assert len(run.unread) == 1
    assert "damaged" in run.unread[0]


def test_a_path_is_not_a_suite() -> None:
    with pytest.raises(OptionError, match=r"suite: got 'tiny\.yaml'") as caught:
        export("tiny.yaml", only="v1", to="pt2", out="exports")  # type: ignore[arg-type]
    assert "bb.load_suite" in str(caught.value.fix)


def test_weights_that_the_suite_loads(load: Load) -> None:
    suite = load(NETWORK, "train={load: 'weights-{variant}.pt'}")
    with pytest.raises(CheckpointError, match=r"no checkpoint at weights-v1\.pt"):
        to_pt2(suite)
    torch.save(_weights(choose_cell(suite, "v1")), "weights-v1.pt")
    card = to_pt2(suite).card
    assert (card.weights.origin, card.weights.file) == ("loaded", "weights-v1.pt")
    assert card.weights.sha256 == hashlib.sha256(Path("weights-v1.pt").read_bytes()).hexdigest()
    Path("weights-v1.pt").write_text("no weights")
    with pytest.raises(CheckpointError, match="damaged"):
        to_pt2(suite, existing="replace")


def test_a_deployment_that_the_run_does_not_hold_is_said_to_be_not_measured(load: Load) -> None:
    from benchbench.runner.export_figures import facts_of, not_measured
    from benchbench.runner.export_weights import find_weights_run

    suite = load(TRAINED + "deploy: [onnxruntime]\n")
    write_run(suite, only="v1")
    network = choose_cell(suite, "v1")
    cell = choose_deployment(suite, network, choose_target("openvino"), precision=None, shapes=None)
    found = find_weights_run("tiny", cell, run=None, results=Path("results"), command="")
    assert found is not None
    said = not_measured(facts_of(found, cell), cell, suite="tiny")
    assert said[0].startswith(
        "latency of 'v1 openvino': run 20261121-101010 does not hold it (the figures here"
    )
    assert "of its network in eager float32" in said[0]
    assert said[1].startswith("quality of 'v1 openvino'")
