from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends.deployed import Deployed
from benchbench.backends.flat import Flat, as_module_returns, flat_outputs
from benchbench.backends.prepare import (
    check_packages,
    missing_packages,
    open_session,
    setup_for,
    write_artefact,
)
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.deployment import Deployment, DeploySpec
from benchbench.core.errors import DependencyError, OptionError, UnknownNameError, UnsupportedDeploymentError
from benchbench.core.model import Options, parse_options
from benchbench.core.registry import BACKENDS


def front(*, fixed: bool, batch: int = 2, places: tuple[str, ...] = ("", "scale")) -> Deployed:
    """Doubles an image by a scale, and counts its calls."""
    seen: list[int] = []

    def run(given: Sequence[Tensor]) -> tuple[Tensor, ...]:
        seen.append(given[0].shape[0])
        return given[0] * given[1], torch.full((given[0].shape[0],), float(len(seen)))

    inputs = (torch.ones(batch, 3, 4, 4), torch.ones(batch, 1, 1, 1))
    session = Session(call=lambda: None, run=run)
    return Deployed(session, inputs, places=places, fixed=fixed, label="toy int8")


def test_it_is_called_as_the_module_would_be() -> None:
    image = torch.randn(2, 3, 4, 4)
    made, _ = front(fixed=True)(image, scale=torch.full((2, 1, 1, 1), 3.0))
    assert torch.equal(made, image * 3)
    with pytest.raises(TypeError, match="no argument for the place 'scale'"):
        front(fixed=True)(image)
    with pytest.raises(TypeError, match="unknown arguments: style"):
        front(fixed=False)(image, scale=torch.ones(2, 1, 1, 1), style=image)


def test_several_batches_run_one_after_the_other_in_their_order() -> None:
    image, scale = torch.randn(6, 3, 4, 4), torch.arange(6.0).reshape(6, 1, 1, 1)
    made, count = front(fixed=True)(image, scale=scale)
    assert torch.equal(made, image * scale)
    assert count.tolist() == [1, 1, 2, 2, 3, 3]
    assert front(fixed=False)(image, scale=scale)[1].tolist() == [1] * 6


@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_that_is_not_full_is_filled_up_and_cut_again(count: int) -> None:
    image, scale = torch.randn(count, 3, 4, 4), torch.arange(count * 1.0).reshape(count, 1, 1, 1)
    made, calls = front(fixed=True)(image, scale=scale)
    assert torch.equal(made, image * scale)
    assert calls.tolist() == [1, 1, 2, 2, 3][:count]


@pytest.mark.parametrize(
    ("made", "shape"),
    [(torch.tensor(2.0), r"\[\]"), (torch.ones(3), r"\[3\]")],
    ids=["a scalar", "channels"],
)
def test_a_result_of_the_whole_batch_is_not_joined(made: Tensor, shape: str) -> None:
    session = Session(call=lambda: None, run=lambda given: (given[0], made))
    module = Deployed(session, (torch.zeros(1, 2),), fixed=True, label="toy")
    assert torch.equal(module(torch.zeros(1, 2))[1], made)
    with pytest.raises(UnsupportedDeploymentError, match=f"shape {shape}: not one per input"):
        module(torch.zeros(2, 2))


@pytest.mark.parametrize(
    ("image", "scale"),
    [((0, 3, 4, 4), (0, 1, 1, 1)), ((2, 3, 5, 4), (2, 1, 1, 1)), ((4, 3, 4, 4), (2, 1, 1, 1))],
)
def test_other_shapes_are_refused_with_both_named(image: tuple[int, ...], scale: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedDeploymentError) as caught:
        front(fixed=True)(torch.ones(image), scale=torch.ones(scale))
    assert "toy int8 was opened for [2, 3, 4, 4], [2, 1, 1, 1]" in caught.value.problem
    assert str(list(image)) in caught.value.problem
    assert "dynamic" in str(caught.value.fix)


def test_a_single_output_is_a_tensor() -> None:
    session = Session(call=lambda: None, run=lambda given: given[0] + 1)
    module = Deployed(session, (torch.zeros(1, 2),), fixed=True, label="toy")
    assert torch.equal(module(torch.zeros(3, 2)), torch.ones(3, 2))


class Nested(nn.Module):
    def forward(self, batch: dict[str, Tensor], scale: Tensor) -> dict[str, Any]:
        return {"made": [batch["image"] * scale, (batch["mask"],)], "count": 3}


def test_flat_takes_positional_tensors_and_returns_a_tuple() -> None:
    image, mask, scale = torch.randn(1, 2), torch.tensor([True]), torch.tensor(2.0)
    flat = Flat(Network(Nested(), (image, mask, scale), ("batch.image", "batch.mask", "scale")))
    made, kept = flat(image, mask, scale)
    assert torch.equal(made, image * 2)
    assert kept is mask


