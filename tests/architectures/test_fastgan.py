from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

import benchbench as bb
from benchbench.architectures.fastgan import generator
from benchbench.architectures.fastgan_discriminator import discriminator
from benchbench.architectures.stylegan2_layers import Noise
from benchbench.core.contracts import Architecture
from benchbench.core.errors import ArchitectureError, OptionError

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["fastgan"]
# "of which skip-layer excitation": reference/architectures.md, FastGAN.
EXCITATION = {256: 2_774_016, 1024: 2_807_040}
RECORDS = {"fastgan": generator, "fastgan_discriminator": discriminator}
TINY: dict[str, Any] = {"width": 8, "spectral_norm": False}


def on_meta(name: str, **options: Any) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


def closed_form(record: Architecture, **options: Any) -> int:
    assert record.parameters is not None
    return record.parameters(record.options.model_validate(options))


def built(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.fixture(scope="module")
def released() -> dict[str, nn.Module]:
    return {name: on_meta(name) for name in RECORDS}


@pytest.mark.parametrize("size", map(int, FIGURES))
def test_parameters_and_macs_are_the_references(size: int, released: dict[str, nn.Module]) -> None:
    figures = FIGURES[str(size)]
    counts = bb.count(released["fastgan"] if size == 256 else on_meta("fastgan", size=size))
    stages = {each.stage: each for each in counts.by_stage()}
    assert counts.device == "meta"
    assert counts.parameters == figures["generator"]["parameters"]
    assert counts.macs == figures["generator"]["macs"]
    assert stages["excitation"].parameters == EXCITATION[size]
    assert closed_form(discriminator, size=size) == figures["discriminator"]["parameters"]


def test_macs_of_the_discriminator_leave_the_decoders_out(released: dict[str, nn.Module]) -> None:
    counts = bb.count(released["fastgan_discriminator"])
    stages = {each.stage: each for each in counts.by_stage()}
    assert counts.parameters == FIGURES["256"]["discriminator"]["parameters"]
    assert set(stages) - {None} == set(discriminator.stages)
    assert stages["decoders"].parameters > 0
    assert stages["decoders"].macs == 0
    assert stages["excitation"].macs == stages["excitation"].parameters


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fastgan", {"size": 512, "width": 16, "latent": 10}),
        ("fastgan", {"skip": False}),
        ("fastgan", {"size": 1024, "width": 8}),
        ("fastgan_discriminator", {"size": 512, "width": 24}),
        ("fastgan_discriminator", {"size": 1024, "width": 8}),
        ("fastgan_discriminator", {"decoders": False}),
        ("fastgan_discriminator", {"skip": False}),
    ],
)
def test_closed_form_equals_the_built_network(name: str, options: dict[str, Any]) -> None:
    assert closed_form(RECORDS[name], **options) == built(on_meta(name, **options, spectral_norm=False))


def test_ablation_takes_away_what_it_names() -> None:
    assert closed_form(generator) - closed_form(generator, skip=False) == EXCITATION[256]
    lean = on_meta("fastgan_discriminator", decoders=False, skip=False, spectral_norm=False)
    assert closed_form(discriminator, decoders=False, skip=False) == built(lean)
    paths = {path.split(".")[0] for path, _ in lean.named_parameters()}
    assert paths == {"encoder", "heads"}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize("size", [256, 512, 1024])
def test_output_shape(name: str, size: int) -> None:
    record = RECORDS[name]
    model = on_meta(name, size=size, **TINY).eval()
    options = record.options.model_validate({"size": size, **TINY})
    assert record.output is not None
    inputs = [torch.empty(each.shape, device="meta") for each in record.inputs(options)]
    assert model(*inputs).shape == record.output(options)


def generator_with_noise() -> nn.Module:
    torch.manual_seed(0)
    model = bb.build("fastgan", latent=6, **TINY)
    for layer in model.modules():
        if isinstance(layer, Noise):
            nn.init.ones_(layer.weight)
        elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            # At N(0, 0.02) and width 8 nothing of the input would be left at the end.
            nn.init.normal_(layer.weight, std=0.3)
    return model


def test_images_are_in_range_and_repeat_in_eval_mode_only() -> None:
    model, z = generator_with_noise().eval(), torch.randn(2, 6)
    with torch.no_grad():
        image, small = model(z, images="both")
        again = model(z)
        trained = model.train()(z)
    assert image.shape == (2, 3, 256, 256)
    assert small.shape == (2, 3, 128, 128)
    assert max(image.abs().max(), small.abs().max()) <= 1
    assert torch.equal(image, again)
    assert not torch.allclose(trained, again, atol=1e-2)


def test_style_mixing_is_through_the_excitation_alone() -> None:
    model = generator_with_noise().eval()
    z, style = torch.randn(2, 1, 6)
    seen: list[torch.Tensor] = []
    model.get_submodule("excitation.64").register_forward_pre_hook(lambda module, args: seen.extend(args))
    with torch.no_grad():
        plain = model(z)
        same = model(z, style=z)
        mixed = model(z, style=style)
    small, large = seen[::2], seen[1::2]
    assert torch.allclose(same, plain)
    assert not torch.allclose(mixed, plain, atol=1e-2)
    assert torch.equal(large[2], large[0])
    assert not torch.allclose(small[2], small[0])


def test_style_without_excitation_is_refused() -> None:
    z = torch.empty(1, 256, device="meta")
    with pytest.raises(ArchitectureError, match="skip is false"):
        on_meta("fastgan", skip=False, spectral_norm=False)(z, style=z)


def test_decoders_rebuild_when_a_part_is_asked_for() -> None:
    torch.manual_seed(0)
    model = bb.build("fastgan_discriminator", **TINY).eval()
    image, small = torch.randn(1, 3, 256, 256), torch.randn(1, 3, 128, 128)
    seen: list[torch.Tensor] = []
    model.get_submodule("excitation.3").register_forward_hook(lambda module, args, out: seen.append(out))
    model.get_submodule("decoders.part").register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        logits, rebuilt = model(image, small, part=2)
        alone = model(image, small)
    features, part = seen[:2]
    assert torch.equal(logits, alone)
    assert logits.shape == (1, 50)
    assert [each.shape for each in rebuilt] == [(1, 3, 128, 128)] * 3
    assert features.shape[2:] == (16, 16)
    assert torch.equal(part, features[:, :, 8:, :8])


@pytest.mark.parametrize(
    ("options", "part", "words"), [({}, 4, "0, 1, 2 or 3"), ({"decoders": False}, 0, "decoders=true")]
)
def test_part_that_cannot_be_rebuilt(options: dict[str, bool], part: int, words: str) -> None:
    model = on_meta("fastgan_discriminator", **TINY, **options)
    images = [torch.empty(1, 3, size, size, device="meta") for size in (256, 128)]
    with pytest.raises(ArchitectureError) as caught:
        model(*images, part=part)
    assert words in str(caught.value)


def test_spectral_norm_is_on_every_convolution(released: dict[str, nn.Module]) -> None:
    for name, model in released.items():
        for each, wanted in ((model, True), (on_meta(name, **TINY), False)):
            layers = [part for part in each.modules() if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))]
            assert {parametrize.is_parametrized(layer, "weight") for layer in layers} == {wanted}


@pytest.mark.parametrize("name", RECORDS)
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 128}, "256, 512 or 1024"),
        ({"width": 12}, "multiple of 8"),
        ({"skipp": False}, "did you mean 'skip'?"),
    ],
)
def test_bad_options(name: str, options: dict[str, int], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        bb.build(name, **options)
    assert words in str(caught.value)
