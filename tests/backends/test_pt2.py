from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends.eager import EagerOptions
from benchbench.backends.pt2 import open_pt2, write_pt2
from benchbench.core.backends import Network, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import ArtefactError, UnsupportedDeploymentError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=2, padding=1, padding_mode="reflect")
        self.norm = nn.InstanceNorm2d(4, affine=True)

    def forward(self, image: Tensor, *, label: Tensor) -> dict[str, Tensor]:
        found = self.norm(self.first(image)) * label.float()[:, None, None, None]
        return {"image": nn.functional.interpolate(found, scale_factor=2.0), "label": label + 1}


class Branches(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image if image.sum() > 0 else -image


def network() -> Network:
    torch.manual_seed(0)
    return Network(Net().eval(), (torch.randn(1, 3, 8, 8), torch.tensor([3])), ("", "label"))


def setup(**deployment: Any) -> Setup:
    return Setup(Deployment(**deployment), EagerOptions())


def expected(of: Network, image: Tensor, label: Tensor) -> Tensor:
    with torch.no_grad():
        made: Tensor = of.module(image, label=label)["image"]
    return made


@pytest.mark.parametrize("deployment", [{}, {"precision": "bf16"}, {"memory_format": "channels_last"}])
def test_a_program_read_back_gives_the_same(deployment: dict[str, Any], tmp_path: Path) -> None:
    own = network()
    path = write_pt2(own, setup(**deployment), tmp_path / "new")
    assert path == tmp_path / "new" / "model.pt2"
    session = open_pt2(path, Network(nn.Identity(), own.inputs, own.places), setup(**deployment))
    image, label = session.run(own.inputs)
    bound = 0.05 if "precision" in deployment else 1e-5
    assert (image - expected(own, *own.inputs)).abs().max() <= bound
    assert label.tolist() == [4]
    assert isinstance(session.call(), tuple)
    assert next(own.module.parameters()).dtype == torch.float32
    with pytest.raises(UnsupportedDeploymentError, match="opened for"):
        session.run((torch.ones(2, 3, 8, 8), torch.tensor([1, 2])))


def test_open_shapes(tmp_path: Path) -> None:
    own = network()
    session = open_pt2(write_pt2(own, setup(shapes="dynamic"), tmp_path), own, setup(shapes="dynamic"))
    for shape in ((1, 3, 8, 8), (3, 3, 12, 10)):
        given = (torch.randn(shape), torch.arange(shape[0]))
        assert (session.run(given)[0] - expected(own, *given)).abs().max() < 1e-6
    with pytest.raises(UnsupportedDeploymentError, match="not exported for these shapes"):
        session.run((torch.randn(2, 4, 8, 8), torch.tensor([1, 2])))


def test_what_cannot_be_exported_is_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    own = Network(Branches().eval(), (torch.ones(1, 2),))
    with pytest.raises(UnsupportedDeploymentError) as caught:
        write_pt2(own, setup(), tmp_path)
    assert caught.value.problem.startswith("its forward pass depends on the values of tensors")
    assert "\n" not in caught.value.problem
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("harm", ["missing", "short", "foreign", "changed"])
def test_a_file_that_is_not_whole(harm: str, tmp_path: Path) -> None:
    own = network()
    path = write_pt2(own, setup(), tmp_path)
    whole = path.read_bytes()
    if harm == "missing":
        path.unlink()
    elif harm == "short":
        path.write_bytes(whole[: len(whole) // 2])
    elif harm == "foreign":
        path.write_bytes(b"not a program")
    else:
        path.write_bytes(whole[:2000] + bytes([whole[2000] ^ 255]) + whole[2001:])
    with pytest.raises(ArtefactError) as caught:
        open_pt2(path, own, setup())
    assert str(path) in caught.value.problem
    assert "\n" not in caught.value.problem


@pytest.mark.parametrize(
    "inputs",
    [
        (torch.ones(1, 3, 8, 8),),
        (torch.ones(1, 3, 8, 9), torch.tensor([1])),
        (torch.ones(1, 3, 8, 8), torch.tensor([1.0])),
    ],
)
def test_the_program_of_another_network(inputs: tuple[Tensor, ...], tmp_path: Path) -> None:
    path = write_pt2(network(), setup(), tmp_path)
    with pytest.raises(
        ArtefactError, match=r"takes \[1, 3, 8, 8\] of float32, \[1\] of int64, and the network"
    ):
        open_pt2(path, Network(nn.Identity(), inputs), setup())
