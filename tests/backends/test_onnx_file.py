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

from benchbench.backends.onnx_file import check_onnx, input_names, write_onnx  # noqa: E402

STATIC = Setup(Deployment(), None)
DYNAMIC = Setup(Deployment(shapes="dynamic"), None)


class _Untranslatable(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.special.bessel_j0(values)


class _NamedAsOperators(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Conv2d(3, 4, 1)

    def forward(self, image: Tensor, *, mean: Tensor, conv2d: Tensor) -> Tensor:
        made = self.part(image)
        return made - made.mean() * mean + conv2d


class _HasBranches(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.cond(values.sum() > 0, lambda x: x.sin() * 2, lambda x: x.cos(), (values,))


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
    check_onnx(path)
    model = onnx.load(path)
    assert [each.name for each in model.graph.input] == ["input", "style"]
    assert _shapes(model) == [[1, 3, 16, 16], [1, 3]]
    assert len(model.graph.output) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["model.onnx"]
    assert str(Path(__file__).parent.parent.parent).encode() not in path.read_bytes()
    assert capfd.readouterr() == ("", "")
    again = write_onnx(network, STATIC, tmp_path / "again.onnx")
    assert again.read_bytes() == path.read_bytes()


def test_open_shapes_are_open(nets, tmp_path):
    model = onnx.load(write_onnx(nets.small(), DYNAMIC, tmp_path / "model.onnx"))
    image, style = _shapes(model)
    assert image[1] == style[1] == 3
    assert all(isinstance(image[dim], str) for dim in (0, 2, 3))
    assert image[0] == style[0]


def test_names_come_from_places():
    values = (torch.rand(1),) * 4
    names = input_names(Network(nn.Identity(), values, ("", ".image", "timestep", "")))
    assert names == ["input", "image", "timestep", "input_3"]
    twice = input_names(Network(nn.Identity(), values, ("a_1", "a", ".a", "b")), {"b", "b_"})
    assert twice == ["a_1", "a", "a_2", "b__"]


def test_a_keyword_may_be_called_as_an_operator(tmp_path):
    values = (torch.rand(1, 3, 4, 4), torch.rand(1), torch.rand(1))
    network = Network(_NamedAsOperators().eval(), values, ("", "mean", "conv2d"))
    path = write_onnx(network, STATIC, tmp_path / "model.onnx")
    graph = onnx.load(path).graph
    names = [each.name for each in graph.input]
    assert [each.rstrip("_") for each in names] == ["input", "mean", "conv2d"]
    assert not set(names) & {name for node in graph.node for name in node.output}
    again = write_onnx(network, STATIC, tmp_path / "again.onnx")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("error", "told"), [(ValueError("no such type"), True), (OSError("full"), False)])
def test_what_is_not_written_whole_is_not_left(nets, tmp_path, monkeypatch, error, told):
    def fails(path: str, **options: object) -> None:
        assert Path(path).is_file()
        raise error

    monkeypatch.setattr(onnx.checker, "check_model", fails)
    kind, words = (UnsupportedDeploymentError, "not valid ONNX: ValueError: no such type")
    with pytest.raises(kind if told else OSError, match=words if told else "full"):
        write_onnx(nets.small(), STATIC, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_branches_hold_nothing_of_this_machine_either(tmp_path):
    path = write_onnx(Network(_HasBranches(), (torch.rand(1, 3),)), STATIC, tmp_path / "model.onnx")
    inner = [
        attribute.g
        for node in onnx.load(path).graph.node
        for attribute in node.attribute
        if attribute.HasField("g")
    ]
    assert [len(each.node) for each in inner] == [2, 1]
    content = path.read_bytes()
    for folder in (Path(__file__), Path(torch.__file__)):
        assert str(folder.parent.parent).encode() not in content
    assert b"stack_trace" not in content


def test_bfloat16_is_an_operator_set_that_has_it(tmp_path):
    network = Network(nn.Conv2d(3, 2, 1).eval(), (torch.rand(1, 3, 4, 4),))
    model = onnx.load(write_onnx(network, STATIC, tmp_path / "model.onnx", dtype=torch.bfloat16))
    assert {each.data_type for each in model.graph.initializer} == {onnx.TensorProto.BFLOAT16}
    assert model.opset_import[0].version >= 22


def test_double_inputs_are_taken_as_eager_torch_takes_them(tmp_path):
    network = Network(nn.Conv2d(3, 2, 1).eval(), (torch.rand(1, 3, 4, 4, dtype=torch.float64),))
    graph = onnx.load(write_onnx(network, STATIC, tmp_path / "model.onnx")).graph
    assert graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT


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
        (_DependsOnData(), "depends on the values of tensors"),
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
def test_a_foreign_file_is_told_in_one_line(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"model\.onnx is damaged") as caught:
        check_onnx(path)
    assert "\n" not in caught.value.problem


def test_half_a_file_and_a_missing_one_are_told(nets, tmp_path):
    path = write_onnx(nets.small(), STATIC, tmp_path / "model.onnx")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ArtefactError, match="damaged"):
        check_onnx(path)
    with pytest.raises(ArtefactError, match="missing"):
        check_onnx(tmp_path / "none.onnx")


class Branching(nn.Module):
    """Does something else where its input is bright."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.mean() > 0.3:
            return image * 2
        return image


def test_a_network_that_branches_on_values_is_told_its_line_and_what_to_write(nets, tmp_path):
    network = Network(Branching(), (torch.rand(1, 3, 8, 8),))
    with pytest.raises(UnsupportedDeploymentError, match="depends on the values of tensors") as caught:
        write_onnx(network, nets.setup("onnxruntime"), tmp_path / "model.onnx")
    assert "if image.mean() > 0.3" in caught.value.problem
    assert "torch.where" in str(caught.value.fix)
