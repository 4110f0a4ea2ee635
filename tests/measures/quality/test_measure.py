"""Quality inside a suite: what a cell's network makes, against the baseline's outputs, data or files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbench.architectures.weights import save_weights
from benchbench.core.cell import Cell
from benchbench.core.comparable import differing_settings
from benchbench.core.contracts import MeasureContext, Measured, Subject
from benchbench.core.errors import BenchbenchError, DataError, MeasurementError, OptionError
from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult
from benchbench.core.model import parse_options
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.measures.quality import measure
from benchbench.measures.quality.options import QualityOptions
from benchbench.runner.baselines import baselines_of
from benchbench.runner.cell_job import execute_cell
from benchbench.runner.jobs import CellJob
from benchbench.runner.subjects import build_subject, open_data

TRANSFER = """
name: transfer
architecture: {name: transformer_net, width: 4, blocks: 1}
variants: {baseline: {}, v1: {replace: {stages: residual, with: depthwise_separable}}}
data: {source: folder, path: PICTURES, size: 16, train: 6, validation: 1, test: 66}
measure: [quality]
"""
NOISE = """
name: noise
architecture: {name: dcgan, size: 32, width: 2, latent: 5}
variants: {baseline: {}, wide: {architecture: {width: 3}}}
data: {source: folder, path: PICTURES, size: 16, train: 6, validation: 1, test: 66}
measure: [quality]
"""
FEATURES = {"name": "rand_conv", "dimensions": 64, "side": 32}

Measuring = Callable[..., Measured]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, write_pictures: Callable[..., Path]) -> Path:
    """73 of them, of which the suites test on 66."""
    return write_pictures(tmp_path_factory.mktemp("pictures"), 73, seed=4, sizes=(16,))


@pytest.fixture
def suite_of(tmp_path: Path, pictures: Path) -> Callable[[str], Suite]:
    def load(text: str) -> Suite:
        path = tmp_path / "suite.yaml"
        path.write_text(text.replace("PICTURES", str(pictures)))
        return load_suite(path)

    return load


@pytest.fixture
def measured(tmp_path: Path, suite_of: Callable[[str], Suite]) -> Measuring:
    """(suite's text, variant, subject=None, **options) -> what the measure finds for that variant."""

    def run(text: str, variant: str, *, subject: Subject | None = None, **changed: Any) -> Measured:
        suite = suite_of(text)
        cell = next(each for each in expand(suite) if each.variant == variant)
        given = {"features": FEATURES, "resamples": 20, **changed}
        options = parse_options("measure", "quality", QualityOptions, given)
        context = MeasureContext(
            seed=cell.seed,
            folder=tmp_path / "run",
            images=lambda: open_data(cell),
            say=lambda line: None,
            baseline=baselines_of(suite)[cell.id],
            folders=(tmp_path,),
        )
        assert measure.per_cell is not None
        return measure.per_cell(subject or build_subject(cell), options, context)

    return run


def outputs(tmp_path: Path) -> list[str]:
    return sorted(path.name.partition("-")[0] for path in (tmp_path / "run" / "outputs").glob("*"))


def test_a_variant_is_compared_with_the_baselines_outputs(measured: Measuring, tmp_path: Path) -> None:
    assert measured(TRANSFER, "baseline") == Measured()
    assert outputs(tmp_path) == ["baseline"]
    found = measured(TRANSFER, "v1")
    assert found.failures == ()
    assert [each.name for each in found.measurements] == ["fd[rand-conv-64]", "kd[rand-conv-64]"]
    figure = found.measurements[0]
    assert figure.value > 0
    settings = figure.protocol.settings
    assert settings["reference"] == "outputs of the baseline"
    # Image i of both was made of content i.
    assert settings["pairing"] == "paired"
    assert (settings["reference_count"], settings["generated_count"]) == (66, 66)
    assert str(settings["generated_from"]).startswith("66 contents ")
    # Its own outputs are gone, the baseline's stay for the others.
    assert outputs(tmp_path) == ["baseline"]
    assert measured(TRANSFER, "v1") == found


def test_outputs_are_what_the_network_makes(
    measured: Measuring, tmp_path: Path, suite_of: Callable[[str], Suite]
) -> None:
    measured(TRANSFER, "baseline", images=64, batch=7)
    (file,) = (tmp_path / "run" / "outputs").iterdir()
    kept = np.load(file)
    assert (kept.shape, kept.dtype) == ((64, 3, 16, 16), np.uint8)
    cell = expand(suite_of(TRANSFER))[0]
    content = open_data(cell).test[33].float().div(255)[None]
    with torch.inference_mode():
        made = build_subject(cell).module(content)[0]
    # Of style transfer pixels are 0..1.
    wanted = made.clamp(0, 1) * 255
    assert (torch.from_numpy(kept[33]).float() - wanted).abs().max() <= 1


def test_the_same_network_is_at_no_distance(measured: Measuring, suite_of: Callable[[str], Suite]) -> None:
    metrics = ["fd", "l1", "ssim"]
    measured(TRANSFER, "baseline", metrics=metrics)
    base, v1 = expand(suite_of(TRANSFER))
    subject = build_subject(base)
    subject.cell = v1
    figures = measured(TRANSFER, "v1", subject=subject, metrics=metrics).measurements
    assert figures[0].value == pytest.approx(0, abs=1e-9)
    assert [(each.name, each.value) for each in figures[1:]] == [("l1", 0.0), ("ssim", 1.0)]


def test_without_the_baseline_the_reason_is_told(measured: Measuring, tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="has left no outputs to compare with") as caught:
        measured(TRANSFER, "v1")
    assert "without --only" in str(caught.value.fix)
    # Nothing was made for nothing.
    assert not (tmp_path / "run" / "outputs").exists()


def test_two_measures_keep_their_outputs_apart(measured: Measuring, tmp_path: Path) -> None:
    measured(TRANSFER, "baseline", seed=0)
    with pytest.raises(MeasurementError, match="no outputs"):
        measured(TRANSFER, "v1", seed=1)
    measured(TRANSFER, "baseline", seed=1)
    assert len(outputs(tmp_path)) == 2


@pytest.mark.parametrize(
    ("reference", "count", "pairing"),
    [
        ("data.test", 66, "paired"),
        ("data.train+test", 72, "independent"),
        ("data.test+train", 72, "independent"),
    ],
)
def test_images_of_the_suite_as_reference(
    measured: Measuring, tmp_path: Path, reference: str, count: int, pairing: str
) -> None:
    found = measured(TRANSFER, "baseline", reference=reference)
    settings = found.measurements[0].protocol.settings
    assert (settings["reference"], settings["reference_count"]) == (reference, count)
    assert (settings["pairing"], settings["reference_codec"]) == (pairing, ["lossless"])
    assert outputs(tmp_path) == []


def test_a_folder_as_reference(
    measured: Measuring, tmp_path: Path, write_pictures: Callable[..., Path]
) -> None:
    folder = write_pictures(tmp_path / "real", 64)
    settings = measured(TRANSFER, "v1", reference=str(folder)).measurements[0].protocol.settings
    assert (settings["reference"], settings["reference_codec"]) == ("images", ["lossless"])


@pytest.mark.parametrize(
    ("changed", "told", "kind"),
    [
        ({"reference": "data.tset"}, "did you mean 'test'", BenchbenchError),
        ({"reference": "nowhere"}, "no such file or folder", DataError),
        ({"reference": "data.test", "images": 67}, "there are 66 contents", DataError),
        ({"reference": "data.test", "reference_images": 67}, "67 images asked for, 66 are there", DataError),
        ({"reference": "data.test", "size": 32}, "is 16 x 16 pixels", DataError),
    ],
)
def test_what_cannot_be_had_is_told_and_leaves_nothing(
    measured: Measuring, tmp_path: Path, changed: dict[str, Any], told: str, kind: type[BenchbenchError]
) -> None:
    with pytest.raises(kind) as caught:
        measured(TRANSFER, "v1", **changed)
    assert told in str(caught.value)
    assert outputs(tmp_path) == []


def test_a_metric_that_cannot_be_computed_is_a_failure_beside_the_others(measured: Measuring) -> None:
    found = measured(TRANSFER, "v1", reference="data.test", metrics=["inception_score", "fd"])
    assert [each.name for each in found.measurements] == ["fd[rand-conv-64]"]
    (failure,) = found.failures
    assert failure.of == "quality: inception_score"
    assert failure.fix is not None


def test_a_noise_generator_makes_as_many_as_are_asked_for(measured: Measuring, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="how many images to generate is not said"):
        measured(NOISE, "baseline")
    measured(NOISE, "baseline", images=64)
    found = measured(NOISE, "wide", images=64).measurements[0]
    assert found.protocol.settings["generated_from"] == "seeded latents"
    assert found.protocol.settings["generated_count"] == 64
    assert outputs(tmp_path) == ["baseline"]


def test_image_i_is_drawn_from_the_seed_and_i_alone(measured: Measuring, tmp_path: Path) -> None:
    made = []
    for changed in ({"images": 64}, {"images": 70, "batch": 9}, {"images": 64, "seed": 1}):
        measured(NOISE, "baseline", **changed)
        (file,) = (tmp_path / "run" / "outputs").iterdir()
        made.append(np.load(file).astype(float))
        file.unlink()
    assert len(np.unique(made[0].reshape(64, -1), axis=0)) == 64
    # Rounding may fall otherwise in another batch.
    assert (made[0] != made[1][:64]).mean() < 0.01
    assert (made[0] != made[2]).mean() > 0.1


def test_a_noise_generator_makes_as_many_as_the_reference_has(measured: Measuring) -> None:
    first, again = (
        measured(NOISE, "baseline", reference="data.test", batch=batch).measurements[0] for batch in (32, 5)
    )
    assert first.protocol.settings["generated_count"] == 66
    # Noise inside a network is drawn batch by batch.
    differing = differing_settings(first.protocol.settings, again.protocol.settings)
    assert differing == {"generated_batch": (32, 5)}
    assert first.value == pytest.approx(again.value, rel=1e-2)
    other, narrow = (
        measured(NOISE, "baseline", reference="data.test", **changed).measurements[0]
        for changed in ({"seed": 1}, {"truncation": 0.5})
    )
    assert len({first.value, other.value, narrow.value}) == 3
    assert len({first.protocol.hash, other.protocol.hash, narrow.protocol.hash}) == 3


IMPORTED = """
name: imported
architecture: {import: "somebodys_network:build", input: [1, 3, 16, 16]}
variants: {baseline: {}}
data: {source: folder, path: PICTURES, size: 16, train: 6, validation: 1, test: 66}
measure: [quality]
"""


def test_an_imported_network_must_say_its_range(measured: Measuring, tmp_path: Path) -> None:
    (tmp_path / "somebodys_network.py").write_text(
        "import torch\ndef build():\n    return torch.nn.Conv2d(3, 3, 3, padding=1)\n"
    )
    import sys

    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(OptionError, match="does not say the range of its pixels"):
            measured(IMPORTED, "baseline", reference="data.test")
        found = measured(IMPORTED, "baseline", reference="data.test", range="unit")
    finally:
        sys.path.remove(str(tmp_path))
    assert found.measurements


class Wrong(torch.nn.Module):
    """Makes of pictures whatever `make` does."""

    def __init__(self, make: Callable[[torch.Tensor], Any]) -> None:
        super().__init__()
        self.make = make

    def forward(self, images: torch.Tensor) -> Any:
        return self.make(images)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda images: images * float("nan"), "NaN or infinity"),
        (lambda images: images[:, :1], r"made \[32, 1, 16, 16\] of 32 inputs"),
        (lambda images: images.flatten(1), r"made \[32, 768\] of 32 inputs"),
        (lambda images: "a picture", "made str"),
        (
            lambda images: images if len(images) == 32 else images[..., 1:],
            r"\[3, 16, 15\] after \[3, 16, 16\]",
        ),
    ],
)
def test_outputs_that_are_no_pictures(
    measured: Measuring, suite_of: Callable[[str], Suite], tmp_path: Path, make: Any, told: str
) -> None:
    subject = build_subject(expand(suite_of(TRANSFER))[0])
    subject.module = Wrong(make)
    with pytest.raises(MeasurementError, match=told):
        measured(TRANSFER, "baseline", subject=subject)
    assert outputs(tmp_path) == []


