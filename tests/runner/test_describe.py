from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import pytest
import torch
from pydantic import Field

import benchbench as bb
from benchbench.core.errors import ArchitectureError, OptionError, SuiteError, UnknownNameError
from benchbench.core.model import JsonValue, Options
from benchbench.runner.describe import describe, describe_suite
from benchbench.runner.describe_options import describe_options
from benchbench.runner.describe_records import ComparisonDescription, Description, ModuleDescription

LIGHT: JsonValue = {
    "replace": {"stages": ["residual"], "with": {"name": "depthwise_separable", "norm": "none"}}
}
MODEL = """
import os, sys, time
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        print("a model that talks")
        super().__init__(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 1))

class Scaled(Net):
    def forward(self, x, t):
        return super().forward(x) * t[:, None, None, None]

class Holder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = Net()

def crash():
    os.kill(os.getpid(), 9)

def leave():
    sys.exit(3)

def hang():
    time.sleep(600)

def ask():
    return Net(int(input("how wide? ")))

def number():
    return 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net_to_describe.py").write_text(MODEL)
    return tmp_path


def _modules(tree: Iterable[ModuleDescription]) -> Iterable[ModuleDescription]:
    for each in tree:
        yield each
        yield from _modules(each.children)


def test_a_registered_network_is_told_whole() -> None:
    found = describe("transformer_net")
    assert found.parameters == 1_679_235
    assert found.macs == 10_078_912_512
    assert found.paper is not None
    assert found.summary
    assert [stage.name for stage in found.stages] == ["encoder", "residual", "decoder"]
    assert "residual.0.first.conv" in found.stages[1].layers
    assert {option.name for option in found.options} >= {"width"}
    assert not found.stages_guessed
    assert Description.model_validate_json(found.model_dump_json()) == found


def test_every_level_of_the_tree_adds_up() -> None:
    found = describe("stylegan2", {"size": 64})
    with torch.device("meta"):
        counts = bb.count(bb.build("stylegan2", size=64))
    by_stage = {row.stage: row for row in counts.by_stage()}
    assert sum(stage.parameters for stage in found.stages) == found.parameters == counts.parameters
    assert sum(stage.macs for stage in found.stages) == found.macs == counts.macs
    assert found.peak_activation_bytes == counts.peak_activation_bytes
    assert sum(stage.parameters_share for stage in found.stages) == pytest.approx(1)
    for stage in found.stages:
        row = by_stage[stage.name]
        assert (stage.parameters, stage.macs) == (row.parameters, row.macs)
        assert stage.peak_activation_bytes == row.peak_activation_bytes
        assert stage.peak_activation_share == row.peak_activation_bytes / counts.peak_activation_bytes
        assert sum(each.parameters for each in stage.modules) == stage.parameters
        assert sum(each.macs for each in stage.modules) == stage.macs
        for module in _modules(stage.modules):
            assert sum(each.macs for each in module.children) <= module.macs
            assert sum(each.parameters for each in module.children) <= module.parameters


def test_equal_neighbours_are_one_row_with_their_sum() -> None:
    found = describe("transformer_net", {"width": 4})
    residual = next(stage for stage in found.stages if stage.name == "residual")
    (row,) = residual.modules
    assert (row.name, row.kind, row.count, row.path) == ("residual.0-4", "ResidualBlock", 5, "residual.0")
    first, second = (each for each in row.children if each.macs)
    assert (first.name, first.count) == ("first", 5)
    assert first.macs + second.macs == row.macs == residual.macs


def test_options_and_input_are_taken() -> None:
    found = describe("transformer_net", {"width": 16}, inputs=[1, 3, 64, 64])
    assert found.inputs[0].shape == (1, 3, 64, 64)
    assert found.parameters < 1_679_235


def test_a_variant_is_set_beside_what_was_described() -> None:
    found = describe("transformer_net", {"width": 4}, inputs=[1, 3, 16, 16], variant=LIGHT)
    with torch.device("meta"):
        before = bb.build("transformer_net", width=4)
        after = bb.replace(before, by="depthwise_separable", stages=["residual"], norm="none")
    was, now = bb.count(before, (1, 3, 16, 16)), bb.count(after, (1, 3, 16, 16))
    (comparison,) = found.comparisons
    assert (comparison.before, comparison.after) == ("transformer_net", "variant")
    for counts, side in ((was, "before"), (now, "after")):
        total = getattr(comparison.total, side)
        assert (total.parameters, total.macs) == (counts.parameters, counts.macs)
        assert total.peak_activation_bytes == counts.peak_activation_bytes
        for row, stage in zip(counts.by_stage(), comparison.stages, strict=True):
            costs = getattr(stage, side)
            assert (stage.name, costs.parameters, costs.macs) == (row.stage, row.parameters, row.macs)
            assert costs.peak_activation_bytes == row.peak_activation_bytes
    encoder, residual, _ = comparison.stages
    assert (encoder.parameters_ratio, encoder.macs_ratio) == (1, 1)
    assert residual.macs_ratio == residual.after.macs / residual.before.macs < 0.5
    (kind,) = comparison.replaced
    assert (kind.before, kind.after, kind.count) == ("Conv2d", "Conv2d + ReLU + Conv2d", 10)
    assert kind.example.startswith("residual.0.first.conv: Conv2d 16→16 3x3 => Conv2d 16→16 3x3 depthwise")


SUITE = """
name: small
title: a small suite
architecture: {name: stargan, size: 16, width: 8, blocks: 1}
discriminator: {name: stargan_discriminator, size: 16, width: 4, layers: 2}
variants:
  published: {title: as it is}
  light:
    replace:
      - {with: {name: depthwise_separable, norm: none}}
      - {with: {name: depthwise_separable, norm: none}, network: discriminator, layers: [input.conv]}
