from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import benchbench as bb
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.errors import (
    ArtefactError,
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
