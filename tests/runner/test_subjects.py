from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchbench.architectures.weights import save_weights
from benchbench.cli.summary import has_failed
from benchbench.core.cell import Cell, deployed_settings
from benchbench.core.deployment import Deployment
from benchbench.core.errors import BenchbenchError, CheckpointError
from benchbench.core.expand import expand
from benchbench.core.suite import ArchitectureSpec, Suite, TrainSpec
from benchbench.core.suite_file import load_suite
from benchbench.runner.run import run
from benchbench.runner.subjects import build_subject, check_cells, declared_checkpoint

LOADED = """
name: loaded
architecture: {name: transformer_net, width: 4, blocks: 1}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
train: {load: "weights/{variant}.safetensors"}
measure: [parameters]
"""


def test_the_same_cell_is_the_same_network(tiny: Suite) -> None:
    cells = expand(tiny)
    one, other = build_subject(cells[1]), build_subject(cells[1])
    assert not one.module.training
    assert all(
        torch.equal(tensor, other.module.state_dict()[name])
        for name, tensor in one.module.state_dict().items()
    )
    assert torch.equal(one.inputs[0], other.inputs[0])
    assert one.replacements
    another = build_subject(cells[1].model_copy(update={"seed": 1}))
    assert not torch.equal(one.inputs[0], another.inputs[0])


def test_weights_are_loaded(tiny: Suite, tmp_path: Path) -> None:
    baseline = expand(tiny)[0]
    other = build_subject(baseline.model_copy(update={"seed": 9}))
    save_weights(other.module, tmp_path / "w.safetensors")
    loaded = build_subject(baseline, checkpoint=tmp_path / "w.safetensors")
    name, tensor = next(iter(loaded.module.state_dict().items()))
    assert torch.equal(tensor, other.module.state_dict()[name])
    assert loaded.checkpoint == tmp_path / "w.safetensors"


def test_a_declared_checkpoint_names_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    cell = Cell(variant="v1", seed=3, architecture=ArchitectureSpec(name="transformer_net"))
    assert declared_checkpoint(cell) is None

    def declared(load: str) -> Path | None:
        return declared_checkpoint(cell.model_copy(update={"train": TrainSpec(load=load)}))

    assert declared("w/{variant}-{seed}.pt") == Path("w/v1-3.pt")
    assert declared("~/w.pt") == Path("/home/somebody/w.pt")
    named = cell.model_copy(update={"train": TrainSpec(load="w/{cell}.pt")})
    assert declared_checkpoint(named) == Path(f"w/{named.id}.pt")
    # A deployment has the weights of its network.
    settings = deployed_settings(Deployment(backend="openvino"))
    deployed = named.model_copy(update={"deploy": Deployment(backend="openvino"), "settings": settings})
    assert deployed.id != named.id
    assert declared_checkpoint(deployed) == Path(f"w/{named.id}.pt")
    with pytest.raises(CheckpointError, match="unknown field"):
        declared("w/{variant.pt")


def test_a_network_that_cannot_be_built_is_told_before_anything_runs() -> None:
    spec = ArchitectureSpec.model_validate({"import": "no_such_module:x", "input": [1, 3, 8, 8]})
    with pytest.raises(BenchbenchError, match="no module 'no_such_module'"):
        check_cells([Cell(variant="baseline", architecture=spec)])


@pytest.mark.slow
def test_a_checkpoint_that_does_not_fit_fails_its_cell_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In real processes: the other cell is loaded and measured, and mending the file mends the run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loaded.yaml").write_text(LOADED)
    suite = load_suite("loaded.yaml")
    baseline, v1 = (build_subject(cell.model_copy(update={"train": None})).module for cell in expand(suite))
    save_weights(baseline, tmp_path / "weights" / "baseline.safetensors")
    wider = Cell(
        variant="v1",
        architecture=ArchitectureSpec.model_validate({"name": "transformer_net", "width": 8, "blocks": 1}),
    )
    save_weights(build_subject(wider).module, tmp_path / "weights" / "v1.safetensors")
    table = run(suite)
    assert has_failed(table)
    good, bad = table.results
    assert good.measurement("parameters") is not None
    assert good.checkpoint == "weights/baseline.safetensors"
    assert bad.failure is not None
    assert bad.failure.kind == "invalid"
    first = next(iter(v1.state_dict()))
    assert f"weights/v1.safetensors: {first} has shape" in bad.failure.reason
    assert str(list(v1.state_dict()[first].shape)) in bad.failure.reason
    save_weights(v1, tmp_path / "weights" / "v1.safetensors")
    assert not has_failed(run(suite, mode="resume"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("import sys; sys.exit(0)", "the process ended with status 0, without an answer"),
        ("import os; os._exit(3)", "the process ended with status 3, without an answer"),
        ("import time; time.sleep(600)", "timed_out: no answer after 5 s"),
    ],
)
def test_a_users_model_that_ends_or_hangs_its_process_fails_its_cell(
    body: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "strange_model.py").write_text(f"def build():\n    {body}\n", encoding="utf-8")
    suite = Suite.model_validate(
        {
            "name": "strange",
            "architecture": {"import": "strange_model:build", "input": [[1, 3, 8, 8]]},
            "measure": ["parameters"],
            # One that ends has the time that it takes to start on a busy machine.
            "timeout_s": 5.0 if "timed_out" in told else 120.0,
        }
    )
    monkeypatch.chdir(tmp_path)
    table = run(suite, out=tmp_path / "out")
    (result,) = table.results
    assert result.failure is not None
    assert told in f"{result.failure.kind}: {result.failure.reason}"
