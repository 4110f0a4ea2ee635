from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.architectures.unet_generator import UNetGeneratorOptions, architecture
from benchbench.core.errors import OptionError

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["unet_256"]


def on_meta(**options: float) -> nn.Module:
    with torch.device("meta"):
        return bb.build("unet_generator", **options)


def closed_form(**options: float) -> int:
    assert architecture.parameters is not None
    return architecture.parameters(UNetGeneratorOptions.model_validate(options))


def test_figures_are_the_references() -> None:
    counts = bb.count(on_meta())
    assert closed_form() == FIGURES["parameters"]
    assert {name: getattr(counts, name) for name in FIGURES} == FIGURES


@pytest.mark.parametrize(
    "options",
    [
        {"width": 32},
        {"width": 16, "downsamplings": 7, "size": 128},
        {"width": 5, "downsamplings": 2},
        {"width": 3, "downsamplings": 3, "size": 8, "dropout": 0.0},
        {"width": 8, "downsamplings": 5},
    ],
)
def test_closed_form_equals_the_built_network(options: dict[str, float]) -> None:
    assert closed_form(**options) == sum(each.numel() for each in on_meta(**options).parameters())


def test_six_downsamplings_are_what_the_authors_code_prints() -> None:
    # 29.238 M with one channel in and out: junyanz/pytorch-CycleGAN-and-pix2pix, issue 1152.
    two_channels_less = 16 * 2 * 64 + 16 * 2 * 128 + 2
    assert round((closed_form(downsamplings=6) - two_channels_less) / 1e6, 3) == 29.238


def test_stages_cover_every_layer() -> None:
    layers = bb.count(on_meta(width=4)).layers
    assert {layer.stage for layer in layers if layer.parameters} == set(architecture.stages)


def test_every_map_of_the_encoder_is_handed_to_the_decoder() -> None:
    torch.manual_seed(0)
    model = bb.build("unet_generator", width=4, downsamplings=4, size=32).eval()
    image = torch.rand(2, 3, 32, 48) * 2 - 1

    def nested(depth: int, x: torch.Tensor) -> torch.Tensor:
        down = model.encoder[depth](x)
        both = down if depth == 3 else torch.cat([down, nested(depth + 1, down)], 1)
        return model.decoder[3 - depth](both)

    with torch.no_grad():
        made = model(image)
        assert torch.equal(made, nested(0, image))
    assert made.shape == image.shape
    assert made.abs().max() <= 1


def test_dropout_is_training_alone_and_after_three_layers() -> None:
    torch.manual_seed(0)
    model = bb.build("unet_generator", width=4, downsamplings=5, size=32)
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert not torch.equal(model.train()(image), model(image))
        assert torch.equal(model.eval()(image), model(image))
    assert [hasattr(layer, "dropout") for layer in model.decoder] == [True, True, True, False, False]


def test_weights_start_as_the_paper_says() -> None:
    torch.manual_seed(0)
    layer = bb.build("unet_generator", width=16, downsamplings=4).decoder[1]
    assert layer.conv.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert layer.norm.weight.mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"size": 200}, "size is 200, expected a multiple of 256 .downsamplings 8."),
        ({"size": 128}, "size is 128, expected a multiple of 256"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_what_it_cannot_be(options: dict[str, float], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        on_meta(**options)
