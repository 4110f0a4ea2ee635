"""The papers' protocols by name, as they stand in the papers."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from benchbench.core.errors import OptionError
from benchbench.core.model import parse_options
from benchbench.measures.quality.options import PRESETS, Preset, QualityOptions

# Written down apart from the code: metrics, generated images, size, reference.
PUBLISHED: dict[str, tuple[tuple[str, ...], int | None, int | None, str]] = {
    "depthwisegan": (("fid",), 140, 128, "data.train"),
    "ssd": (("fid", "clean_fid", "clean_kid"), None, 64, "data.train"),
    "gan_compression_paired": (("fid",), None, None, "data.test"),
    "gan_compression_unpaired": (("fid",), None, None, "data.train+test"),
    "cityscapes_miou": (("miou",), None, None, "baseline"),
    "fastgan": (("fid",), 5000, None, "data.train"),
    "fastgan_50k": (("fid",), 50000, None, "data.train"),
}


def parsed(**given: Any) -> QualityOptions:
    return parse_options("measure", "quality", QualityOptions, given)


def test_every_preset_is_checked_here() -> None:
    assert set(PUBLISHED) == set(PRESETS) == set(get_args(Preset))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_preset_is_the_papers_protocol(name: str) -> None:
    options = parsed(protocol=name)
    assert (options.metrics, options.images, options.size, options.reference) == PUBLISHED[name]
    assert options.departures == ()


def test_cityscapes_are_judged_by_drn_d_105() -> None:
    options = parsed(protocol="cityscapes_miou")
    assert options.segmenter is not None
    assert options.segmenter.name == "drn_d_105"
    assert options.label_values == "cityscapes_ids"


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_said_wins_and_is_named_as_a_departure(name: str) -> None:
    options = parsed(protocol=name, metrics=["kd"], reference="somewhere")
    assert (options.metrics, options.reference) == (("kd",), "somewhere")
    assert set(options.departures) == {"metrics", "reference"}
    assert options.images == PUBLISHED[name][1]


def test_what_is_said_as_the_protocol_has_it_is_no_departure() -> None:
    assert parsed(protocol="fastgan", images=5000, metrics="fid").departures == ()
    assert parsed(protocol="fastgan", images=1000).departures == ("images",)
    assert parsed().departures == ()


def test_an_unknown_protocol_is_told_with_the_nearest() -> None:
    with pytest.raises(OptionError) as caught:
        parsed(protocol="fastgan_5k")
    assert "fastgan_50k" in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"images": 1},
        {"metrics": []},
        {"features": []},
        {"subsets": 1},
        {"batch": 0},
        {"resamples": -1},
        {"bias_curve": [1]},
        {"reference": ""},
        {"protocol": 3},
        {"truncation": 0.0},
        {"range": "byte"},
        {"nonsense": 1},
    ],
)
def test_values_out_of_range_are_told(given: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(given))):
        parsed(**given)


def test_lists_come_as_yaml_has_them() -> None:
    options = parsed(bias_curve=[10, 20], metrics="fd", features="inception")
    assert options.bias_curve == (10, 20)
    assert options.metrics == ("fd",)
    assert options.features[0].name == "inception"
