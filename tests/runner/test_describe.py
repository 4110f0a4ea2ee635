from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from benchbench.core.errors import ArchitectureError, OptionError, UnknownNameError
from benchbench.core.model import Options
from benchbench.runner.describe import Description, describe, describe_options

MODEL = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 3, 1))
"""


def test_a_registered_network_is_told_whole() -> None:
    found = describe("transformer_net")
    assert found.parameters == 1_679_235
    assert found.macs == 10_078_912_512
    assert found.paper is not None
    assert found.summary
    assert [stage.name for stage in found.stages] == ["encoder", "residual", "decoder"]
    assert sum(stage.parameters for stage in found.stages) == found.parameters
    assert sum(stage.macs for stage in found.stages) == found.macs
    assert "residual.0.first.conv" in found.stages[1].layers
    assert {option.name for option in found.options} >= {"width"}
    assert Description.model_validate_json(found.model_dump_json()) == found


def test_options_and_input_are_taken() -> None:
    found = describe("transformer_net", {"width": 16}, input_shape=(1, 3, 64, 64))
    assert found.inputs[0].shape == (1, 3, 64, 64)
    assert found.parameters < 1_679_235


def test_an_import_is_described_by_its_layers(tmp_path: Path) -> None:
    (tmp_path / "net_to_describe.py").write_text(MODEL)
    found = describe("net_to_describe:Net", {"width": 8}, input_shape=(1, 3, 16, 16), folders=[tmp_path])
    assert found.parameters == (27 * 8 + 8) + (8 * 3 + 3)
    assert found.macs == 256 * (27 * 8 + 8 * 3)
    assert [stage.layers for stage in found.stages] == [("0", "2")]
    assert found.options == ()


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
        describe("not a path:Net", input_shape=(1, 3, 8, 8))


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
