from __future__ import annotations

import copy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.architectures.build import build_architecture
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import ArchitectureError, OptionError, UnknownNameError
from benchbench.core.stages import origin_of
from benchbench.core.suite import ArchitectureSpec

MODELS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Linear(8, 8))
        self.cache = None

    def forward(self, x):
        self.cache = torch.zeros(1, device=x.device)
        return self.body(x)

class Plain(Net):
    def __init__(self):
        super().__init__()
        self.shift = torch.ones(1)

    def forward(self, x):
        return super().forward(x) + self.shift

def build(width=4):
    return Net(width)

class Lazy(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d())

    def forward(self, x):
        return self.body(x)

def scripted():
    class Compiled(torch.jit.ScriptModule):
        pass
    return Compiled()

def broken():
    raise ValueError("no weights here")

def number():
    return 3

value = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "their_models.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere", *__import__("sys").path])
    monkeypatch.delitem(__import__("sys").modules, "their_models", raising=False)
    return tmp_path


def imported(target: str, **more: object) -> ArchitectureSpec:
    return ArchitectureSpec.model_validate({"import": target, "input": [1, 3, 8, 8], **more})


def test_same_seed_same_weights() -> None:
    first, second, third = (seeded(seed) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def seeded(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return nn.utils.parameters_to_vector(bb.build("transformer_net", width=2, blocks=1).parameters())


@pytest.mark.parametrize(
    ("name", "options", "kind", "words"),
    [
        ("transformernet", {}, UnknownNameError, "did you mean 'transformer_net'?"),
        ("transformer_net", {"widht": 8}, OptionError, "did you mean 'width'?"),
        ("transformer_net", {"width": 0}, OptionError, "greater than or equal to 1"),
        ("transformer_net", {"width": "8"}, OptionError, 'width: got "8"'),
        ("transformer_net", {"upsample": "cubic"}, OptionError, "'nearest' or 'bilinear'"),
    ],
)
def test_wrong_requests_are_told(
    name: str, options: dict[str, object], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        bb.build(name, **options)
    assert words in str(caught.value)


def test_built_module_knows_its_origin_and_a_copy_too() -> None:
    model = bb.build("transformer_net", width=2, blocks=1)
    for each in (model, copy.deepcopy(model)):
        origin = origin_of(each)
        assert origin is not None
        assert (origin.name, list(origin.stages)) == ("transformer_net", ["encoder", "residual", "decoder"])
    assert not [key for key in model.state_dict() if "origin" in key]


def test_input_of_a_registered_architecture_can_be_given() -> None:
    spec = ArchitectureSpec.model_validate({"name": "transformer_net", "width": 2, "input": [1, 3, 32, 32]})
    assert build_architecture(spec).inputs == (InputSpec(shape=(1, 3, 32, 32), field="input"),)


def test_import_builds_and_leaves_the_module_as_it_was(folder: Path) -> None:
    built = build_architecture(imported("their_models:build", kwargs={"width": 6}, stages={"all": ["body"]}))
    assert built.module.body[0].out_channels == 6
    assert built.module.cache is None
    assert built.module.training
    assert dict(built.stages) == {"all": ("body",)}


def test_stages_that_an_import_does_not_declare_are_guessed(folder: Path) -> None:
    built = build_architecture(imported("their_models:build"))
    assert (built.stages, built.stages_guessed) == ({"residual": ("body",)}, True)
    declared = build_architecture(imported("their_models:build", stages={"all": ["body"]}))
    assert not declared.stages_guessed


def test_module_that_keeps_plain_tensors_is_checked_for_real(folder: Path) -> None:
    assert build_architecture(imported("their_models:Plain")).module.shift.item() == 1
    with pytest.raises(ArchitectureError, match=r"does not take input \[1, 4, 8, 8\]"):
        build_architecture(imported("their_models:Plain", input=[1, 4, 8, 8]))


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"import": "their_modles:build"}, "no module 'their_modles'"),
        ({"import": "their_models:biuld"}, "did you mean 'build'?"),
        ({"import": "their_models:value"}, "is a int"),
        ({"import": "their_models:number"}, "returned a int"),
        ({"import": "their_models:scripted"}, "returned a TorchScript module"),
        ({"import": "their_models:Lazy", "input": [1, 3]}, "does not take input [1, 3]"),
        ({"import": "their_models:broken"}, "raised ValueError: no weights here"),
        ({"import": "their_models:build", "kwargs": {"wdith": 3}}, "did you mean 'width'?"),
        ({"import": "their_models:build", "input": [1, 4, 8, 8]}, "does not take input [1, 4, 8, 8]"),
        ({"import": "their_models:build", "stages": {"all": "bdy"}}, "did you mean 'body'?"),
        ({"import": "their_models:build", "stages": {"all": "x.*"}}, "no module matches 'x.*'"),
        ({"import": "their_models:build", "attribute": "bodi.0"}, "did you mean 'body.0'?"),
        ({"import": "their_models:build", "attribute": "cache"}, "'cache' of what 'their_models:build'"),
        ({"import": "their_modles.py:build"}, "did you mean 'their_models.py'?"),
        ({"import": "their_models.py:biuld"}, "did you mean 'build'?"),
    ],
)
def test_wrong_imports_are_told(folder: Path, spec: dict[str, object], words: str) -> None:
    with pytest.raises(ArchitectureError) as caught:
        build_architecture(ArchitectureSpec.model_validate({"input": [1, 3, 8, 8], **spec}))
    assert words in str(caught.value)


