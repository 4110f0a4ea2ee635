from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbench.core.errors import CheckpointError, OptionError
from benchbench.core.examples import Splits
from benchbench.core.model import parse_options
from benchbench.data.images import read_image
from benchbench.data.photos import PhotosOptions, open_photos
from benchbench.training.loop import train
from benchbench.training.perceptual import PerceptualOptions, recipe

SMALL = {
    "steps": 30, "batch": 2, "samples": 2, "style": "coffee", "style_size": 32, "device": "cpu",
    "style_layers": ["relu1_2", "relu2_2"], "features": {"width": 4}, "lr": 0.01,
}  # fmt: skip


@pytest.fixture(scope="module")
def splits() -> Splits:
    return open_photos(PhotosOptions(size=32, train=8, validation=3, test=3, images=("rocket",)), 0)


def run(folder, splits, **changes: object):
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1))
    options = parse_options("recipe", "perceptual", PerceptualOptions, {**SMALL, **changes})
    return train(
        module, recipe=recipe, options=options, images=splits, seed=0, folder=folder, name="a", say=str
    )


def test_the_loss_falls_and_every_term_has_its_curve(tmp_path, splits):
    outcome = run(tmp_path, splits)
    curves = {each.name: each for each in outcome.curves}
    assert set(curves) == {
        "train/loss", "train/content", "train/style", "train/tv", "learning_rate",
        "validation/loss", "validation/content", "validation/style", "validation/tv",
    }  # fmt: skip
    losses = curves["validation/loss"].values
    assert losses[-1] < 0.5 * losses[0]
    for step in range(30):
        parts = sum(curves[f"train/{name}"].values[step] for name in ("content", "style", "tv"))
        assert curves["train/loss"].values[step] == pytest.approx(parts, rel=1e-5)


def test_the_pictures_are_of_the_test_split(tmp_path, splits):
    outcome = run(tmp_path, splits)
    by_key = {(image.role, image.index, image.step): image for image in outcome.images}
    assert set(by_key) == {
        ("style", 0, None), ("content", 0, None), ("content", 1, None),
        ("output", 0, 2), ("output", 1, 2), ("output", 0, 30), ("output", 1, 30),
    }  # fmt: skip
    assert torch.equal(read_image(tmp_path / by_key["content", 1, None].path), splits.test[1])
    early, late = (read_image(tmp_path / by_key["output", 0, step].path) for step in (2, 30))
    assert not torch.equal(early, late)


def test_without_validation_images_nothing_is_validated(tmp_path, splits):
    bare = Splits(splits.train, type(splits.test)((), {}), splits.test, "x")
    names = {each.name for each in run(tmp_path, bare, steps=4).curves}
    assert not any(name.startswith("validation") for name in names)


def test_weights_that_are_not_here_stop_it_before_it_begins(tmp_path, splits, monkeypatch):
    monkeypatch.delenv("BENCHBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match="'imagenet' is asked for and not here"):
        run(tmp_path, splits, features={"weights": "imagenet"})


def test_the_defaults_are_the_papers_where_it_states_them():
    options = PerceptualOptions()
    assert (options.lr, options.steps, options.epochs) == (1e-3, None, None)


def test_a_misspelt_option_gets_its_nearest():
    with pytest.raises(OptionError, match="style_wieght"):
        parse_options("recipe", "perceptual", PerceptualOptions, {"style_wieght": 1.0})
