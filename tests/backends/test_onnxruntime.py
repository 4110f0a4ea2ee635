"""ONNX Runtime agrees with eager torch, takes the shapes that it says, and tells what it left out."""

from __future__ import annotations

import json

import pytest

from benchbench.backends.onnxruntime_graph import notes_on_providers
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.deployment import Deployment
from benchbench.core.deployment_record import OperatorNote
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError

for _name in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(_name)


@pytest.fixture(scope="module")
def artefact(nets, tmp_path_factory):
    return write_artefact(nets.small(), nets.setup("onnxruntime"), tmp_path_factory.mktemp("static"))


def test_it_says_how_it_ran(nets, artefact):
    session = open_session(nets.small(), nets.setup("onnxruntime"), artefact)
    told = {key: session.facts[key] for key in ("threads", "provider", "spinning")}
    assert told == {"threads": 1, "provider": "CPUExecutionProvider", "spinning": False}


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


def test_fixed_shapes_are_told_where_no_face_looks_first(nets, artefact):
    session = open_session(nets.small(), nets.setup("onnxruntime"), artefact)
    with pytest.raises(UnsupportedDeploymentError, match="24"):
        session.run(nets.inputs(3, side=24))


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