def test_outputs_become_float32_and_others_keep_their_kind() -> None:
    half, whole = torch.ones(2, dtype=torch.float16), torch.tensor([3])
    made = as_module_returns((half, whole))
    assert [each.dtype for each in made] == [torch.float32, torch.int64]
    assert isinstance(as_module_returns((half,)), Tensor)
    with pytest.raises(UnsupportedDeploymentError, match="returns no tensor, but a str"):
        flat_outputs("nothing")


class ToyOptions(Options):
    level: int = 1


def _open(network: Network, setup: Setup, artefact: Path | None) -> Session:
    return Session(call=lambda: artefact, run=lambda given: given[0])


def _write(network: Network, setup: Setup, folder: Path) -> Path:
    path = folder / "model.toy"
    path.write_text(str(setup.options.level))
    return path


TOYS = {
    "toy": Backend(
        options=ToyOptions,
        precisions={"cpu": ("fp32", "fp16")},
        open=_open,
        write=_write,
        shapes=("static",),
        lacks=lambda setup: "no fp16 here" if setup.deployment.precision == "fp16" else None,
    ),
    "absent": Backend(
        options=ToyOptions,
        precisions={"cpu": ("fp32",)},
        open=_open,
        packages=("no_such_package",),
        extra="toy",
    ),
}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(BACKENDS, "_added", dict(TOYS))
    return


@pytest.mark.usefixtures("toys")
@pytest.mark.parametrize(
    ("declared", "device", "problem"),
    [
        ({"backend": "toy", "precision": "int8"}, "cpu", "'toy' has no int8 on cpu"),
        ({"backend": "toy"}, "cuda", "'toy' runs on cpu alone, not on cuda"),
        ({"backend": "toy", "memory_format": "channels_last"}, "cpu", "chooses the memory format itself"),
        ({"backend": "toy", "shapes": "dynamic"}, "cpu", "takes static shapes alone"),
        ({"backend": "toy", "precision": "fp16"}, "cpu", "toy fp16: no fp16 here"),
    ],
)
def test_what_a_backend_does_not_have_is_one_line(
    declared: dict[str, Any], device: str, problem: str
) -> None:
    with pytest.raises(UnsupportedDeploymentError) as caught:
        setup_for(Deployment(**declared), device=device, threads=1)
    assert problem in caught.value.problem
    assert "\n" not in caught.value.problem


@pytest.mark.usefixtures("toys")
def test_a_missing_package_names_the_command() -> None:
    assert missing_packages(TOYS["absent"]) == ("no_such_package",)
    with pytest.raises(DependencyError) as caught:
        check_packages(Deployment(backend="absent"))
    assert caught.value.fix == "pip install 'benchbench[toy]'"
    with pytest.raises(UnknownNameError):
        check_packages(Deployment(backend="toyy"))


@pytest.mark.usefixtures("toys")
def test_options_are_checked_and_handed_on(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="unknown option 'levels'"):
        setup_for(Deployment(backend="toy", options={"levels": 2}), device="cpu", threads=1)
    setup = setup_for(Deployment(backend="toy", options={"level": 7}), device="cpu", threads=3)
    assert (setup.options.level, setup.threads) == (7, 3)
    network = Network(nn.Identity(), (torch.ones(1),))
    path = write_artefact(network, setup, tmp_path / "new")
    assert path == tmp_path / "new" / "model.toy"
    assert path.read_text() == "7"
    assert open_session(network, setup, path).call() == path


WRITES = {
    "eager": False,
    "channels_last": False,
    "compile": False,
    "cuda_graph": False,
    "onnxruntime": True,
    "openvino": True,
    "tensorrt": True,
}


def test_every_backend_of_our_own_is_known_here() -> None:
    assert {entry.name for entry in BACKENDS.entries() if entry.package == "benchbench"} == set(WRITES)


@pytest.mark.parametrize(("name", "writes"), WRITES.items())
def test_every_registered_backend_holds_to_the_contract(name: str, writes: bool) -> None:
    backend = BACKENDS.load(name)
    assert set(backend.precisions) <= {"cpu", "cuda"}
    assert all("fp32" in had for had in backend.precisions.values())
    assert "static" in backend.shapes
    assert "contiguous" in backend.memory_formats
    assert (backend.write is not None) == writes
    # What a suite may declare in a deployment of any backend is no backend's own.
    assert not set(backend.options.model_fields) & set(DeploySpec.model_fields)
    # Whatever needs a package says which extra brings it.
    assert bool(backend.packages) == bool(backend.extra)
    assert parse_options("backend", name, backend.options, {}) == backend.options()
