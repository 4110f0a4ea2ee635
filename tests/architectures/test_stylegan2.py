from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import benchbench as bb
from benchbench.architectures.stylegan2 import generator
from benchbench.architectures.stylegan2_discriminator import (
    discriminator,
    with_deviation,
)
from benchbench.architectures.stylegan2_layers import Blur, BlurredUpsample, ModulatedConv2d, Noise
from benchbench.core.contracts import Architecture
from benchbench.core.errors import ArchitectureError, OptionError

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["stylegan2"]
# Generator and discriminator together at 256, by channel multiplier: reference/architectures.md, FastGAN.
TOTALS = {2.0: 58_898_467, 1.0: 48_768_547, 0.5: 45_448_483, 0.25: 44_224_675}
RECORDS = {"stylegan2": generator, "stylegan2_discriminator": discriminator}


def on_meta(name: str, **options: float) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


def closed_form(record: Architecture, **options: float) -> int:
    assert record.parameters is not None
    return record.parameters(record.options.model_validate(options))


def built(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("key", FIGURES)
def test_parameters_are_the_references(key: str) -> None:
    size, multiplier = key.split(" x")
    options = {"size": int(size), "channel_multiplier": float(multiplier)}
    for name, part in (("stylegan2", "generator"), ("stylegan2_discriminator", "discriminator")):
        assert built(on_meta(name, **options)) == FIGURES[key][part]["parameters"]


@pytest.mark.parametrize("multiplier", TOTALS)
def test_totals_by_channel_multiplier(multiplier: float) -> None:
    both = [closed_form(record, channel_multiplier=multiplier) for record in RECORDS.values()]
    assert sum(both) == TOTALS[multiplier]


def test_macs_are_the_references_and_include_the_blurs() -> None:
    counts = bb.count(on_meta("stylegan2"))
    blurs = sum(layer.macs for layer in counts.layers if layer.kind in {"Blur", "BlurredUpsample"})
    assert counts.device == "meta"
    assert counts.macs == FIGURES["256 x2"]["generator"]["macs"]
    assert blurs == 250_084_352
    assert {layer.stage for layer in counts.layers if layer.parameters} == set(generator.stages)


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize(
    "options",
    [{"size": 64}, {"size": 128, "channel_multiplier": 0.25}, {"size": 512, "channel_multiplier": 1}],
)
def test_closed_form_equals_the_built_network(name: str, options: dict[str, float]) -> None:
    assert closed_form(RECORDS[name], **options) == built(on_meta(name, **options))


def test_closed_form_of_the_mapping() -> None:
    options = {"size": 64, "latent": 24, "mapping_layers": 3}
    assert closed_form(generator, **options) == built(on_meta("stylegan2", **options))


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("size", [64, 1024])
def test_output_shape(name: str, size: int) -> None:
    record = RECORDS[name]
    model = on_meta(name, size=size).eval()
    options = record.options.model_validate({"size": size})
    assert record.output is not None
    inputs = [torch.empty(each.shape, device="meta") for each in record.inputs(options)]
    assert model(*inputs).shape == record.output(options)
    three = [each.expand(3, *each.shape[1:]) for each in inputs]
    assert model(*three).shape == (3, *record.output(options)[1:])


def test_images_of_a_batch_are_those_of_the_images_alone_and_repeat_in_eval_mode() -> None:
    torch.manual_seed(0)
    model = bb.build("stylegan2", size=64, channel_multiplier=0.25, latent=8, mapping_layers=2).eval()
    for layer in model.modules():
        if isinstance(layer, Noise):
            nn.init.ones_(layer.weight)
    z, other = torch.randn(2, 1, 8)
    with torch.no_grad():
        both = model(torch.cat([z, other]))
        first = model(z)
        mixed = model(z, mixed=(other, 3))
        trained = model.train()(z)
    assert torch.isfinite(both).all()
    assert torch.allclose(both[:1], first, atol=1e-4)
    assert not torch.allclose(mixed, first, atol=1e-2)
    assert not torch.allclose(trained, first, atol=1e-2)


@pytest.mark.parametrize("layer", [0, 10])
def test_style_mixing_names_the_layers_there_are(layer: int) -> None:
    model = on_meta("stylegan2", size=64)
    z = torch.empty(1, 512, device="meta")
    with pytest.raises(ArchitectureError, match=f"from layer {layer} on") as caught:
        model(z, mixed=(z, layer))
    assert caught.value.expected == "1 to 9"


@pytest.mark.parametrize("up", [False, True])
def test_modulation_equals_scaling_input_and_output(up: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(4, 6, kernel=3, latent=5, up=up)
    x, style = torch.randn(3, 4, 8, 8), torch.randn(3, 5)
    with torch.no_grad():
        scales = layer.modulation(style)
        weight = layer.weight / (4 * 9) ** 0.5
        lengths = (weight * scales[:, None, :, None, None]).square().sum((2, 3, 4)).add(1e-8).sqrt()
        scaled = x * scales[:, :, None, None]
        if layer.blur is None:
            expected = F.conv2d(scaled, weight, padding=1)
        else:
            expected = layer.blur(F.conv_transpose2d(scaled, weight.transpose(0, 1), stride=2))
        assert torch.allclose(layer(x, style), expected / lengths[:, :, None, None], atol=1e-5)


def test_blurs_keep_a_plain_area_plain() -> None:
    plain = torch.ones(2, 3, 8, 8)
    assert torch.allclose(Blur(0)(plain), torch.ones(2, 3, 5, 5))
    doubled = BlurredUpsample()(plain)
    assert doubled.shape == (2, 3, 16, 16)
    assert torch.allclose(doubled[:, :, 2:-2, 2:-2], torch.ones(2, 3, 12, 12))


@pytest.mark.parametrize(("images", "group"), [(1, 1), (4, 4), (6, 3), (8, 4), (5, 1)])
def test_deviation_is_that_of_the_group(images: int, group: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(images, 2, 4, 4)
    added = with_deviation(x)[:, 2]
    members = range(0, images, images // group)
    expected = x[list(members)].std(0, unbiased=False).mean()
    assert torch.allclose(added[0], expected.expand(4, 4), atol=1e-3)


def test_logit_is_finite() -> None:
    torch.manual_seed(0)
    model = bb.build("stylegan2_discriminator", size=64, channel_multiplier=0.25).eval()
    with torch.no_grad():
        logit = model(torch.randn(2, 3, 64, 64))
    assert logit.shape == (2, 1)
    assert torch.isfinite(logit).all()


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channel_multiplier": 3}, "expected 2, 1, 0.5 or 0.25"),
        ({"size": 200}, "64, 128, 256, 512 or 1024"),
        ({"multiplier": 1}, "did you mean 'channel_multiplier'?"),
    ],
)
def test_bad_options(name: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        bb.build(name, **options)
    assert words in str(caught.value)
