"""What changes the protocol of a figure, and what must not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbench.core.comparable import differing_settings, require_same_protocol
from benchbench.core.errors import ProtocolMismatchError
from benchbench.core.measurement import Measurement
from benchbench.core.model import parse_options
from benchbench.data.generated import GeneratedImages
from benchbench.data.open import open_images
from benchbench.measures.quality.evaluate import Means, evaluate
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.sides import Side

Figure = Callable[..., Measurement]


@pytest.fixture
def real(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    return write_pictures(tmp_path / "real", 16, seed=1)


@pytest.fixture
def figure(means: Means, real: Path, small_extractor: str) -> Figure:
    """(folder of the reference, features of the extractor, how many are drawn, **options) -> one figure."""

    def make(
        reference: Path | None = None,
        *,
        extractor: dict[str, Any] | None = None,
        count: int = 12,
        **changed: Any,
    ) -> Measurement:
        features = {"name": small_extractor, "label": "small", "side": 24, **(extractor or {})}
        given = {"metrics": "kd_subsets", "features": features, "resamples": 0, **changed}
        options = parse_options("measure", "quality", QualityOptions, given)
        first = open_images(reference or real, conversion=options.conversion, limit=options.reference_images)
        second = GeneratedImages(
            lambda n, generator: torch.rand(n, 3, 24, 24, generator=generator),
            count=count,
            seed=options.seed,
            batch=4,
            conversion=options.conversion.model_copy(update={"range": "unit"}),
        )
        found = evaluate(
            Side(first, "real"), Side(second, "drawn", {"seed": options.seed, "from": "a"}), options, means
        )
        return found.measurements[0]

    return make


DIFFERENT: dict[str, tuple[dict[str, Any], set[str]]] = {
    "seed": ({"seed": 1}, {"generated_seed", "estimator"}),
    "count": ({"count": 10}, {"generated_count", "estimator"}),
    "subsets": ({"subsets": 30}, {"estimator"}),
    "conversion": (
        {"conversion": {"alpha": "white"}},
        {"generated_conversion", "reference_conversion", "reference_digest"},
    ),
    "resize": ({"extractor": {"resize": "legacy"}}, {"resize"}),
    "side": ({"extractor": {"side": 32}}, {"resize", "extractor_probe"}),
    "weights": (
        {"extractor": {"kwargs": {"seed": 6}}},
        {"weights_hash", "extractor_kwargs", "extractor_probe"},
    ),
    "metric": ({"metrics": "kd"}, {"metric", "estimator", "pairing"}),
    "reference count": ({"reference_images": 14}, {"reference_count", "reference_digest"}),
    "preset": (
        {"protocol": "fastgan", "metrics": "kd_subsets", "images": None},
        {"named", "departures"},
    ),
    "tiles": ({"tile": 12}, {"tile", "generated_count", "reference_count", "reference_digest", "estimator",
                             "reference_codec"}),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "fields"), DIFFERENT.values(), ids=DIFFERENT)
def test_another_protocol_has_another_hash_and_names_the_fields(
    figure: Figure, changed: dict[str, Any], fields: set[str]
) -> None:
    before, after = figure(), figure(**changed)
    assert before.protocol.hash != after.protocol.hash
    differing = set(differing_settings(before.protocol.settings, after.protocol.settings))
    assert differing <= fields
    assert differing
    with pytest.raises(ProtocolMismatchError) as caught:
        require_same_protocol(before, after, names=("one", "the other"))
    assert all(field in str(caught.value) for field in differing)


@pytest.mark.parametrize(
    "changed", [{"batch": 3}, {"workers": 0}, {"resamples": 50}, {"device": "cpu"}, {"bias_curve": [5]}]
)
def test_what_changes_no_value_changes_no_protocol(figure: Figure, changed: dict[str, Any]) -> None:
    before, after = figure(), figure(**changed)
    assert before.protocol.hash == after.protocol.hash
    assert before.value == pytest.approx(after.value, rel=1e-5)
    require_same_protocol(before, after, names=("one", "the other"))


def test_the_same_images_elsewhere_under_other_names_are_the_same_reference(
    figure: Figure, real: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "deep" / "elsewhere"
    moved.mkdir(parents=True)
    for index, path in enumerate(sorted(real.iterdir(), reverse=True)):
        (moved / f"{index}.png").write_bytes(path.read_bytes())
    before, after = figure(), figure(tmp_path / "deep")
    assert before.protocol.hash == after.protocol.hash
    assert before.value == after.value


def test_another_reference_is_another_protocol(
    figure: Figure, write_pictures: Callable[..., Path], tmp_path: Path
) -> None:
    other = write_pictures(tmp_path / "other", 16, seed=2)
    before, after = figure(), figure(other)
    assert set(differing_settings(before.protocol.settings, after.protocol.settings)) == {"reference_digest"}


def test_everything_that_the_design_lists_is_declared(figure: Figure) -> None:
    settings = figure(metrics="fd").protocol.settings
    assert (
        settings
        | {
            "metric": "fd",
            "estimator": "exact",
            "covariance_divisor": "N-1",
            "extractor": "small",
            "resize": "clean 24",
            "dtype": "features float32, statistics float64",
            "generated_count": 12,
            "generated_codec": ["lossless"],
            "generated_seed": 0,
            "reference_count": 16,
            "reference_codec": ["lossless"],
            "comparable_to_literature": False,
        }
        == settings
    )
    assert {"weights_hash", "reference_digest", "reference_conversion", "reference"} <= set(settings)
