from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.architectures.stargan import discriminator, generator
from benchbench.core.contracts import Architecture
from benchbench.core.errors import OptionError

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())
STARGAN = FIGURES["stargan_128_c5"]
RECORDS = {"stargan": generator, "stargan_discriminator": discriminator}
# Depthwise, then 1x1, with nothing between: StarGAN's own norm and ReLU follow.
LIGHT = {"by": "depthwise_separable", "norm": "none", "activation": "none"}
BIASED = {**LIGHT, "depthwise_bias": True, "pointwise_bias": True}
CONVOLUTIONS = ["downsampling", "bottleneck", "output"]


def on_meta(name: str, **options: int) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


def closed_form(record: Architecture, **options: int) -> int:
    assert record.parameters is not None
    return record.parameters(record.options.model_validate(options))


def costs(module: nn.Module) -> dict[str, int]:
    counts = bb.count(module)
    return {"parameters": counts.parameters, "macs": counts.macs}


@pytest.mark.parametrize(
    ("name", "part"), [("stargan", "generator"), ("stargan_discriminator", "discriminator")]
)
def test_figures_are_the_references(name: str, part: str) -> None:
    assert closed_form(RECORDS[name]) == STARGAN[part]["parameters"]
    assert costs(on_meta(name)) == STARGAN[part]


def test_depthwise_generator() -> None:
    light = bb.replace(on_meta("stargan"), stages=CONVOLUTIONS, **LIGHT)
    assert costs(light) == FIGURES["depthwise_g_128_c5"]["generator"]


def test_depthwise_generator_with_its_transposed_convolutions_too() -> None:
    light = bb.replace(on_meta("stargan"), stages=[*CONVOLUTIONS, "upsampling"], **LIGHT)
    # reference/architectures.md, DepthwiseGAN.
    assert bb.count(light).parameters == 916_872


def test_deeper_depthwise_generator() -> None:
    light = bb.replace(on_meta("stargan", downsamplings=3, blocks=5), stages=CONVOLUTIONS, **LIGHT)
    assert costs(light) == FIGURES["deeper_depthwise_g_128_c5"]["generator"]


@pytest.mark.parametrize(
    ("key", "stages", "layers", "channels"),
    [
        ("depthwise_d_layers_2_5", ["hidden"], ["hidden.layer_[2-5].*"], [64, 128, 256, 512, 1024]),
        ("depthwise_d_all", ["input", "hidden"], ["*"], [3, 64, 128, 256, 512, 1024, 2048]),
    ],
)
def test_depthwise_discriminator(key: str, stages: list[str], layers: list[str], channels: list[int]) -> None:
    light = bb.replace(on_meta("stargan_discriminator"), stages=stages, layers=layers, **BIASED)
    # The map that leaves a layer of 64 x 2^i channels has 64 / 2^i rows.
    saved = sum(
        (4096 // after) ** 2 * (16 * before * after - 16 * before - before * after)
        for before, after in pairwise(channels)
    )
    assert costs(light) == {**FIGURES[key], "macs": STARGAN["discriminator"]["macs"] - saved}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("stargan", {"size": 256}),
        ("stargan", {"domains": 8, "width": 24}),
        ("stargan", {"width": 5, "downsamplings": 1, "blocks": 2}),
        ("stargan", {"width": 4, "downsamplings": 4, "blocks": 1, "domains": 1}),
        ("stargan_discriminator", {"size": 256}),
        ("stargan_discriminator", {"size": 64, "domains": 8, "width": 24}),
        ("stargan_discriminator", {"size": 64, "width": 5, "layers": 2}),
    ],
)
def test_closed_form_equals_the_built_network(name: str, options: dict[str, int]) -> None:
    built = sum(each.numel() for each in on_meta(name, **options).parameters())
    assert closed_form(RECORDS[name], **options) == built


@pytest.mark.parametrize("name", RECORDS)
def test_stages_cover_every_layer(name: str) -> None:
    counts = bb.count(on_meta(name))
    assert {layer.stage for layer in counts.layers if layer.parameters} == set(RECORDS[name].stages)


def test_image_follows_its_labels_and_its_own_statistics_alone() -> None:
    torch.manual_seed(0)
    model = bb.build("stargan", size=16, width=4, blocks=1, domains=3).eval()
    image, labels = torch.rand(2, 3, 16, 24) * 2 - 1, torch.eye(3)[:2]
    with torch.no_grad():
        both = model(image, labels)
        alone = model(image[:1], labels[:1])
        moved = model(image[:1], labels[1:])
        trained = model.train()(image, labels)
    assert both.shape == image.shape
    assert both.abs().max() <= 1
    assert torch.allclose(both[:1], alone, atol=1e-5)
    assert not torch.allclose(moved, alone, atol=1e-2)
    # No running statistics: training and eval mode are one.
    assert torch.equal(trained, both)
    assert not list(model.buffers())


def test_discriminator_gives_a_map_and_a_logit_per_domain() -> None:
    torch.manual_seed(0)
    model = bb.build("stargan_discriminator", size=64, width=4, domains=3, layers=4)
    source, domains = model(torch.rand(2, 3, 64, 64))
    assert source.shape == (2, 1, 4, 4)
    assert domains.shape == (2, 3)
    assert torch.isfinite(source).all()
    assert torch.isfinite(domains).all()


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("stargan", {"size": 130}, "size is 130, expected a multiple of 4 from 8 on .downsamplings 2."),
        ("stargan", {"size": 32, "downsamplings": 5}, "size is 32, expected a multiple of 32 from 64 on"),
        ("stargan_discriminator", {"size": 100}, "size is 100, expected a multiple of 64 from 64 on"),
        ("stargan", {"domain": 5}, "unknown option 'domain'"),
    ],
)
def test_what_it_cannot_be(name: str, options: dict[str, int], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        on_meta(name, **options)
