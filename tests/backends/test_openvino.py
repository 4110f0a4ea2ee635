"""OpenVINO agrees with eager torch, in the precision that was asked for, and tells what it did not."""

from __future__ import annotations

import pytest

from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.deployment import Deployment
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError

for _name in ("onnx", "onnxscript", "openvino", "nncf"):
    pytest.importorskip(_name)


@pytest.fixture(scope="module")
def artefact(nets, tmp_path_factory):
    return write_artefact(nets.small(), nets.setup("openvino"), tmp_path_factory.mktemp("static"))


def _capabilities(monkeypatch, *there: str) -> None:
    import openvino

    class _Core:
        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return list(there)

    monkeypatch.setattr(openvino, "Core", _Core)


def test_it_says_how_it_ran(nets, artefact):
    session = open_session(nets.small(), nets.setup("openvino", threads=2), artefact)
    told = {key: session.facts[key] for key in ("threads", "precision_hint", "streams", "pinning")}
    assert told == {"threads": 2, "precision_hint": "f32", "streams": 1, "pinning": False}
    assert sorted(each.name for each in artefact.parent.iterdir()) == ["model.bin", "model.xml"]


def test_threads_that_it_does_not_take_are_told(nets, artefact):
    with pytest.raises(UnsupportedDeploymentError, match=r"takes \d+ threads here, and 4096 were asked for"):
        open_session(nets.small(), nets.setup("openvino", threads=4096), artefact)


def test_it_tells_its_reference_kernels(nets, artefact):
    session = open_session(nets.small(), nets.setup("openvino"), artefact)
    assert session.operators is not None
    assert {(each.operator, each.what) for each in session.operators()} == {("Pad", "fell_back")}
    assert session.operator_count is not None
    assert session.operator_count >= 6


@pytest.mark.parametrize("damage", ["empty", "foreign", "half", "weights", "no weights"])
def test_a_damaged_file_is_told_in_one_line(nets, artefact, tmp_path, damage):
    graph, weights = artefact.read_bytes(), artefact.with_suffix(".bin").read_bytes()
    graphs = {"empty": b"", "foreign": b"picture" * 99, "half": graph[: len(graph) // 2]}
    (tmp_path / "model.xml").write_bytes(graphs.get(damage, graph))
    if damage != "no weights":
        kept = len(weights) // 2 if damage == "weights" else len(weights)
        (tmp_path / "model.bin").write_bytes(weights[:kept])
    with pytest.raises(ArtefactError, match=r"model\.(xml|bin)") as caught:
        open_session(nets.small(), nets.setup("openvino"), tmp_path / "model.xml")
    assert "\n" not in caught.value.problem


def test_a_file_of_another_network_is_told(nets, artefact):
    other = nets.small()
    other = type(other)(other.module, other.inputs[:1])
    with pytest.raises(ArtefactError, match=r"takes \[1, 3, 16, 16\] of float32, \[1, 3\] of float32, and"):
        open_session(other, nets.setup("openvino"), artefact)


@pytest.mark.parametrize(("precision", "has"), [("bf16", "BF16"), ("fp16", "FP16"), ("int8", "INT8")])
def test_a_precision_that_the_processor_lacks_is_refused(monkeypatch, precision, has):
    deployment = Deployment(backend="openvino", precision=precision)
    _capabilities(monkeypatch, "FP32")
    with pytest.raises(UnsupportedDeploymentError, match=f"has no {precision} on this processor"):
        setup_for(deployment, device="cpu", threads=1)
    _capabilities(monkeypatch, "FP32", has)
    assert setup_for(deployment, device="cpu", threads=1).deployment is deployment


def test_float32_is_float32_where_the_library_would_take_less(nets, artefact):
    from benchbench.backends import openvino

    for precision, hint in (("fp32", "f32"), ("int8", "f32"), ("bf16", "bf16"), ("fp16", "f16")):
        how = nets.Setup(Deployment(backend="openvino", precision=precision), None, threads=3)
        settings = openvino._settings(how)
        assert settings["INFERENCE_PRECISION_HINT"] == hint
        assert settings["INFERENCE_NUM_THREADS"] == 3
