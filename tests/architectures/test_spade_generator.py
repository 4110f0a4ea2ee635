from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import benchbench as bb
from benchbench.architectures.spade_generator import SpadeGeneratorOptions, architecture
from benchbench.architectures.spade_layers import Spade
from benchbench.core.errors import MeasurementError, OptionError
from benchbench.measures.counting import Counts

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["gaugan_512x256"]
COMPRESSED = "32_32_48_32_32_32_32_24"
COCO: dict[str, Any] = {"labels": 184, "upsampling": "normal", "height": 256, "aspect": 1}
TINY: dict[str, Any] = {"width": 2, "labels": 3, "height": 64, "aspect": 2}


def built(*, spectral_norm: bool | None = False, **options: Any) -> nn.Module:
    # Without spectral norm unless it is looked at: torch's power iterations are slow on meta.
    with torch.device("meta"):
        return bb.build("spade_generator", spectral_norm=spectral_norm, **options)


def count(**options: Any) -> Counts:
    return bb.count(built(**options))


def label_map(labels: int, height: int, width: int) -> Tensor:
    indices = torch.randint(labels, (1, height, width))
    return nn.functional.one_hot(indices, labels).permute(0, 3, 1, 2).float()


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("full", {"spectral_norm": None}),
        (f"compressed {COMPRESSED} width 48", {"width": 48, "channels": COMPRESSED}),
    ],
)
def test_networks_are_the_papers(key: str, options: dict[str, Any]) -> None:
    counts = count(**options)
    assert {"parameters": counts.parameters, "macs": counts.macs} == FIGURES[key]
    assert counts.macs_output_size == counts.macs
    assert counts.device == "meta"


@pytest.mark.parametrize(
    ("options", "printed"),
    [
        # Table 1 of GAN Compression.
        ({"width": 48, "channels": COMPRESSED}, ("20.4", "31.7")),
        # README of github.com/mit-han-lab/gan-compression, slots of its scripts/: "Retrained", "Fast".
        ({"width": 48, "channels": "32_40_40_32_40_24_32_24"}, ("21.0", "31.2")),
        ({"channels": "32_32_32_48_32_24_24_32"}, ("20.2", "31.3")),
        # The same on COCO-Stuff: 182 labels, one for none, one for the borders of instances.
        ({**COCO, "channels": "40_32_32_40_32_40_24_24"}, ("26.0", "35.5")),
    ],
)
def test_printed_figures_of_sub_networks_hold_the_elements_of_the_norms(
    options: dict[str, Any], printed: tuple[str, str]
) -> None:
    counts = count(**options)
    macs = counts.macs + counts.elementwise["norm"]
    assert (f"{counts.parameters / 1e6:.1f}", f"{macs / 1e9:.1f}") == printed


def test_full_network_on_coco_rounds_to_what_is_printed() -> None:
    counts = count(**COCO)
    assert (f"{counts.parameters / 1e6:.1f}", f"{counts.macs / 1e9:.0f}") == ("97.5", "191")


def test_mobile_network_is_the_full_one_with_separable_scale_and_shift() -> None:
    light = bb.replace(
        built(),
        stages=["head", "middle", "up"],
        layers=["gamma", "beta"],
        by="depthwise_separable",
        norm="instance",
        norm_affine=False,
        activation="none",
        depthwise_bias=True,
        pointwise_bias=True,
    )
    mobile, replaced = count(mobile=True), bb.count(light)
    assert (mobile.parameters, mobile.macs) == (replaced.parameters, replaced.macs)


def test_full_slots_are_the_mobile_network() -> None:
    slots, mobile = count(width=8, channels="8_8_8_8_8_8_8_8"), count(width=8, mobile=True)
    assert (slots.parameters, slots.macs) == (mobile.parameters, mobile.macs)


@pytest.mark.parametrize(
    "options",
    [
        {"width": 3},
        {"width": 3, "labels": 5, "hidden": 7},
        {"width": 3, "mobile": True, "hidden": 7},
        {"width": 8, "channels": "1_2_3_4_5_6_7_8"},
        {"width": 8, "channels": "8_7_6_5_4_3_2_1", "labels": 2, "spectral_norm": True},
        {"width": 2, "upsampling": "normal", "height": 32, "aspect": 1},
    ],
)
def test_closed_form_equals_the_built_network(options: dict[str, Any]) -> None:
    assert architecture.parameters is not None
    closed = architecture.parameters(SpadeGeneratorOptions.model_validate(options))
    assert closed == sum(each.numel() for each in built(**options).parameters())


