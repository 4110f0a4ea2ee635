from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import benchbench as bb
from benchbench.backends.calibration import calibration_arrays
from benchbench.backends.flat import flat_outputs
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.errors import (
    ArtefactError,
    BenchbenchError,
    CalibrationError,
    MeasurementError,
    OptionError,
    UnknownNameError,
    UnsupportedDeploymentError,
)
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS


class ToyOptions(Options):
    times: int = 1


FOLDERS: list[Path] = []


def _write(network: Network, setup: Setup, folder: Path) -> Path:
    FOLDERS.append(folder)
    path = folder / "model.toy"
    path.write_text(str(len(network.calibration)))
    return path


def _open(network: Network, setup: Setup, artefact: Path | None) -> Session:
    if network.inputs[0].shape[0] == 13:
        raise ArtefactError("unlucky")

    def run(given: Sequence[Tensor]) -> Tensor:
        made: Tensor = network.module(given[0])
        return made * setup.options.times

    return Session(call=lambda: run(network.inputs), run=run, facts={"threads": setup.threads})


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    FOLDERS.clear()
    backend = Backend(
        options=ToyOptions, precisions={"cpu": ("fp32", "int8")}, open=_open, write=_write, has_threads=True
    )
    monkeypatch.setattr(BACKENDS, "_added", {"toy": backend})


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5))


def test_it_runs_in_eval_mode_and_the_module_keeps_its_own() -> None:
    module = net()
    module[1].eval()
    deployed = bb.deploy(module, (1, 3, 8, 8))
    assert module.training
    assert not module[1].training
    image = torch.randn(5, 3, 4, 6)
    assert torch.equal(deployed(image), net().eval()(image))
    assert not deployed(image).requires_grad


def test_it_takes_a_place_beside_modules_in_a_comparison() -> None:
    module = net().eval()
    deployed = bb.deploy(module, (1, 3, 8, 8), precision="fp32", memory_format="channels_last")
    found = bb.compare_latency({"eager": module, "last": deployed}, (1, 3, 8, 8), budget_s=0.05)
    assert set(found.latency_s) == {"eager", "last"}


def test_files_live_as_long_as_the_module() -> None:
    deployed = bb.deploy(net(), (1, 3, 8, 8), backend="toy")
    (folder,) = FOLDERS
    assert (folder / "model.toy").exists()
    del deployed
    gc.collect()
    assert not folder.exists()


def test_files_in_a_folder_of_ones_own_stay(tmp_path: Path) -> None:
    sets = [(torch.ones(1, 3, 8, 8),)] * 3
    deployed = bb.deploy(
        net(), (1, 3, 8, 8), backend="toy", precision="int8", calibration=sets, folder=tmp_path / "here"
    )
    del deployed
    gc.collect()
    assert (tmp_path / "here" / "model.toy").read_text() == "3"


def test_nothing_is_left_where_opening_fails() -> None:
    with pytest.raises(ArtefactError, match="unlucky"):
        bb.deploy(net(), (13, 3, 8, 8), backend="toy")
    assert not FOLDERS[0].exists()


def test_options_and_threads_are_handed_on() -> None:
    image = torch.randn(1, 3, 8, 8)
    one, three = (
        bb.deploy(net(), (image,), backend="toy", options={"times": times}, threads=7) for times in (1, 3)
    )
    assert torch.equal(three(image), one(image) * 3)
    assert three.session.facts["threads"] == 7


def test_static_shapes_are_held_to_in_batches() -> None:
    deployed = bb.deploy(net(), (2, 3, 8, 8), backend="toy")
    assert deployed(torch.ones(6, 3, 8, 8)).shape == (6, 4, 8, 8)
    with pytest.raises(UnsupportedDeploymentError, match="toy was opened for"):
        deployed(torch.ones(2, 3, 8, 9))
    dynamic = bb.deploy(net(), (2, 3, 8, 8), backend="toy", shapes="dynamic")
    assert dynamic(torch.ones(3, 3, 8, 9)).shape == (3, 4, 8, 9)


