from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import benchbench as bb
from benchbench.architectures.resnet_generator import ResnetGeneratorOptions, architecture
from benchbench.core.errors import OptionError
from benchbench.core.stages import origin_of
from benchbench.measures.counting import Counts

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())

# Table 4 of GAN Compression: what is decomposed, and how.
_SEPARABLE = {
    "by": "depthwise_separable",
    "norm": "instance",
    "norm_affine": False,
    "activation": "none",
    "pointwise_bias": True,
}
DECOMPOSED: dict[str, dict[str, Any]] = {
    "residual": _SEPARABLE,
    "upsample": {**_SEPARABLE, "depthwise_bias": True},
    "downsample": {
        "by": "depthwise_separable",
        "order": "expand_first",
        "expansion": 2,
        "norm": "none",
        "activation": "none",
        "expand_bias": True,
        "depthwise_bias": True,
        "pointwise_bias": True,
    },
}


def options_of(configuration: str) -> dict[str, Any]:
    # Keys of figures.json: "legacy 32_32_40_48_16_32" or the slots alone.
    layout, _, channels = configuration.rpartition(" ")
    return {"channels": channels, "layout": layout or "uniform"}


def count(decomposed: str | None = None, **options: Any) -> Counts:
    with torch.device("meta"):
        model = bb.build("resnet_generator", **options)
    if decomposed:
        model = bb.replace(model, stages=[decomposed], **DECOMPOSED[decomposed])
    return bb.count(model)


def figures(counts: Counts, like: dict[str, int]) -> dict[str, int]:
    return {name: getattr(counts, name) for name in like}


@pytest.mark.parametrize("width", ["64", "32", "16"])
def test_full_network_is_the_papers(width: str) -> None:
    expected = FIGURES["resnet_9"][width]
    assert figures(count(width=int(width)), expected) == expected


@pytest.mark.parametrize("width", ["64", "32"])
def test_mobile_network_is_the_papers(width: str) -> None:
    expected = FIGURES["mobile_resnet_9"][width]
    assert figures(count(width=int(width), mobile=True), expected) == expected


@pytest.mark.parametrize("configuration", FIGURES["compressed"])
def test_compressed_networks_are_table_1s(configuration: str) -> None:
    expected = FIGURES["compressed"][configuration]
    assert figures(count(**options_of(configuration)), expected) == expected


@pytest.mark.parametrize(
    ("configuration", "printed"),
    [
        # Table 1 of GAN Compression.
        ("24_24_24_32_20_16", "2.67"),
        ("legacy 32_32_40_48_16_32", "4.81"),
        ("48_32_40_40_24_32", "5.66"),
        ("32_32_48_32_48_32_16_16", "4.68"),
        # "Retrained" in the README of github.com/mit-han-lab/gan-compression; slots of its scripts/.
        ("16_16_32_16_32_32_16_16", "2.55"),
        ("32_32_48_32_48_48_16_16", "4.99"),
        ("32_32_48_32_32_48_24_24", "5.59"),
    ],
)
def test_printed_macs_are_at_output_size_with_the_elements_of_the_norms(
    configuration: str, printed: str
) -> None:
    counts = count(**options_of(configuration))
    assert f"{(counts.macs_output_size + counts.elementwise['norm']) / 1e9:.2f}" == printed
    assert f"{counts.macs_output_size / 1e9:.2f}" != printed


@pytest.mark.parametrize("part", ["residual", "upsample", "downsample"])
def test_table_4_is_one_replacement_per_row(part: str) -> None:
    expected = FIGURES["table4_64"][part]
    assert figures(count(part), expected) == expected


@pytest.mark.parametrize(
    ("part", "parameters", "macs"),
    [("residual", "0.14", "1.4"), ("upsample", "0.70", "3.3"), ("downsample", "0.70", "3.6")],
)
def test_table_4_at_width_16_rounds_to_what_is_printed(part: str, parameters: str, macs: str) -> None:
    counts = count(part, width=16)
    assert (f"{counts.parameters / 1e6:.2f}", f"{counts.macs_output_size / 1e9:.1f}") == (parameters, macs)


@pytest.mark.parametrize("width", [1, 16, 64, 100])
def test_parameters_of_nine_blocks_have_the_known_polynomial(width: int) -> None:
    assert architecture.parameters is not None
    assert architecture.parameters(ResnetGeneratorOptions(width=width)) == 2772 * width**2 + 376 * width + 3


