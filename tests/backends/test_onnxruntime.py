"""ONNX Runtime agrees with eager torch, takes the shapes that it says, and tells what it left out."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from benchbench.backends.onnxruntime import OnnxRuntimeOptions
from benchbench.backends.onnxruntime_graph import notes_on_providers
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.backends import Setup
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
    for there, fix in ((True, "pip install onnxruntime-gpu in its place"), (False, "use a machine that has")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        with pytest.raises(UnsupportedDeploymentError, match="has no CUDAExecutionProvider") as caught:
            setup_for(Deployment(backend="onnxruntime"), device="cuda", threads=1)
        assert caught.value.fix is not None
        assert fix in caught.value.fix


def test_a_sound_file_is_not_checked_while_opening_it_is_timed(nets, artefact, monkeypatch):
    import onnx

    for name in ("load", "load_model"):
        monkeypatch.setattr(onnx, name, None)
    monkeypatch.setattr(onnx.checker, "check_model", None)
    open_session(nets.small(), nets.setup("onnxruntime"), artefact).call()


def test_a_sound_file_that_the_library_refuses_is_no_damaged_one(nets, tmp_path):
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1])]
    outputs = [helper.make_tensor_value_info("made", TensorProto.FLOAT, [1])]
    nodes = [helper.make_node("Nobodys", ["input"], ["made"], domain="some.where")]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("some.where", 1)]
    graph = helper.make_graph(nodes, "main", inputs, outputs)
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())
    with pytest.raises(UnsupportedDeploymentError, match=r"ONNX Runtime cannot open it: .*Nobodys"):
        open_session(nets.small(), nets.setup("onnxruntime"), path)


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


class FakeStream:
    cuda_stream = 42

    def __init__(self, events: list[str], name: str) -> None:
        self.events, self.name = events, name

    def wait_stream(self, other: FakeStream) -> None:
        self.events.append(f"{self.name} waits for {other.name}")


def fake_cuda(monkeypatch, events):
    """The library with a CUDA provider, as far as a session goes; the options of each provider are noted."""
    import onnxruntime

    class Library:
        def __init__(self, path, options, *, providers, provider_options):
            self.options, self.providers = options, providers
            events.append(dict(*provider_options))

        def get_providers(self):
            return self.providers

        def get_session_options(self):
            return self.options

        def get_inputs(self):
            shapes = {"image": [1, 3, 16, 16], "style": [1, 3]}
            return [
                SimpleNamespace(name=name, shape=shape, type="tensor(float)")
                for name, shape in shapes.items()
            ]

        def get_provider_options(self):
            return {"CUDAExecutionProvider": {"cudnn_conv_algo_search": "EXHAUSTIVE"}}

        def get_outputs(self):
            return []

        def io_binding(self):
            return SimpleNamespace(bind_ortvalue_input=lambda name, value: None, get_outputs=list)

        def run_with_iobinding(self, binding):
            events.append("it runs")

    value = SimpleNamespace(update_inplace=lambda array: None)
    monkeypatch.setattr(onnxruntime, "InferenceSession", Library)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(
        onnxruntime, "OrtValue", SimpleNamespace(ortvalue_from_shape_and_type=lambda *_: value)
    )
    monkeypatch.setattr(torch.cuda, "Stream", lambda: FakeStream(events, "its own"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: FakeStream(events, "torch's"))


def test_on_a_gpu_it_runs_between_what_is_recorded_on_torchs_stream(nets, artefact, monkeypatch):
    events: list[object] = []
    fake_cuda(monkeypatch, events)
    how = Setup(Deployment(backend="onnxruntime"), OnnxRuntimeOptions(), device="cuda")
    session = open_session(nets.small(), how, artefact)
    # Not torch's current stream: the default one is at address 0, which the library takes for none given.
    (options,) = events
    assert options["user_compute_stream"] == "42"
    assert options["use_tf32"] in "01"
    assert session.facts["tf32"] == (options["use_tf32"] == "1")
    assert session.facts["cudnn_conv_algo_search"] == "EXHAUSTIVE"
    for _ in range(2):
        events.clear()
        session.call()
        assert events == ["its own waits for torch's", "it runs", "torch's waits for its own"]


def test_on_the_cpu_no_stream_is_asked_for(nets, artefact, monkeypatch):
    monkeypatch.setattr(torch.cuda, "Stream", None)
    monkeypatch.setattr(torch.cuda, "current_stream", None)
    open_session(nets.small(), nets.setup("onnxruntime"), artefact).call()
