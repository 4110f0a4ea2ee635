from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.core.errors import OptionError
from benchbench.core.registry import ARCHITECTURES

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())
NAMES = {"generator": "", "discriminator": "_discriminator"}


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


@pytest.mark.parametrize("family", ["dcgan", "ssd"])
@pytest.mark.parametrize("part", NAMES)
def test_the_reference_integers(family: str, part: str) -> None:
    counts = bb.count(on_meta(f"{family}{NAMES[part]}"))
    expected = FIGURES[family][part]
    assert (counts.parameters, counts.macs) == (expected["parameters"], expected["macs"])
    # Every transposed convolution but the first doubles its size, so that convention counts four times it.
    assert (counts.macs_output_size > counts.macs) == (part == "generator")


@pytest.mark.parametrize(("family", "total"), [("dcgan", 6_342_272), ("ssd", 6_574_672)])
def test_both_networks_together_are_what_the_paper_prints(family: str, total: int) -> None:
    both = [on_meta(f"{family}{suffix}") for suffix in NAMES.values()]
    assert sum(each.numel() for network in both for each in network.parameters()) == total


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("dcgan", {"size": 32, "width": 8, "latent": 7}),
        ("dcgan", {"size": 256, "width": 4}),
        ("dcgan_discriminator", {"size": 128, "width": 8}),
        ("dcgan_discriminator", {"size": 32}),
        ("ssd", {"adain": False}),
        ("ssd", {"form": "released", "latent": 12, "width": 8}),
        ("ssd", {"size": 128, "width": 8, "latent": 12, "mapping_layers": 2}),
        ("ssd", {"size": 32, "adain": False, "latent": 3}),
        ("ssd_discriminator", {"spectral_norm": False, "size": 256, "width": 4}),
        ("ssd_discriminator", {"width": 9}),
    ],
)
def test_parameters_follow_from_the_definition(name: str, options: dict[str, object]) -> None:
    architecture = ARCHITECTURES.load(name)
    checked = architecture.options.model_validate(options)
    module = on_meta(name, **options)
    assert architecture.parameters is not None
    assert architecture.output is not None
    assert architecture.parameters(checked) == sum(each.numel() for each in module.parameters())
    made = bb.count(module)
    assert made.device == "meta"
    shape = architecture.inputs(checked)[0].shape
    output = module.eval()(torch.empty(shape, device="meta"))
    assert tuple(output.shape) == architecture.output(checked)


@pytest.mark.parametrize(
    ("name", "options"),
    [("dcgan", {}), ("ssd", {}), ("ssd", {"adain": False}), ("ssd", {"form": "released"})],
)
def test_images_are_in_range_and_depend_on_the_latent(name: str, options: dict[str, object]) -> None:
    torch.manual_seed(0)
    module = bb.build(name, width=4, latent=8, size=32, **options).eval()
    with torch.no_grad():
        first, second = module(torch.randn(2, 8))
    assert first.shape == (3, 32, 32)
    assert first.abs().max() <= 1
    assert not torch.equal(first, second)


def test_the_released_generator_has_one_mapping_layer_and_a_learnt_start() -> None:
    # 6,544,472 with its discriminator: 10,100 of one linear layer, and 100 of the start.
    both = [on_meta("ssd", form="released"), on_meta("ssd_discriminator")]
    assert sum(each.numel() for network in both for each in network.parameters()) == 6_544_472
    assert bb.count(both[0]).macs == FIGURES["ssd"]["generator"]["macs"]
    with pytest.raises(OptionError, match="no network without AdaIN"):
        bb.build("ssd", form="released", adain=False)


def test_the_style_is_the_only_norm_that_adain_has() -> None:
    module = bb.build("ssd", width=4, latent=8, size=32)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in module.modules())


def test_spectral_norm_bounds_every_convolution_of_the_discriminator() -> None:
    torch.manual_seed(0)
    module = bb.build("ssd_discriminator", width=4, size=32)
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            largest = torch.linalg.matrix_norm(part.weight.flatten(1), ord=2).item()
            assert largest == pytest.approx(1.0, abs=0.1)


def test_gradients_reach_every_parameter() -> None:
    for name, shape in (("ssd", (2, 100)), ("ssd_discriminator", (2, 3, 64, 64))):
        module = bb.build(name, width=2)
        module(torch.randn(shape)).square().sum().backward()
        assert all(each.grad is not None for each in module.parameters())


@pytest.mark.parametrize(
    ("options", "told"),
    [({"size": 48}, "size"), ({"width": 0}, "width"), ({"widht": 8}, "did you mean 'width'?")],
)
def test_bad_options_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        bb.build("dcgan", **options)
    assert told in str(caught.value)
