from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.errors import DataError
from benchbench.core.examples import Splits
from benchbench.core.model import parse_options
from benchbench.core.suite import ArchitectureSpec, TrainSpec
from benchbench.data.images import open_image
from benchbench.data.photos import PhotosOptions, open_photos
from benchbench.measures.perceptual_loss import PerceptualLossOptions, measure
from benchbench.quality.perceptual import LossOptions, PerceptualLoss, loss_layers
from benchbench.quality.vgg_weights import load_vgg

LOSS = {"style_size": 32, "style_layers": ["relu1_2", "relu2_2"], "features": {"width": 4}}
RECIPE = {"recipe": "perceptual", "steps": 3, **LOSS}


@pytest.fixture(scope="module")
def splits() -> Splits:
    return open_photos(PhotosOptions(size=32, train=2, validation=1, test=5, images=("coffee", "rocket")), 0)


def subject(module: nn.Module | None = None, train: dict[str, object] | None = RECIPE) -> Subject:
    cell = Cell(
        variant="v",
        architecture=ArchitectureSpec.model_validate("transformer_net"),
        train=TrainSpec.model_validate(train) if train else None,
    )
    return Subject("v", module or nn.Identity(), (), cell=cell)


def take(splits: Splits, one: Subject, **given: object):
    options = parse_options("measure", "perceptual_loss", PerceptualLossOptions, given)
    context = MeasureContext(seed=0, folder=None, images=lambda: splits, say=str)
    assert measure.per_cell is not None
    return measure.per_cell(one, options, context)


def test_one_sample_per_crop_with_an_interval_around_the_mean(splits):
    found = {each.name: each for each in take(splits, subject()).measurements}
    assert set(found) == {"perceptual_loss", "content_loss", "style_loss"}
    for each in found.values():
        assert (each.unit, each.direction) == ("1", "lower")
        assert len(each.samples[0]) == 5
        assert each.value == pytest.approx(sum(each.samples[0]) / 5)
        assert each.value in each.interval
        assert each.flags == ("random-weights VGG-16 (seed 0, width 4): not comparable to the paper",)


def test_what_leaves_the_photograph_as_it_is_has_no_content_loss(splits):
    found = {each.name: each for each in take(splits, subject()).measurements}
    assert found["content_loss"].value == 0
    assert found["style_loss"].value > 0


def test_the_values_are_those_of_the_loss_itself(splits):
    torch.manual_seed(0)
    module = nn.Conv2d(3, 3, 3, padding=1)
    options = parse_options("x", "y", LossOptions, LOSS)
    style = open_image(options.style, size=32).float() / 255
    loss = PerceptualLoss(load_vgg(loss_layers(options), options.features), style, options)
    images = torch.stack([splits.test[index] for index in range(5)]).float() / 255
    with torch.no_grad():
        expected = loss(module(images), images)
    found = {each.name: each for each in take(splits, subject(module)).measurements}
    assert found["perceptual_loss"].samples[0] == pytest.approx(expected.total.tolist(), rel=1e-4)
    assert found["content_loss"].samples[0] == pytest.approx(expected.content.tolist(), rel=1e-4)


def test_the_protocol_tells_apart_what_cannot_be_compared(splits):
    def hash_of(**changes: object) -> str:
        return take(splits, subject(train={**RECIPE, **changes})).measurements[0].protocol.hash

    assert hash_of() == hash_of(steps=9)
    others = [
        hash_of(style="rocket"),
        hash_of(style_weight=9.0),
        hash_of(content_layer="relu1_1"),
        hash_of(features={"width": 5}),
        take(splits, subject(), crops=3).measurements[0].protocol.hash,
    ]
    assert len({hash_of(), *others}) == 6


def test_a_loaded_cell_needs_the_loss_to_be_given(splits):
    loaded = subject(train={"load": "a.safetensors"})
    found = take(splits, loaded)
    assert not found.measurements
    assert found.failures[0].kind == "unsupported"
    assert "was not trained by the perceptual recipe" in found.failures[0].reason
    assert len(take(splits, loaded, loss=LOSS).measurements) == 3


def test_missing_data_is_unsupported_with_its_reason(splits):
    def nothing() -> Splits:
        raise DataError("the suite declares no data")

    options = PerceptualLossOptions()
    context = MeasureContext(seed=0, folder=None, images=nothing, say=str)
    failure = measure.per_cell(subject(), options, context).failures[0]
    assert (failure.of, failure.kind, failure.reason) == (
        "perceptual_loss", "unsupported", "the suite declares no data",
    )  # fmt: skip
    empty = Splits(splits.train, splits.validation, type(splits.test)((), {}), "x")
    assert "no test images" in take(empty, subject()).failures[0].reason


def test_the_module_is_judged_in_eval_mode_and_left_as_it_was(splits):
    module = nn.Sequential(nn.Dropout(0.9))
    module.train()
    found = {each.name: each for each in take(splits, subject(module)).measurements}
    assert found["content_loss"].value == 0
    assert module.training