@pytest.mark.parametrize(
    "options",
    [
        {"width": 8},
        {"width": 5, "blocks": 2},
        {"width": 5, "blocks": 3, "mobile": True},
        {"width": 8, "channels": "1_2_3_4_5_6"},
        {"width": 8, "channels": "1_2_3_4_5_6", "layout": "legacy"},
        {"width": 8, "channels": "8_7_6_5_4_3_2_1", "blocks": 9},
    ],
)
def test_closed_form_equals_the_built_network(options: dict[str, Any]) -> None:
    assert architecture.parameters is not None
    closed = architecture.parameters(ResnetGeneratorOptions.model_validate(options))
    assert closed == count(**options).parameters


@pytest.mark.parametrize(
    ("options", "inner"),
    [
        ({"channels": "8_8_7_5_8_8"}, [20] * 9),
        ({"channels": "8_8_7_5_8_8", "layout": "legacy"}, [20, 28, 28] * 3),
        ({"channels": "8_8_7_5_4_3_8_8"}, [20] * 3 + [16] * 3 + [12] * 3),
    ],
)
def test_slots_set_the_inner_width_of_their_blocks(options: dict[str, str], inner: list[int]) -> None:
    with torch.device("meta"):
        model = bb.build("resnet_generator", width=8, **options)
    assert [block.first.conv.pointwise.out_channels for block in model.residual] == inner
    assert {block.second.conv.pointwise.out_channels for block in model.residual} == {28}


def test_full_slots_are_the_mobile_network() -> None:
    assert count(width=8, channels="8_8_8_8_8_8").parameters == count(width=8, mobile=True).parameters


@pytest.mark.parametrize("options", [{}, {"mobile": True}])
def test_output_has_the_size_of_the_input_and_lies_in_range(options: dict[str, bool]) -> None:
    torch.manual_seed(0)
    model = bb.build("resnet_generator", width=2, blocks=1, **options).eval()
    with torch.no_grad():
        output = model(torch.randn(2, 3, 16, 24))
    assert output.shape == (2, 3, 16, 24)
    assert output.abs().max() <= 1.0
    assert output.std() > 0.0


def test_declared_output_is_the_real_one() -> None:
    assert architecture.output is not None
    with torch.device("meta"):
        model = bb.build("resnet_generator", width=2, blocks=1)
        (given,) = architecture.inputs(ResnetGeneratorOptions())
        assert model(torch.empty(given.shape)).shape == architecture.output(ResnetGeneratorOptions())


def test_weights_are_drawn_as_cyclegan_draws_them() -> None:
    torch.manual_seed(0)
    model = bb.build("resnet_generator", width=8, blocks=1)
    weight = model.residual[0].first.conv.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not model.residual[0].first.conv.bias.any()


def test_stages_are_the_parts_of_table_4_and_cover_every_parameter() -> None:
    with torch.device("meta"):
        model = bb.build("resnet_generator", width=4)
    assert list(architecture.stages) == ["downsample", "residual", "upsample", "output"]
    assert {path.split(".")[0] for path, _ in model.named_parameters()} == set(architecture.stages)
    light = bb.replace(model, stages=["downsample"], **DECOMPOSED["downsample"])
    origin = origin_of(light)
    assert origin is not None
    assert [each.before for each in origin.replacements] == [
        "Conv2d 3→4 7x7",
        "Conv2d 4→8 3x3 stride 2",
        "Conv2d 8→16 3x3 stride 2",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"channels": "24_24_96_32_20_16"}, ["slot 3 (trunk) is '96'", "1..64"]),
        ({"channels": "24_24_24_32_20_16", "width": 16}, ["slot 1 (first) is '24'", "1..16"]),
        ({"channels": "24_24_0_32_20_16"}, ["slot 3 (trunk) is '0'", "1..64"]),
        ({"channels": "24_24_24_3.5_20_16"}, ["slot 4 (blocks 1-9) is '3.5'", "whole number"]),
        ({"channels": "24_24_24_32_32_32_20_-1"}, ["slot 8 (up 2) is '-1'", "1..64"]),
        ({"channels": "24_24"}, ["'24_24' has 2 slots", "expected 6 or 8", "blocks 7-9"]),
        # As YAML reads it without quotes.
        ({"channels": 242424322016}, ["option channels", "number 242424322016", "quotes"]),
        ({"channels": "24_24_24_32_20_16", "blocks": 6}, ["blocks is 6", "9"]),
        ({"layout": "legacy"}, ["layout legacy", "six slots"]),
        ({"channels": "8_8_8_8_8_8_8_8", "layout": "legacy"}, ["has 8 slots", "expects 6"]),
        ({"chanels": "24"}, ["unknown option 'chanels'", "did you mean 'channels'?"]),
        ({"width": 0}, ["width", "greater than or equal to 1"]),
    ],
)
def test_wrong_options_say_what_was_expected(options: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(OptionError) as raised:
        bb.build("resnet_generator", **options)
    for words in told:
        assert words in str(raised.value)
    assert "\n" not in raised.value.problem
