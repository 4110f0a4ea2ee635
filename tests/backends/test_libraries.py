"""What every inference library of this processor owes: eager's outputs, its own shapes, results that stay."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace

import pytest
import torch

from benchbench.backends.deployed import Deployed
from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.backends import Network
from benchbench.core.deployment import Deployment
from benchbench.core.errors import ArtefactError, DependencyError, UnsupportedDeploymentError

for _name in ("onnx", "onnxscript", "onnxruntime", "openvino"):
    pytest.importorskip(_name)

EXTRAS = {"onnxruntime": "onnx", "openvino": "openvino"}


@pytest.fixture(scope="module", params=sorted(EXTRAS))
def backend(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def artefact(nets, backend, tmp_path_factory):
    return write_artefact(nets.small(), nets.setup(backend), tmp_path_factory.mktemp("static"))


def test_it_agrees_with_eager_and_prints_nothing(nets, backend, artefact, capfd):
    network = nets.small()
    session = open_session(network, nets.setup(backend, threads=2), artefact)
    for seed in (0, 7):
        values = nets.inputs(seed)
        assert nets.worst(session.run(values), nets.expected(network, values)) < 1e-4
    session.call()
    assert session.facts["threads"] == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("turned", [False, True])
def test_the_timed_call_computes_the_example_inputs(nets, backend, artefact, turned):
    network = nets.small()
    if turned:
        network = replace(network, inputs=(network.inputs[0].mT, network.inputs[1]))
    session = open_session(network, nets.setup(backend), artefact)
    for _ in range(2):
        made = session.call()
        first = made[0] if backend == "openvino" else made.copy_outputs_to_cpu()[0]
        assert nets.worst(torch.tensor(first), nets.expected(network, network.inputs)[:1]) < 1e-4


def test_fixed_shapes_refuse_others_and_take_more_of_their_own(nets, backend, artefact):
    network = nets.small()
    session = open_session(network, nets.setup(backend), artefact)
    face = Deployed(session, network.inputs, places=network.places, fixed=True, label=backend)
    image, style = nets.inputs(3, count=2)
    assert nets.worst(face(image, style=style), nets.expected(network, (image, style))) < 1e-4
    image, style = nets.inputs(3, side=24)
    with pytest.raises(UnsupportedDeploymentError, match="24"):
        face(image, style=style)


@pytest.mark.parametrize(
    ("image", "style", "told"),
    [
        (torch.rand(1, 3, 8, 16), torch.rand(1, 3), r"\[1, 3, 8, 16\] of float32, \[1, 3\] of float32"),
        (torch.rand(1, 3, 16, 16), torch.ones(1, 3, dtype=torch.int64), r".*, \[1, 3\] of int64"),
        (torch.rand(1, 3, 16, 16), None, r"\[1, 3, 16, 16\] of float32$"),
    ],
    ids=["another shape", "another kind", "another number"],
)
def test_a_file_of_other_inputs_is_told(nets, backend, artefact, image, style, told):
    inputs = (image,) if style is None else (image, style)
    other = Network(nets.small().module, inputs, ("", "style")[: len(inputs)])
    with pytest.raises(ArtefactError) as caught:
        open_session(other, nets.setup(backend), artefact)
    own = r"takes \[1, 3, 16, 16\] of float32, \[1, 3\] of float32, and the network "
    assert re.search(own + told, caught.value.problem)


def test_open_sizes_are_taken_as_they_come(nets, backend, tmp_path):
    network = nets.small()
    how = nets.setup(backend, shapes="dynamic")
    path = write_artefact(network, how, tmp_path)
    open_session(replace(network, inputs=nets.inputs(3, count=2, side=24)), how, path).call()
    with pytest.raises(ArtefactError, match=r"takes \[\?, 3, \?, \?\] of float32"):
        open_session(replace(network, inputs=(torch.rand(1, 4, 16, 16), network.inputs[1])), how, path)


def test_double_inputs_become_what_eager_makes_of_them(nets, backend, tmp_path):
    network = nets.small()
    doubled = replace(network, inputs=tuple(each.double() for each in network.inputs))
    session = nets.opened(doubled, nets.setup(backend), tmp_path)
    session.call()
    made = session.run(network.inputs)
    assert nets.worst(made, nets.expected(network, network.inputs)) < 1e-4


def test_open_shapes_take_others(nets, backend, tmp_path):
    network = nets.small()
    session = nets.opened(network, nets.setup(backend, shapes="dynamic"), tmp_path)
    for values in (nets.inputs(0), nets.inputs(3, count=2, side=24)):
        assert nets.worst(session.run(values), nets.expected(network, values)) < 1e-4
    session.call()


def test_results_are_not_overwritten_by_the_next(nets, backend, artefact):
    session = open_session(nets.small(), nets.setup(backend), artefact)
    first = session.run(nets.inputs(1))[0]
    kept = first.clone()
    session.run(nets.inputs(2))
    assert torch.equal(first, kept)


def test_a_missing_package_is_told_with_the_command(monkeypatch, backend):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == backend else found(name, *rest)
    )
    with pytest.raises(DependencyError, match=f"needs {backend}") as caught:
        setup_for(Deployment(backend=backend), device="cpu", threads=1)
    assert caught.value.fix == f"pip install 'benchbench[{EXTRAS[backend]}]'"