def test_module_that_fails_to_import_is_told(folder: Path) -> None:
    (folder / "needs_more.py").write_text("import a_package_that_is_absent")
    with pytest.raises(ArchitectureError, match="needs 'a_package_that_is_absent'"):
        build_architecture(imported("needs_more:build"))


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_lazy_layers_take_their_shape_from_the_declared_input(folder: Path, device: str) -> None:
    with torch.device(device):
        built = build_architecture(imported("their_models:Lazy"))
    convolution, norm = built.module.body
    assert tuple(convolution.weight.shape) == (4, 3, 3, 3)
    assert norm.num_features == 4
    assert built.module.training
    assert norm.training
    if device == "cpu":
        assert not norm.running_mean.any()
    assert bb.count(built.module).parameters == 4 * 27 + 4 + 2 * 4


def test_a_file_of_a_package_is_told_by_its_name_in_it(folder: Path) -> None:
    (folder / "their_package").mkdir()
    (folder / "their_package" / "net.py").write_text("from .layers import Layer")
    for path in ("their_package/net.py", f"{folder}/their_package/net.py"):
        with pytest.raises(ArchitectureError, match=r"name it as one, 'their_package\.net:build'"):
            build_architecture(imported(f"{path}:build"))


def test_a_module_that_defines_nothing_is_told(folder: Path) -> None:
    (folder / "their_folder").mkdir()
    with pytest.raises(ArchitectureError) as caught:
        build_architecture(imported("their_folder:build"))
    assert str(caught.value) == (
        "'their_folder' has no 'build'\n"
        "  expected: a callable: nothing is defined in it\n"
        "  to do: correct what stands after the colon"
    )


def test_modules_beside_a_suite_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", list(__import__("sys").path))
    (tmp_path / "beside_suite.py").write_text(MODELS)
    assert isinstance(
        build_architecture(imported("beside_suite:build"), folders=[tmp_path]).module, nn.Module
    )


def test_a_file_is_found_beside_the_suite_then_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [*sys.path])
    for name, width in (("suite", 5), ("here", 7)):
        (tmp_path / name / "models").mkdir(parents=True)
        (tmp_path / name / "models" / "beside.py").write_text(f"WIDTH = {width}")
        (tmp_path / name / "models" / "mine.py").write_text(
            f"{MODELS}\ndef wide():\n    import beside\n    return Net(beside.WIDTH)\n"
        )
    (tmp_path / "here" / "only_here.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path / "here")
    spec = imported("models/mine.py:wide")
    assert build_architecture(spec, folders=[tmp_path / "suite"]).module.body[0].out_channels == 5
    monkeypatch.delitem(sys.modules, "beside")
    assert build_architecture(spec).module.body[0].out_channels == 7
    assert build_architecture(imported("only_here.py:build"), folders=[tmp_path / "suite"]).name
    monkeypatch.delitem(sys.modules, "beside")


def test_a_file_that_is_not_there_is_told_with_where_it_was_looked_for(folder: Path) -> None:
    with pytest.raises(ArchitectureError) as caught:
        build_architecture(imported("models/none.py:build"), folders=[folder / "suite"])
    assert str(caught.value) == (
        "there is no file 'models/none.py'\n"
        f"  expected: one of {folder}/suite/models/none.py, {folder}/models/none.py\n"
        "  to do: give the path from the suite's folder, or from the working directory"
    )


def test_a_file_that_raises_is_told_in_one_line_and_can_be_corrected(folder: Path) -> None:
    (folder / "bad.py").write_text("raise ValueError('first\\nsecond')")
    with pytest.raises(ArchitectureError) as caught:
        build_architecture(imported("bad.py:build"))
    assert str(caught.value) == ("importing 'bad.py' raised ValueError: first\n  to do: python bad.py")
    (folder / "bad.py").write_text(MODELS)
    assert build_architecture(imported("bad.py:build")).name == "bad.py:build"


def test_an_attribute_is_a_part_of_what_is_built(folder: Path) -> None:
    built = build_architecture(imported("their_models:build", attribute="body.0"))
    assert isinstance(built.module, nn.Conv2d)
    assert built.name == "their_models:build, body.0"


def test_a_module_object_is_copied_so_that_one_variant_does_not_show_in_another(folder: Path) -> None:
    (folder / "objects.py").write_text(f"{MODELS}\nnet = Net(4)\n")
    first, second = (build_architecture(imported("objects.py:net")).module for _ in range(2))
    assert first is not second