matrix: {seed: [4, 5]}
measure: [parameters]
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "suite.yaml"
    path.write_text(text)
    return path


def _totals(comparison: ComparisonDescription) -> tuple[int, int]:
    return comparison.total.before.parameters, comparison.total.after.parameters


def test_a_suite_is_its_baseline_with_its_variants(tmp_path: Path) -> None:
    found = describe_suite(_write(tmp_path, SUITE))
    assert (found.name, found.variant, found.label) == ("small", "published", "stargan")
    assert [each.name for each in found.variants] == ["published", "light"]
    assert found.discriminator is not None
    assert found.discriminator.label == "stargan_discriminator"
    assert found.comparisons == ()
    wider = describe_suite(tmp_path / "suite.yaml", overrides=["architecture.width=16"])
    assert wider.parameters > found.parameters


def test_a_variant_of_a_suite_has_both_its_networks_beside_the_baseline(tmp_path: Path) -> None:
    found = describe_suite(_write(tmp_path, SUITE), variant="light")
    generator, discriminator = found.comparisons
    assert (generator.network, discriminator.network) == ("generator", "discriminator")
    assert (generator.before, generator.after) == ("published", "light")
    assert sum(each.count for each in discriminator.replaced if each.after) == 1
    against = discriminator.total
    assert against.before.parameters - against.after.parameters == (3 * 4 * 16 + 4) - (3 * 16 + 3 * 4)
    assert _totals(generator)[0] == found.parameters


def test_a_variant_is_compared_within_its_group(tmp_path: Path) -> None:
    text = """
name: groups
architecture: {name: transformer_net, width: 4, blocks: 1}
variants:
  a: {}
  wide: {group: other, architecture: {width: 8}}
  wider: {group: other, architecture: {width: 12}}
measure: [parameters]
"""
    found = describe_suite(_write(tmp_path, text), variant="wider")
    assert (found.comparisons[0].before, found.comparisons[0].after) == ("wide", "wider")


def test_an_unknown_variant_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError) as told:
        describe_suite(_write(tmp_path, SUITE), variant="ligth")
    assert told.value.fix == "did you mean 'light'?"


