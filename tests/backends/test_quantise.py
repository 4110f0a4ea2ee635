"""Int8: calibrated on enough, the same each time, close to float, per channel, and quiet about it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from benchbench.backends.prepare import open_session, write_artefact
from benchbench.core.backends import Network
from benchbench.core.errors import CalibrationError, UnsupportedDeploymentError

onnx = pytest.importorskip("onnx")
for _name in ("onnxscript", "onnxruntime", "openvino", "nncf"):
    pytest.importorskip(_name)

LIBRARIES = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def artefacts(nets, tmp_path_factory) -> dict[str, Path]:
    """A calibrated file for each library."""
    folder = tmp_path_factory.mktemp("int8")
    network = nets.small(calibration=8)
    return {
        name: write_artefact(network, nets.setup(name, precision="int8"), folder / name) for name in LIBRARIES
    }


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_same_calibration_gives_the_same_outputs_near_float(
    nets, artefacts, tmp_path, capfd, monkeypatch, library
):
    monkeypatch.chdir(tmp_path)
    network = nets.small(calibration=8)
    how = nets.setup(library, precision="int8")
    values = nets.inputs(3)
    made = [open_session(network, how, artefacts[library]).run(values)[0]]
    folder = tmp_path / "artefacts"
    made.append(nets.opened(network, how, folder).run(values)[0])
    files = ["model.onnx"] if library == "onnxruntime" else ["model.bin", "model.xml"]
    assert sorted(each.name for each in folder.iterdir()) == files
    wanted = nets.expected(network, values)[0]
    assert torch.equal(*made)
    assert not torch.equal(made[0], wanted)
    assert nets.decibels(made[0], wanted) > 25
    assert capfd.readouterr() == ("", "")
    assert [each.name for each in tmp_path.iterdir()] == ["artefacts"]


def test_what_stays_in_float_is_told(nets, artefacts):
    network = nets.small()
    session = open_session(network, nets.setup("onnxruntime", precision="int8"), artefacts["onnxruntime"])
    left = {each.operator for each in session.operators() if each.what == "not_quantised"}
    assert left == {"Conv, grouped", "ConvTranspose"}
    session = open_session(network, nets.setup("openvino", precision="int8"), artefacts["openvino"])
    assert [each for each in session.operators() if each.what == "not_quantised"] == []


def test_weights_have_a_scale_for_each_channel(artefacts):
    held = onnx.load(artefacts["onnxruntime"]).graph.initializer
    scales = {each.name: list(each.dims) for each in held if "scale" in each.name}
    assert [8] in [dims for name, dims in scales.items() if "first.weight" in name]
    import openvino

    ops = openvino.Core().read_model(artefacts["openvino"]).get_ops()
    grouped = next(each for each in ops if each.get_type_name() == "GroupConvolution")
    scale = grouped.input_value(1).get_node()
    assert scale.get_type_name() in ("Multiply", "FakeQuantize")
    assert list(scale.input_value(1).get_partial_shape().to_shape()) == [8, 1, 1, 1, 1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_weights_alone_need_no_calibration(nets, tmp_path, library):
    network = nets.small()
    how = nets.setup(library, precision="int8", quantise="weights")
    session = nets.opened(network, how, tmp_path)
    values = nets.inputs(3)
    made, wanted = session.run(values)[0], nets.expected(network, values)[0]
    assert nets.decibels(made, wanted) > 35
    assert not torch.allclose(made, wanted, atol=1e-6)
    assert [each for each in session.operators() if each.what == "not_quantised"] == []


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("count", [0, 7])
def test_too_few_inputs_are_refused(nets, tmp_path, library, count):
    with pytest.raises(CalibrationError, match=f"given {count} sets") as caught:
        write_artefact(nets.small(calibration=count), nets.setup(library, precision="int8"), tmp_path)
    assert caught.value.expected == "8 or more"
    assert caught.value.fix is not None
    assert "calibration: {images:" in caught.value.fix


def test_inputs_of_another_shape_are_refused(nets, tmp_path):
    network = nets.small(calibration=8)
    sets = (*network.calibration[:7], nets.inputs(1, side=24))
    network = replace(network, calibration=sets)
    with pytest.raises(CalibrationError, match=r"set 7 .* \[1, 3, 24, 24\], \[1, 3\]"):
        write_artefact(network, nets.setup("openvino", precision="int8"), tmp_path)


@pytest.mark.parametrize("library", LIBRARIES)
def test_inputs_of_another_size_calibrate_what_is_open(nets, tmp_path, library):
    network = nets.small(calibration=8)
    network = replace(network, calibration=(*network.calibration[:7], nets.inputs(1, side=24)))
    session = nets.opened(network, nets.setup(library, precision="int8", shapes="dynamic"), tmp_path)
    values = nets.inputs(3, count=2, side=20)
    assert nets.decibels(session.run(values)[0], nets.expected(network, values)[0]) > 20
    other = (*network.calibration[:7], (torch.zeros(1, 4, 16, 16), network.inputs[1]))
    with pytest.raises(CalibrationError, match=r"set 7 .* \[1, 4, 16, 16\]"):
        write_artefact(
            replace(network, calibration=other),
            nets.setup(library, precision="int8", shapes="dynamic"),
            tmp_path,
        )


def test_a_network_without_weights_has_none_to_quantise(nets, tmp_path):
    network = Network(nn.ReLU(), (torch.rand(1, 3, 4, 4),))
    with pytest.raises(UnsupportedDeploymentError, match="no weights"):
        write_artefact(network, nets.setup("onnxruntime", precision="int8", quantise="weights"), tmp_path)


def test_another_preset_is_another_network(nets, artefacts, tmp_path):
    network = nets.small(calibration=8)
    how = nets.setup("openvino", precision="int8", options={"preset": "mixed"})
    made = [
        open_session(network, how, artefacts["openvino"]).run(nets.inputs(3))[0],
        nets.opened(network, how, tmp_path).run(nets.inputs(3))[0],
    ]
    assert not torch.equal(*made)


def test_a_quantised_file_opens_without_the_networks_weights(nets, artefacts):
    network = nets.small()
    how = nets.setup("openvino", precision="int8")
    bare = Network(nn.Identity().to("meta"), network.inputs, network.places)
    sessions = [open_session(each, how, artefacts["openvino"]) for each in (network, bare)]
    assert torch.equal(*(each.run(nets.inputs(3))[0] for each in sessions))


@pytest.mark.slow
def test_nothing_is_left_in_the_home_directory(tmp_path):
    code = """
import sys, torch
from pathlib import Path
from torch import nn
from benchbench.backends.face import deploy
x = torch.rand(1, 3, 8, 8)
for name in ("openvino", "onnxruntime"):
    deploy(nn.Conv2d(3, 4, 3), (x,), backend=name, precision="int8", calibration=[(x,)] * 8)(x)
"""
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    kept = [each.relative_to(tmp_path) for each in tmp_path.rglob("*") if each.is_file()]
    assert [each for each in kept if {"intel", "Microsoft"} & set(each.parts)] == []
    assert Path(sys.executable).exists()
