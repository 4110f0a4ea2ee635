from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchbench.core.errors import FeatureError, OptionError, UnknownNameError
from benchbench.core.features import Extractor, FeatureContext
from benchbench.quality.load import load_features

MODULE = """
import torch

OFFSET = 1.0
number = 3


class Drawn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x.mean(dim=(2, 3)))


class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, width, 1)
        torch.nn.init.constant_(self.layer.weight, 1.0)
        torch.nn.init.constant_(self.layer.bias, 0.0)
        self.norm = torch.nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(self.layer(x)).mean(dim=(2, 3))


def build(width=4):
    return Net(width)


def function():
    return lambda x: x.mean(dim=(2, 3)) + OFFSET


def plainly(x):
    return x.mean(dim=(2, 3))


def two(x, y):
    return x


def flat():
    return lambda x: x


def whole():
    return lambda x: x.mean(dim=(2, 3)).long()


def broken():
    return lambda x: x.mean(dim=(2, 3)) @ x.mean(dim=(2, 3))


def holes():
    return lambda x: x.mean(dim=(2, 3)) * float("nan")


def text():
    return lambda x: "features"


def nothing():
    return None


def raises():
    raise ValueError("no weights here")


def doubles():
    return lambda x: x.double().mean(dim=(2, 3))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "myfeatures.py").write_text(MODULE)
    return tmp_path


def context(folder: Path) -> FeatureContext:
    def reference() -> torch.Tensor:
        raise AssertionError("a user's own extractor is not trained")

    return FeatureContext(
        device="cpu",
        reference=reference,
        reference_digest="",
        cache=folder,
        say=lambda line: None,
        folders=(folder,),
    )


def load(folder: Path, name: str, **options: object) -> Extractor:
    return load_features(f"{folder / 'myfeatures.py'}:{name}", {"side": 8, **options}, context(folder))


def images(value: float = 51.0) -> torch.Tensor:
    return torch.full((3, 3, 8, 8), value)


def test_a_registered_name_gets_its_own_options(tmp_path: Path):
    assert load_features("rand_conv", {"dimensions": 64}, context(tmp_path)).label == "rand-conv-64"
    with pytest.raises(OptionError, match="feature extractor 'rand_conv': unknown option 'sides'") as caught:
        load_features("rand_conv", {"sides": 32}, context(tmp_path))
    assert caught.value.fix == "did you mean 'side'?"


def test_an_unknown_name_is_told_the_nearest(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="unknown feature extractor 'randconv'") as caught:
        load_features("randconv", {}, context(tmp_path))
    assert caught.value.fix == "did you mean 'rand_conv'?"


def test_a_module_in_eval_mode_with_its_keyword_arguments(folder: Path):
    extractor = load(folder, "build", kwargs={"width": 5})
    assert (extractor.dimensions, extractor.side, extractor.members) == (5, 8, 1)
    # Batch norm in training mode would make zeros of them.
    found = extractor.run(images()).features
    assert found.shape == (3, 1, 5)
    assert torch.allclose(found, torch.full_like(found, 153 / (1 + 1e-5) ** 0.5))


def test_a_function_gets_the_declared_range(folder: Path):
    assert torch.allclose(load(folder, "function").run(images()).features, torch.tensor(52.0))
    unit = load(folder, "function", range="unit")
    assert torch.allclose(unit.run(images()).features, torch.tensor(1.2))
    assert unit.settings["range"] == "unit"


def test_labels(folder: Path):
    # Where the file lies is no part of the name.
    assert load(folder, "function").label == "myfeatures.py:function"
    assert load(folder, "function", label="mine-2").label == "mine-2"
    for label in ("inception", "clip-vit-b-32", "rand-conv-512"):
        with pytest.raises(OptionError, match="reads like"):
            load(folder, "function", label=label)
    with pytest.raises(OptionError, match="label"):
        load(folder, "function", label="fid]")


def test_other_weights_or_source_have_another_hash(folder: Path, tmp_path: Path):
    assert load(folder, "build").weights_hash == load(folder, "build").weights_hash
    assert load(folder, "build").weights_hash != load(folder, "build", kwargs={"width": 3}).weights_hash
    changed = tmp_path / "other"
    changed.mkdir()
    (changed / "myfeatures.py").write_text(MODULE.replace("OFFSET = 1.0", "OFFSET = 2.0"))
    assert load(folder, "function").weights_hash != load(changed, "function").weights_hash
    # The weights are the same ones; that the code is not is in the settings.
    assert load(folder, "build").weights_hash == load(changed, "build").weights_hash
    assert load(folder, "build").settings != load(changed, "build").settings


def test_weights_that_are_drawn_are_the_same_every_time(folder: Path):
    state = torch.random.get_rng_state()
    assert load(folder, "Drawn").weights_hash == load(folder, "Drawn").weights_hash
    assert torch.equal(state, torch.random.get_rng_state())


def test_a_dotted_module_is_looked_for_in_the_folders(folder: Path, monkeypatch: pytest.MonkeyPatch):
    import sys

    monkeypatch.setattr(sys, "path", [*sys.path])
    extractor = load_features("myfeatures:function", {"side": 8}, context(folder))
    monkeypatch.delitem(sys.modules, "myfeatures")
    assert extractor.label == "myfeatures:function"


def test_double_features_become_float32(folder: Path):
    assert load(folder, "doubles").run(images()).features.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("flat", r"shape \[2, 3, 8, 8\] for 2 images"),
        ("whole", "torch.int64"),
        ("broken", r"raised RuntimeError: mat1 and mat2.*for images \[2, 3, 8, 8\]"),
        ("holes", "NaN or infinity for 2 of 2"),
        ("text", "gave a str"),
        ("nothing", "returned a NoneType"),
        ("raises", "raised ValueError: no weights here"),
        ("two", "missing a required argument: 'x'"),
        ("number", "is a int"),
        ("bild", "has no 'bild'"),
    ],
)
def test_what_is_no_extractor(folder: Path, name: str, told: str):
    with pytest.raises(FeatureError, match=told):
        load(folder, name)


def test_a_function_of_images_is_an_extractor_itself(folder: Path):
    extractor = load(folder, "plainly")
    assert extractor.dimensions == 3
    given = images()
    assert torch.allclose(extractor.run(given).features[:, 0], given.mean(dim=(2, 3)))


def test_a_mistyped_argument_is_told_the_nearest(folder: Path):
    with pytest.raises(FeatureError, match="arguments of") as caught:
        load(folder, "build", kwargs={"widht": 3})
    assert caught.value.fix == "did you mean 'width'?"


def test_images_that_make_nan_later(folder: Path):
    extractor = load(folder, "function")
    bad = images()
    bad[1] = float("nan")
    with pytest.raises(FeatureError, match="NaN or infinity for 1 of 3 images"):
        extractor.run(bad)


def test_no_such_file_or_module(tmp_path: Path):
    with pytest.raises(FeatureError, match="there is no file 'nowhere"):
        load_features("nowhere.py:build", {}, context(tmp_path))
    with pytest.raises(FeatureError, match="no module 'nowhere_at_all'"):
        load_features("nowhere_at_all:build", {}, context(tmp_path))


def test_without_source_nothing_tells_when_it_changes(tmp_path: Path):
    with pytest.raises(FeatureError, match="source text cannot be found"):
        load_features("math:sqrt", {}, context(tmp_path))