def test_the_first_of_several_outputs_is_the_picture(
    measured: Measuring, suite_of: Callable[[str], Suite], tmp_path: Path
) -> None:
    subject = build_subject(expand(suite_of(TRANSFER))[0])
    subject.module = Wrong(lambda images: (images, images.mean()))
    measured(TRANSFER, "baseline", subject=subject)
    (file,) = (tmp_path / "run" / "outputs").iterdir()
    np.testing.assert_array_equal(np.load(file)[5], open_data(subject_cell(subject)).test[5].numpy())


def subject_cell(subject: Subject) -> Cell:
    assert subject.cell is not None
    return subject.cell


def test_a_whole_suite_with_loaded_weights(
    tmp_path: Path, suite_of: Callable[[str], Suite], small_extractor: str
) -> None:
    text = TRANSFER.replace(
        "measure: [quality]",
        f"train: {{load: '{tmp_path}/{{variant}}.safetensors'}}\n"
        f"measure:\n  - quality: {{features: {{name: '{small_extractor}', side: 24}}, metrics: [fd, fid], "
        "resamples: 10}",
    )
    suite = suite_of(text)
    cells, baselines = expand(suite), baselines_of(suite)
    for cell in cells:
        save_weights(build_subject(cell).module, tmp_path / f"{cell.variant}.safetensors")
    folder = tmp_path / "run"
    folder.mkdir()

    def executed(cell: Cell) -> CellResult:
        return execute_cell(
            CellJob(
                cell=cell,
                measures=suite.measure,
                folder=str(folder),
                import_folders=(str(tmp_path),),
                baseline=baselines[cell.id],
            )
        )

    base, v1 = cells
    alone = executed(v1)
    assert alone.measurements == ()
    (failure,) = alone.failures
    assert failure.of == "quality"
    assert "the baseline (" in failure.reason
    assert "has left no outputs" in failure.reason
    assert executed(base).failures == ()
    result = executed(v1)
    assert [each.name for each in result.measurements] == [f"fd[{Path(small_extractor).name}]"]
    assert [each.of for each in result.failures] == ["quality: fid"]
    assert [phase.name for phase in result.phases] == ["build", "measure quality"]
