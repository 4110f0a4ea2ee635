"""Int8: calibrated on enough, the same each time, close to float, per channel, and quiet about it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends.calibration import calibration_arrays
from benchbench.backends.prepare import open_session, write_artefact
from benchbench.core.backends import Network, Session
from benchbench.core.errors import CalibrationError, UnsupportedDeploymentError

onnx = pytest.importorskip("onnx")
for _name in ("onnxscript", "onnxruntime", "openvino", "nncf"):
    pytest.importorskip(_name)

LIBRARIES = ("onnxruntime", "openvino")


def not_quantised(session: Session) -> dict[str, int]:
    assert session.operators is not None
    assert "not_quantised" in session.tells
    return {each.operator: each.count for each in session.operators() if each.what == "not_quantised"}


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
    assert not_quantised(session) == {}


class Products(nn.Module):
    """[n, 3, h, w] -> [n, positions, 200] and [n, 200]: products of three dimensions, and of two."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 128, 3)
        # Used in both ways, and too large for the exporter to turn: in one they lie behind a Transpose.
        self.twice = nn.Linear(128, 96)
        self.large = nn.Linear(96, 200, bias=False)
        self.last = nn.Linear(96, 200)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        found = self.first(image).flatten(2).mT
        return self.large(self.twice(found).relu()), self.last(self.twice(found.mean(1)))


@pytest.mark.parametrize("library", LIBRARIES)
def test_products_have_their_weights_quantised_too(nets, tmp_path, library):
    torch.manual_seed(0)
    module = Products().eval().requires_grad_(False)
    network = Network(module, (torch.rand(1, 3, 8, 8),))
    session = nets.opened(network, nets.setup(library, precision="int8", quantise="weights"), tmp_path)
    for made, wanted in zip(session.run(network.inputs), module(*network.inputs), strict=True):
        assert nets.decibels(made, wanted) > 35
        assert not torch.allclose(made, wanted, atol=1e-6)
    assert not_quantised(session) == {}
    if library == "onnxruntime":
        held = onnx.load(tmp_path / "model.onnx").graph.initializer
        wide = [each.name for each in held if each.data_type == onnx.TensorProto.FLOAT and len(each.dims) > 1]
        assert wide == []


class Branches(nn.Module):
    """Its branches have constants of their own, and it returns one of its own."""

    shift: Tensor
    kept: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.register_buffer("shift", torch.arange(24.0).reshape(3, 8))
        self.register_buffer("kept", torch.ones(2, 2))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor]:
        found, shift = self.first(values), self.shift
        return torch.cond(found.sum() > 0, lambda x: x + shift, lambda x: x - shift, (found,)), self.kept


def test_what_branches_and_results_hold_is_not_lost(nets, tmp_path):
    torch.manual_seed(0)
    network = Network(Branches().eval().requires_grad_(False), (torch.rand(3, 8),))
    session = nets.opened(network, nets.setup("onnxruntime", precision="int8", quantise="weights"), tmp_path)
    made, kept = session.run(network.inputs)
    assert nets.decibels(made, network.module(*network.inputs)[0]) > 35
    assert torch.equal(kept, torch.ones(2, 2))


def test_a_linear_layer_alone_has_weights_to_quantise(nets, tmp_path):
    network = Network(nn.Linear(8, 8, bias=False).eval(), (torch.rand(1, 5, 8),))
    session = nets.opened(network, nets.setup("onnxruntime", precision="int8", quantise="weights"), tmp_path)
    assert not_quantised(session) == {}


def test_weights_that_are_left_in_float_are_told(nets, tmp_path):
    """A file of another tool, or of one that skipped some, as it is: opened as if its weights were int8."""
    network = nets.small()
    for library, left in (
        ("onnxruntime", {"Conv": 1, "Conv, grouped": 1, "ConvTranspose": 1}),
        ("openvino", {"Convolution": 1, "GroupConvolution": 1, "ConvolutionBackpropData": 1}),
    ):
        path = write_artefact(network, nets.setup(library), tmp_path / library)
        how = nets.setup(library, precision="int8", quantise="weights")
        assert not_quantised(open_session(network, how, path)) == left


def test_either_side_of_a_product_may_be_its_weights(nets):
    from benchbench.backends.onnxruntime_graph import notes_on_graph

    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2, 2], [1.0] * 4)
    nodes = [
        onnx.helper.make_node("MatMul", ["w", "x"], ["a"]),
        onnx.helper.make_node("Gemm", ["a", "w"], ["b"]),
        onnx.helper.make_node("MatMul", ["a", "b"], ["c"]),
        onnx.helper.make_node("Conv", ["w", "c"], ["d"]),
    ]
    graph = onnx.helper.make_graph(nodes, "main", [], [], [weight])
    how = nets.setup("onnxruntime", precision="int8", quantise="weights")
    found = [(each.operator, each.count) for each in notes_on_graph(graph, how)]
    assert found == [("Gemm", 1), ("MatMul", 1)]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("count", [0, 7])
def test_too_few_inputs_are_refused(nets, tmp_path, library, count):
    with pytest.raises(CalibrationError, match=f"given {count} examples") as caught:
        write_artefact(nets.small(calibration=count), nets.setup(library, precision="int8"), tmp_path)
    assert caught.value.expected == "8 or more"
    assert caught.value.fix is not None
    assert "calibration: {images:" in caught.value.fix


def test_batches_count_by_what_is_in_them(nets):
    network = nets.small()
    network = replace(network, inputs=nets.inputs(0, count=4))
    sets = tuple(nets.inputs(100 + at, count=4) for at in range(2))
    assert len(calibration_arrays(replace(network, calibration=sets))) == 2
    with pytest.raises(CalibrationError, match="given 4 examples"):
        calibration_arrays(replace(network, calibration=sets[:1]))


def test_inputs_of_another_shape_are_refused(nets, tmp_path):
    network = nets.small(calibration=8)
    sets = (*network.calibration[:7], nets.inputs(1, side=24))
    network = replace(network, calibration=sets)
    with pytest.raises(CalibrationError, match=r"set 7 .* \[1, 3, 24, 24\], \[1, 3\]"):
        write_artefact(network, nets.setup("openvino", precision="int8"), tmp_path)


@pytest.mark.parametrize("shapes", ["static", "dynamic"])
def test_sets_of_another_number_of_inputs_are_refused(nets, tmp_path, shapes):
    network = nets.small(calibration=8)
    how = nets.setup("onnxruntime", precision="int8", shapes=shapes)
    image, style = network.inputs
    for values, told in (
        ((), "no tensors"),
        ((image,), r"16\]$"),
        ((image, style, style), r"\[1, 3\], \[1, 3\]$"),
    ):
        sets = (*network.calibration[:7], values)
        with pytest.raises(CalibrationError) as caught:
            write_artefact(replace(network, calibration=sets), how, tmp_path)
        assert re.search(f"set 7 .*{told}", caught.value.problem)


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