def test_it_may_be_called_in_inference_mode() -> None:
    with torch.inference_mode():
        deployed = bb.deploy(net(), (1, 3, 8, 8), memory_format="channels_last")
    assert deployed(torch.ones(1, 3, 8, 8, requires_grad=True)).shape == (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("inputs", "more", "error", "words"),
    [
        ((1, 3, 8, 8), {"backend": "eagr"}, UnknownNameError, "eagr"),
        ((1, 3, 8, 8), {"options": {"level": 1}}, OptionError, "unknown option 'level'"),
        ((1, 3, 8, 8), {"precision": "int8"}, UnsupportedDeploymentError, "'eager' has no int8 on cpu"),
        ((1, 3, 8, 8), {"threads": 99}, UnsupportedDeploymentError, "99 were asked for"),
        ((1, "3"), {}, MeasurementError, "neither a shape nor tensors"),
        ((), {}, MeasurementError, "neither a shape nor tensors"),
        (torch.ones(1, 3), {}, MeasurementError, "neither a shape nor tensors"),
        (5, {}, MeasurementError, "neither a shape nor tensors: 5"),
        ((1, 3, 8, 8), {"precision": "half"}, OptionError, 'precision: got "half"'),
        ((1, 3, 8, 8), {"memory_format": "nhwc"}, OptionError, 'memory_format: got "nhwc"'),
        ((1, 3, 8, 8), {"shapes": None}, OptionError, "shapes: got null"),
        ((1, 3, 8, 8), {"options": 3}, OptionError, "options: got 3"),
        ((1, 3, 8, 8), {"backend": "toy", "threads": 0}, OptionError, "threads: got 0"),
        ((1, 3, 8, 8), {"backend": "toy", "threads": -3}, OptionError, "threads: got -3"),
        ((1, 3, 8, 8), {"threads": "2"}, OptionError, "threads: got '2'"),
        ((1, 3, 8, 8), {"device": "tpu"}, UnsupportedDeploymentError, "not on tpu"),
        # Told before anything is written.
        ((1, "3"), {"backend": "toy", "precision": "int8"}, MeasurementError, "neither a shape nor tensors"),
    ],
)
def test_bad_requests_are_one_line(
    inputs: Any, more: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        bb.deploy(net(), inputs, **more)
    assert "\n" not in str(getattr(caught.value, "problem", ""))
    assert FOLDERS == []


class Pair(NamedTuple):
    large: Tensor
    small: Tensor


class Styled(nn.Module):
    """Takes its inputs by keyword alone, and returns a nest."""

    def forward(self, *, x: Tensor, style: Tensor) -> dict[str, Any]:
        made = x * style[:, :, None, None]
        return {"pair": Pair(made, made.mean((2, 3))), "list": [made + 1], "none": None, "scale": 0.5}


@pytest.mark.parametrize("backend", ["eager", "flat"])
def test_it_returns_the_structure_that_the_module_returns(backend: str) -> None:
    x, style = torch.randn(1, 3, 4, 4), torch.randn(1, 3)
    if backend == "flat":
        # What a file makes has no structure.
        made = Styled()(x=x, style=style)
        session = Session(call=lambda: None, run=lambda given: tuple(flat_outputs(made)))
        BACKENDS.add("flat", replace(BACKENDS.load("toy"), open=lambda *_: session))
    deployed = bb.deploy(Styled(), {"x": x, "style": style}, backend=backend)
    found, wanted = deployed(x=x, style=style), Styled()(x=x, style=style)
    assert list(found) == ["pair", "list", "none", "scale"]
    assert isinstance(found["pair"], Pair)
    assert torch.equal(found["pair"].small, wanted["pair"].small)
    assert isinstance(found["list"], list)
    assert torch.equal(found["list"][0], wanted["list"][0])
    assert (found["none"], found["scale"]) == (None, 0.5)


class Last(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.wrap = wrap

    def forward(self, x: Tensor) -> object:
        return self.wrap(x)


def test_one_tensor_in_a_list_stays_in_it() -> None:
    (made,) = bb.deploy(Last(lambda x: [x]), (1, 3))(torch.ones(1, 3))
    assert made.shape == (1, 3)


def test_another_number_of_tensors_is_told() -> None:
    deployed = bb.deploy(Last(list), (2, 3))
    with pytest.raises(UnsupportedDeploymentError, match="it returns 4 tensors, and the network 2"):
        deployed(torch.ones(4, 3))


def test_names_go_with_shapes_and_calibration() -> None:
    shapes = {"x": (1, 3, 4, 4), "style": [1, 3]}
    seen: list[Network] = []

    def write(network: Network, setup: Setup, folder: Path) -> Path:
        seen.append(network)
        return folder / "none"

    BACKENDS.add(
        "seen", replace(BACKENDS.load("toy"), write=write, open=lambda *_: Session(int, lambda _: ()))
    )
    x, style = torch.ones(1, 3, 4, 4), torch.ones(1, 3)
    bb.deploy(Styled(), shapes, backend="seen", precision="int8", calibration=[{"style": style, "x": x}])
    (network,) = seen
    assert network.places == ("x", "style")
    assert [each.shape for each in network.inputs] == [x.shape, style.shape]
    assert [each.shape for each in network.calibration[0]] == [x.shape, style.shape]


def test_a_network_that_draws_noise_is_refused() -> None:
    with pytest.raises(UnsupportedDeploymentError, match="draws random numbers"):
        bb.deploy(Last(lambda x: x + torch.randn_like(x)), (1, 3))


def test_one_that_changes_its_input_is_taken_and_the_example_stays() -> None:
    example = torch.zeros(1, 3)
    deployed = bb.deploy(Last(lambda x: x.add_(1)), (example,))
    deployed.session.call()
    assert torch.equal(example, torch.zeros(1, 3))
    assert torch.equal(deployed(torch.ones(1, 3)), torch.full((1, 3), 2.0))


def test_half_a_network_is_deployed_in_float32_and_stays_as_it_is() -> None:
    module = nn.Linear(3, 2).half()
    assert (
        bb.deploy(module, (torch.ones(1, 3, dtype=torch.float64),))(torch.ones(1, 3)).dtype == torch.float32
    )
    assert module.weight.dtype == torch.float16


@pytest.mark.parametrize(
    ("module", "inputs", "more", "error", "words"),
    [
        (lambda x: x, (1, 3), {}, OptionError, "module: got <function"),
        (nn.ReLU, (1, 3), {}, OptionError, "module: got <class"),
        (net(), (1, 3, 8, 8), {"calibration": ["a"] * 8}, OptionError, "calibration: set 0 is 'a'"),
        (net(), (1, 3, 8, 8), {"calibration": [[]]}, OptionError, r"calibration: set 0 is \(\)"),
        (net(), (1, 3, 8, 8), {"calibration": 5}, OptionError, "calibration: got 5"),
        (net(), (1, 3), {"calibration": torch.ones(8, 3)}, OptionError, r"got a tensor of \[8, 3\]"),
        (
            Styled(),
            {"x": (1, 3, 4, 4), "style": (1, 3)},
            {"calibration": [{"x": 1}]},
            OptionError,
            "set 0 is {'x': 1}",
        ),
        (
            net(),
            (1, 4, 8, 8),
            {},
            MeasurementError,
            r"Sequential does not take these inputs, \[1, 4, 8, 8\]: ",
        ),
        (Styled(), {"x": (1, 3)}, {}, MeasurementError, r"Styled does not take these inputs, x=\[1, 3\]: "),
        (
            net(),
            {"x": torch.ones(2, 3), "y": "z"},
            {},
            MeasurementError,
            r"{'x': a tensor of \[2, 3\], 'y': 'z'}",
        ),
        (net(), {1: (1, 3)}, {}, MeasurementError, "neither a shape nor tensors"),
        (net(), {}, {}, MeasurementError, "neither a shape nor tensors"),
        (Last(str), (1, 3), {}, UnsupportedDeploymentError, "returns no tensor, but a str"),
    ],
)
def test_what_is_no_network_or_does_not_go_with_it_is_told(
    module: Any, inputs: Any, more: dict[str, Any], error: type[BenchbenchError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        bb.deploy(module, inputs, backend="toy", **more)
    assert "\n" not in caught.value.problem
    assert FOLDERS == []


def test_too_few_sets_to_calibrate_on_are_told_as_an_argument() -> None:
    def write(network: Network, setup: Setup, folder: Path) -> Path:
        calibration_arrays(network)
        raise AssertionError

    BACKENDS.add("calibrated", replace(BACKENDS.load("toy"), write=write))
    with pytest.raises(CalibrationError, match="given 0 examples") as caught:
        bb.deploy(net(), (1, 3, 8, 8), backend="calibrated", precision="int8")
    assert "pass `calibration=[...]`" in str(caught.value.fix)
