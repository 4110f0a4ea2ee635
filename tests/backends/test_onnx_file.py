"""ONNX files: exported, readable, the same each time, and refused in one line where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchbench.core.backends import Network, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import ArtefactError, DependencyError, UnsupportedDeploymentError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from benchbench.backends.onnx_file import input_names, read_onnx, write_onnx  # noqa: E402

STATIC = Setup(Deployment(), None)
DYNAMIC = Setup(Deployment(shapes="dynamic"), None)


class _Untranslatable(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.special.bessel_j0(values)


class _DependsOnData(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return values * 2 if values.sum() > 0 else values


class _FixesItsSide(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.ones(1, 3, 16, 16))

    def forward(self, values: Tensor) -> Tensor:
        return values * self.at


def _shapes(model) -> list[list[int | str]]:
    return [
        [dim.dim_value or dim.dim_param for dim in each.type.tensor_type.shape.dim]
        for each in model.graph.input
    ]


def test_a_file_has_the_networks_inputs_and_nothing_of_this_machine(nets, tmp_path, capfd):
    network = nets.small()
    path = write_onnx(network, STATIC, tmp_path / "model.onnx")
    model = read_onnx(path, network)
    assert [each.name for each in model.graph.input] == ["input", "style"]
    assert _shapes(model) == [[1, 3, 16, 16], [1, 3]]
    assert len(model.graph.output) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert str(Path(__file__).parent.parent.parent).encode() not in path.read_bytes()
    assert capfd.readouterr() == ("", "")
    again = write_onnx(network, STATIC, tmp_path / "again.onnx")
    assert again.read_bytes() == path.read_bytes()


def test_open_shapes_are_open(nets, tmp_path):
    model = read_onnx(write_onnx(nets.small(), DYNAMIC, tmp_path / "model.onnx"), nets.small())
    image, style = _shapes(model)
    assert image[1] == style[1] == 3
    assert all(isinstance(image[dim], str) for dim in (0, 2, 3))
    assert image[0] == style[0]


def test_names_come_from_places():
    values = (torch.rand(1),) * 4
    names = input_names(Network(nn.Identity(), values, ("", ".image", "timestep", "")))
    assert names == ["input", "image", "timestep", "input_3"]


def test_a_network_that_was_made_in_inference_mode_is_exported(tmp_path):
    with torch.inference_mode():
        network = Network(nn.Conv2d(3, 2, 1).eval(), (torch.rand(1, 3, 4, 4),))
        assert write_onnx(network, STATIC, tmp_path / "model.onnx").is_file()


def test_half_precision_is_the_files(tmp_path):
    network = Network(nn.Conv2d(3, 2, 1).eval(), (torch.rand(1, 3, 4, 4),))
    model = onnx.load(write_onnx(network, STATIC, tmp_path / "model.onnx", dtype=torch.float16))
    kinds = {each.data_type for each in model.graph.initializer}
    assert kinds == {onnx.TensorProto.FLOAT16}
    assert network.module.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (_Untranslatable(), "operator prims.bessel_j0 has no translation"),
        (_DependsOnData(), "data-dependent"),
    ],
)
def test_what_does_not_export_is_told_in_one_line(module, said, tmp_path):
    with pytest.raises(UnsupportedDeploymentError, match=said) as caught:
        write_onnx(Network(module, (torch.rand(2, 4),)), STATIC, tmp_path / "model.onnx")
    assert "\n" not in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_a_side_that_the_network_fixes_cannot_be_left_open(tmp_path):
    network = Network(_FixesItsSide(), (torch.rand(1, 3, 16, 16),))
    with pytest.raises(UnsupportedDeploymentError, match=r"height of input 0 cannot be left open.* 16"):
        write_onnx(network, DYNAMIC, tmp_path / "model.onnx")


def test_an_older_torch_is_told(nets, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.4.1+cpu")
    with pytest.raises(DependencyError, match=r"2\.4\.1") as caught:
        write_onnx(nets.small(), STATIC, tmp_path / "model.onnx")
    assert caught.value.fix is not None
    assert "torch>=2.5" in caught.value.fix


@pytest.mark.parametrize("content", [b"", b"not an ONNX file " * 30])
def test_a_foreign_file_is_told_in_one_line(nets, tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"model\.onnx is damaged") as caught:
        read_onnx(path, nets.small())
    assert "\n" not in caught.value.problem


def test_half_a_file_a_missing_one_and_one_of_another_network_are_told(nets, tmp_path):
    path = write_onnx(nets.small(), STATIC, tmp_path / "model.onnx")
    other = Network(nn.Identity(), (torch.rand(1, 3, 8, 8), torch.rand(1, 3)))
    with pytest.raises(
        ArtefactError, match=r"takes \[1, 3, 16, 16\], \[1, 3\], and the network \[1, 3, 8, 8\]"
    ):
        read_onnx(path, other)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtefactError, match="damaged"):
        read_onnx(path, nets.small())
    with pytest.raises(ArtefactError, match="missing"):
        read_onnx(tmp_path / "none.onnx", nets.small())
