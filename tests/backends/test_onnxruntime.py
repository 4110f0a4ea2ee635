"""ONNX Runtime agrees with eager torch, takes the shapes that it says, and tells what it left out."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from benchbench.backends.deployed import Deployed
from benchbench.backends.onnxruntime_graph import notes_on_providers
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.deployment import Deployment
from benchbench.core.deployment_record import OperatorNote
from benchbench.core.errors import ArtefactError, DependencyError, UnsupportedDeploymentError

for _name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_name)


@pytest.fixture(scope="module")
def nets(load_module) -> ModuleType:
    return load_module("backends/library_networks.py")


@pytest.fixture(scope="module")
def artefact(nets, tmp_path_factory):
    return write_artefact(nets.small(), nets.setup("onnxruntime"), tmp_path_factory.mktemp("static"))


def test_it_agrees_with_eager_and_says_how_it_ran(nets, artefact, capfd):
    network = nets.small()
    session = open_session(network, nets.setup("onnxruntime", threads=2), artefact)
    for seed in (0, 7):
        values = nets.inputs(seed)
        assert nets.worst(session.run(values), nets.expected(network, values)) < 1e-4
    session.call()
    assert session.facts["threads"] == 2
    assert session.facts["provider"] == "CPUExecutionProvider"
    assert session.facts["spinning"] is False
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("turned", [False, True])
def test_the_timed_call_computes_the_example_inputs(nets, artefact, turned):
    network = nets.small()
    if turned:
        network = replace(network, inputs=(network.inputs[0].mT, network.inputs[1]))
    session = open_session(network, nets.setup("onnxruntime"), artefact)
    for _ in range(2):
        made = session.call().copy_outputs_to_cpu()
        assert nets.worst(torch.tensor(made[0]), nets.expected(network, network.inputs)[:1]) < 1e-4


def test_spinning_is_an_option(nets, artefact):
    how = nets.setup("onnxruntime", options={"spinning": True})
    assert open_session(nets.small(), how, artefact).facts["spinning"] is True


def test_it_tells_what_was_not_fused(nets, artefact, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = open_session(nets.small(), nets.setup("onnxruntime"), artefact)
    assert session.operators is not None
    assert session.operators() == (
        OperatorNote(operator="ConvTranspose", count=1, what="not_fused", detail="Relu by itself behind it"),
    )
    assert session.operator_count is not None
    assert session.operator_count >= 8
    assert list(tmp_path.iterdir()) == []


def test_fixed_shapes_refuse_others_and_take_more_of_their_own(nets, artefact):
    network = nets.small()
    session = open_session(network, nets.setup("onnxruntime"), artefact)
    face = Deployed(session, network.inputs, places=network.places, fixed=True, label="onnxruntime")
    image, style = nets.inputs(3, count=2)
    assert nets.worst(face(image, style=style), nets.expected(network, (image, style))) < 1e-4
    image, style = nets.inputs(3, side=24)
    with pytest.raises(UnsupportedDeploymentError, match="24"):
        face(image, style=style)
    with pytest.raises(UnsupportedDeploymentError, match="24"):
        session.run((image, style))


def test_open_shapes_take_others(nets, tmp_path):
    network = nets.small()
    session = nets.opened(network, nets.setup("onnxruntime", shapes="dynamic"), tmp_path)
    for values in (nets.inputs(0), nets.inputs(3, count=2, side=24)):
        assert nets.worst(session.run(values), nets.expected(network, values)) < 1e-4
    session.call()


def test_results_are_not_overwritten_by_the_next(nets, artefact):
    session = open_session(nets.small(), nets.setup("onnxruntime"), artefact)
    first = session.run(nets.inputs(1))[0]
    kept = first.clone()
    session.run(nets.inputs(2))
    assert torch.equal(first, kept)


@pytest.mark.parametrize("damage", ["empty", "foreign", "half"])
def test_a_damaged_file_is_told_in_one_line(nets, artefact, tmp_path, damage):
    whole = artefact.read_bytes()
    path = tmp_path / "model.onnx"
    path.write_bytes({"empty": b"", "foreign": b"picture" * 99, "half": whole[: len(whole) // 2]}[damage])
    with pytest.raises(ArtefactError, match=r"model\.onnx") as caught:
        open_session(nets.small(), nets.setup("onnxruntime"), path)
    assert "\n" not in caught.value.problem


def test_a_provider_that_is_not_there_is_refused(monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(UnsupportedDeploymentError, match="has no CUDAExecutionProvider"):
        setup_for(Deployment(backend="onnxruntime"), device="cuda", threads=1)


def test_a_provider_that_does_not_start_is_not_replaced_by_another(nets, artefact, monkeypatch):
    import onnxruntime

    monkeypatch.setattr(onnxruntime.InferenceSession, "get_providers", lambda self: ["OtherProvider"])
    with pytest.raises(UnsupportedDeploymentError, match="OtherProvider would run in its place"):
        open_session(nets.small(), nets.setup("onnxruntime"), artefact)


def test_what_ran_on_another_provider_is_counted(tmp_path):
    def event(name: str, operator: str, provider: str) -> dict[str, object]:
        return {"cat": "Node", "name": name, "args": {"op_name": operator, "provider": provider}}

    wanted = "CUDAExecutionProvider"
    events = [event("a", "Conv", wanted), event("b", "Resize", "CPUExecutionProvider"), {"cat": "Session"}]
    profile = tmp_path / "profile.json"
    profile.write_text(json.dumps([*events, events[1]]))
    assert notes_on_providers(profile, wanted) == (
        OperatorNote(operator="Resize", count=1, what="fell_back", detail="CPUExecutionProvider"),
    )


def test_a_missing_package_is_told_with_the_command(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime" else found(name, *rest)
    )
    with pytest.raises(DependencyError, match="needs onnxruntime") as caught:
        setup_for(Deployment(backend="onnxruntime"), device="cpu", threads=1)
    assert caught.value.fix == "pip install 'benchbench[onnx]'"