@pytest.mark.slow
def test_an_import_is_described_by_its_layers(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = describe("net_to_describe:Net", {"width": 8}, inputs=[1, 3, 16, 16], folders=[folder])
    assert found.parameters == (27 * 8 + 8) + (8 * 3 + 3)
    assert found.macs == 256 * (27 * 8 + 8 * 3)
    assert [path for stage in found.stages for path in stage.layers] == ["0", "2"]
    assert found.options == ()
    # What it prints stays out of what is piped on.
    assert capfd.readouterr().out == ""


@pytest.mark.slow
def test_an_import_takes_several_inputs_and_a_file(folder: Path) -> None:
    inputs: JsonValue = {"x": [1, 3, 8, 8], "t": {"shape": [1], "dtype": "int64", "high": 10}}
    found = describe(f"{folder / 'net_to_describe.py'}:Scaled", inputs=inputs)
    assert [(spec.place, spec.dtype) for spec in found.inputs] == [("x", "float32"), ("t", "int64")]


@pytest.mark.slow
def test_a_part_of_an_import_is_described_alone(folder: Path) -> None:
    found = describe("net_to_describe:Holder", inputs=[1, 3, 8, 8], attribute="part", folders=[folder])
    assert found.parameters == (27 * 4 + 4) + (4 * 3 + 3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("callable_", "problem"),
    [
        ("crash", "could not be described: the process was killed"),
        ("leave", "could not be described: the process ended with status 3"),
        ("number", "returned a int"),
        ("ask", "raised EOFError"),
    ],
)
def test_an_import_that_does_not_build_is_one_typed_error(folder: Path, callable_: str, problem: str) -> None:
    with pytest.raises(ArchitectureError, match=problem):
        describe(f"net_to_describe:{callable_}", inputs=[1, 3, 8, 8], folders=[folder])


@pytest.mark.slow
def test_an_import_that_hangs_is_ended(folder: Path) -> None:
    with pytest.raises(ArchitectureError, match=r"no answer after 1 s") as told:
        describe("net_to_describe:hang", inputs=[1, 3, 8, 8], folders=[folder], limit_s=1.0)
    assert told.value.fix is not None
    assert "download" in told.value.fix


def test_an_import_needs_its_input() -> None:
    with pytest.raises(ArchitectureError, match="does not say what it takes") as told:
        describe("any_package:Net")
    assert told.value.fix == "benchbench describe any_package:Net --input 1,3,256,256"


def test_an_unknown_network_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as told:
        describe("transformr_net")
    assert told.value.fix == "did you mean 'transformer_net'?"


def test_an_unknown_option_is_answered_with_the_nearest() -> None:
    with pytest.raises(OptionError) as told:
        describe("transformer_net", {"widht": 8})
    assert told.value.fix == "did you mean 'width'?"


def test_a_malformed_import_path_is_told() -> None:
    with pytest.raises(OptionError, match="not a path:Net"):
        describe("not a path:Net", inputs=[1, 3, 8, 8])


def test_a_malformed_input_is_told_with_its_place() -> None:
    with pytest.raises(OptionError, match=r"'a:b': input\.x\[2\]: got 0"):
        describe("a:b", inputs={"x": [1, 3, 0]})


def test_a_variant_that_does_not_fit_is_told_with_its_place() -> None:
    wrong_stage: JsonValue = {"replace": {"stages": ["residul"], "with": "depthwise_separable"}}
    with pytest.raises(UnknownNameError, match=r"--variant: replace\[0\]\.stages\[0\]") as told:
        describe("transformer_net", variant=wrong_stage)
    assert told.value.fix == "did you mean 'residual'?"
    with pytest.raises(SuiteError, match="unknown key 'replac'"):
        describe("transformer_net", variant={"replac": []})
    with pytest.raises(OptionError, match="has no variants of its own"):
        describe("transformer_net", variant="v3")
    with pytest.raises(OptionError, match="'discriminator' needs a suite"):
        describe("transformer_net", variant={"discriminator": {"width": 4}})


class Example(Options):
    """Options of an example.

    Attributes:
        size: side of the square,
            in pixels.
        mode, other: how it is done.
        names: of its parts.
    """

    size: Annotated[int, Field(ge=8, le=64, multiple_of=4)]
    mode: Literal["a", "b"] = "a"
    other: float | None = None
    names: tuple[str, ...] = ()


def test_options_are_told_with_type_default_range_and_meaning() -> None:
    size, mode, other, names = describe_options(Example)
    assert (size.type, size.required, size.range) == ("integer", True, ">= 8, <= 64, multiple of 4")
    assert size.help == "side of the square, in pixels."
    assert (mode.type, mode.default, mode.help) == ("one of a, b", "a", "how it is done.")
    assert (other.type, other.default, other.help) == ("number or null", None, "how it is done.")
    assert names.type == "list of text"