def test_spectral_norm_is_of_the_blocks_own_convolutions_and_off_for_sub_networks() -> None:
    full = built(width=2, spectral_norm=None)
    names = {path for path, each in full.named_modules() if parametrize.is_parametrized(each)}
    assert {path.split(".")[-1] for path in names} == {"conv_0", "conv_1", "conv_s"}
    assert len(names) == 18
    sub = built(width=2, channels="2_2_2_2_2_2_2_2", spectral_norm=None)
    assert not any(parametrize.is_parametrized(each) for each in sub.modules())
    with_it, without = bb.count(full), count(width=2)
    assert (with_it.parameters, with_it.macs) == (without.parameters, without.macs)


@pytest.mark.parametrize(
    "options", [{}, {"mobile": True}, {"channels": "2_1_2_1_2_1_2_1"}, {"upsampling": "normal"}]
)
def test_output_has_the_size_of_the_label_map_and_repeats(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = bb.build("spade_generator", **TINY, **options).eval()
    given = label_map(3, 64, 128)
    with torch.no_grad():
        first, second = model(given), model(given)
    assert first.shape == (1, 3, 64, 128)
    assert torch.isfinite(first).all()
    assert first.abs().max() <= 1.0
    assert torch.equal(first, second)


def test_declared_input_and_output_are_the_real_ones() -> None:
    options = SpadeGeneratorOptions(**TINY)
    (given,) = architecture.inputs(options)
    assert (given.shape, given.values) == ((1, 3, 64, 128), "one_hot")
    assert architecture.inputs(SpadeGeneratorOptions())[0].shape == (1, 36, 256, 512)
    assert architecture.output is not None
    with torch.device("meta"):
        assert built(**TINY).eval()(torch.empty(given.shape)).shape == architecture.output(options)


def test_spade_scales_and_shifts_by_the_nearest_label() -> None:
    torch.manual_seed(0)
    layer = Spade(2, labels=2, hidden=3, separable=False).eval()
    large, x = torch.zeros(1, 2, 8, 8), torch.randn(1, 2, 4, 4)
    large[:, 0, :, :4] = 1.0
    large[:, 1, :, 4:] = 1.0
    near = large[:, :, ::2, ::2]
    with torch.no_grad():
        hidden = layer.shared(near)
        expected = x / (1 + 1e-5) ** 0.5 * (1 + layer.gamma(hidden)) + layer.beta(hidden)
        assert torch.allclose(layer(x, large), expected, atol=1e-6)
        moved = layer(x, large.flip(3))
    assert not torch.allclose(moved, expected, atol=1e-3)


def test_stages_cover_every_parameter() -> None:
    counts = count(width=2)
    named = [row for row in counts.by_stage() if row.stage is not None]
    assert [row.stage for row in named] == ["first", "head", "middle", "up", "output"]
    assert sum(row.parameters for row in named) == counts.parameters


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((1, 35, 256, 512), "got 35 labels at 256 x 512, expected 36"),
        ((1, 36, 250, 512), "got 36 labels at 250 x 512, expected 36 at multiples of 64"),
    ],
)
def test_wrong_label_maps_say_what_was_expected(shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(MeasurementError, match=told):
        bb.count(built(width=2), shape)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channels": "24_24_24_32_20_16"}, ["has 6 slots", "expected 8", "middle_1"]),
        ({"channels": COMPRESSED.replace("48", "80")}, ["slot 3 (middle_0) is '80'", "1..64"]),
        ({"channels": 3232483232323224}, ["number 3232483232323224", "quotes"]),
        ({"channels": COMPRESSED, "hidden": 128}, ["hidden is 128", "twice the slot"]),
        ({"height": 200}, ["height is 200", "a multiple of 64"]),
        ({"height": 64, "aspect": 1, "mobile": True}, ["height 64 at aspect 1", "instance norm"]),
        ({"upsampling": "most"}, ["upsampling", "'normal' or 'more'"]),
    ],
)
def test_wrong_options_say_what_was_expected(options: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(OptionError) as raised:
        built(**options)
    for words in told:
        assert words in str(raised.value)
