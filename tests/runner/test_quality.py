"""Whatever holds or makes images, against a reference, as `benchbench quality` and Python callers ask."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchbench.architectures.weights import save_weights
from benchbench.core.environment import Environment
from benchbench.core.errors import BenchbenchError, CheckpointError, DataError, OptionError, StoreError
from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult, RunRecord
from benchbench.core.model import parse_options
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.store import RunStore
from benchbench.core.suite_file import load_suite
from benchbench.data.open import open_images
from benchbench.measures.quality.evaluate import Evaluation
from benchbench.measures.quality.options import QualityOptions
from benchbench.runner.quality import open_side, score
from benchbench.runner.subjects import build_subject, open_data

SUITE = """
name: little
architecture: {name: transformer_net, width: 4, blocks: 1}
variants:
  baseline: {}
  v1: {replace: {stages: residual, with: depthwise_separable}}
  untrained: {architecture: {width: 6}}
data: {source: photos, size: 16, test_size: 16, train: 2, validation: 1, test: 6, images: [coffee]}
train: {recipe: perceptual}
measure: [parameters]
"""
NOISE = """
name: noise
architecture: {name: dcgan, size: 32, width: 2, latent: 5}
measure: [parameters]
"""


@pytest.fixture
def options(small_extractor: str) -> Callable[..., QualityOptions]:
    def make(**changed: Any) -> QualityOptions:
        features = {"name": small_extractor, "label": "small", "side": 24}
        given = {"features": features, "resamples": 0, "metrics": "fd", **changed}
        return parse_options("measure", "quality", QualityOptions, given)

    return make


@pytest.fixture
def judge(options: Callable[..., QualityOptions], tmp_path: Path) -> Callable[..., Evaluation]:
    def run(reference: Any, generated: Any, **changed: Any) -> Evaluation:
        said: list[str] = changed.pop("said", [])
        asked = options(**changed)
        found = score(reference, generated, asked, cache=tmp_path / "cache", say=said.append)
        assert not found.refused, found.refused[0].error
        return found

    return run


@pytest.fixture
def real(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    return write_pictures(tmp_path / "real", 8, seed=1, sizes=(16, 20))


def finished_run(folder: Path, text: str) -> Path:
    """A run whose variants have weights, as a finished one has; `untrained` has none."""
    file = folder / "suite.yaml"
    file.write_text(text)
    suite = load_suite(file)
    record = RunRecord(id="r1", command="c", started="now", benchbench="0")
    store = RunStore.create(folder / "results", suite, record, Environment())
    for cell in expand(suite):
        path = f"checkpoints/{cell.id}.safetensors"
        if cell.variant == "untrained":
            store.write_cell(CellResult(cell=cell))
            continue
        module = build_subject(cell).module
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.01)
        save_weights(module, store.folder / path)
        store.write_cell(CellResult(cell=cell, checkpoint=path))
    return store.folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return finished_run(tmp_path, SUITE)


def value(found: Evaluation) -> float:
    return found.measurements[0].value


def test_a_folder_a_zip_an_npz_and_a_tensor_of_the_same_images(
    judge: Callable[..., Evaluation], tmp_path: Path, write_pictures: Callable[..., Path]
) -> None:
    real = write_pictures(tmp_path / "real", 8, seed=1)
    folder = write_pictures(tmp_path / "fake", 7, seed=2)
    images = open_images(folder)
    pixels = torch.stack([images[index] for index in range(7)])
    archive, npz, npy = tmp_path / "fake.zip", tmp_path / "fake.npz", tmp_path / "fake.npy"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.iterdir(), reverse=True):
            file.write(path, f"below/{path.name}")
    np.savez(npz, pixels.permute(0, 2, 3, 1).numpy())
    np.save(npy, pixels.numpy())
    wanted = judge(real, folder)
    for other in (str(folder), archive, npz, str(npy), pixels, pixels.numpy()):
        assert value(judge(real, other)) == pytest.approx(value(wanted), rel=1e-5)
    # A zip of the same files is the same entry of the cache.
    assert judge(str(real), str(archive)).times["generated"].extracted == 0


def test_a_callable_makes_images_from_the_seed(
    judge: Callable[..., Evaluation], real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "maker_of_noise.py").write_text(
        "import torch\n"
        "number = 3\n"
        "def make(count, generator):\n"
        "    return torch.rand(count, 3, 18, 18, generator=generator)\n"
    )
    monkeypatch.chdir(tmp_path)
    unit = {"range": "unit"}
    found = judge(real, "maker_of_noise:make", images=9, conversion=unit)
    settings = found.measurements[0].protocol.settings
    assert (settings["generated_count"], settings["generated_seed"]) == (9, 0)
    assert settings["generated_batch"] == 32
    assert value(judge(real, "maker_of_noise.py:make", images=9, conversion=unit)) == value(found)
    assert value(judge(real, "maker_of_noise:make", images=9, conversion=unit, seed=1)) != value(found)
    with pytest.raises(OptionError, match="as many images as it is asked for") as caught:
        judge(real, "maker_of_noise:make", conversion=unit)
    assert "--images" in str(caught.value)
    for wrong, told in (
        ("maker_of_noise:number", "is a int"),
        ("maker_of_noise:mkae", "did you mean 'make'"),
        ("maker_of_nosie:make", "no module 'maker_of_nosie'"),
    ):
        with pytest.raises(DataError, match=told):
            judge(real, wrong, images=9, conversion=unit)


@pytest.mark.parametrize("named", ["results/little/r1", "results/little/latest", "results/little"])
def test_a_variant_of_a_run(
    judge: Callable[..., Evaluation],
    real: Path,
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = judge(real, f"{named}:v1", images=4)
    settings = found.measurements[0].protocol.settings
    assert settings["generated_count"] == 4
    assert str(settings["generated_from"]).startswith("6 contents ")
    assert judge(real, f"{named}:v1").measurements[0].protocol.settings["generated_count"] == 6


def test_a_variants_weights_are_those_of_its_checkpoint(
    run: Path, options: Callable[..., QualityOptions]
) -> None:
    side = open_side(f"{run}:v1", options(), limit=None)
    cell = next(each for each in RunStore(run).read_table().results if each.cell.variant == "v1")
    assert cell.checkpoint is not None
    subject = build_subject(cell.cell, checkpoint=run / cell.checkpoint)
    content = open_data(cell.cell).test[2].float().div(255)[None]
    signed = ARCHITECTURES.load("transformer_net").values == "signed"
    with torch.inference_mode():
        made = subject.module(content * 2 - 1 if signed else content)[0]
    made = (made + 1) / 2 if signed else made
    wanted = (made.clamp(0, 1) * 255).round()
    assert (side.images[2].float() - wanted).abs().max() <= 1
    assert side.what == f"{run}:v1"


def test_a_noise_generator_of_a_run(judge: Callable[..., Evaluation], real: Path, tmp_path: Path) -> None:
    folder = finished_run(tmp_path, NOISE)
    found = judge(real, f"{folder}:baseline", images=5, batch=2)
    assert found.measurements[0].protocol.settings["generated_from"] == "seeded latents"
    # Each from its own seed: the batch does not matter.
    assert value(judge(real, f"{folder}:baseline", images=5, batch=5)) == pytest.approx(
        value(found), rel=1e-3
    )
    other = judge(real, f"{folder}:baseline", images=5, seed=1)
    assert abs(value(other) - value(found)) > 1e-9
    with pytest.raises(OptionError, match="as many images"):
        judge(real, f"{folder}:baseline")


@pytest.mark.parametrize(
    ("which", "told", "kind"),
    [
        ("v9", "has no variant 'v9'\n  expected: one of baseline, v1, untrained", DataError),
        ("untrained", "left no checkpoint", DataError),
    ],
)
def test_a_variant_that_is_not_there(
    judge: Callable[..., Evaluation],
    real: Path,
    run: Path,
    which: str,
    told: str,
    kind: type[BenchbenchError],
) -> None:
    with pytest.raises(kind) as caught:
        judge(real, f"{run}:{which}")
    assert told in str(caught.value)


def test_a_run_that_cannot_be_used(judge: Callable[..., Evaluation], real: Path, run: Path) -> None:
    with pytest.raises(DataError, match="7 images asked for, and there are 6 contents"):
        judge(real, f"{run}:v1", images=7)
    with pytest.raises(StoreError, match="no run at"):
        judge(real, f"{real}:v1")
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(CheckpointError):
        judge(real, f"{run}:v1")


def test_other_contents_may_be_declared(judge: Callable[..., Evaluation], real: Path, run: Path) -> None:
    contents = {"source": "photos", "size": 32, "train": 1, "validation": 1, "test": 3, "images": ["chelsea"]}
    found = judge(real, f"{run}:v1", contents=contents)
    assert str(found.measurements[0].protocol.settings["generated_from"]).startswith("3 contents ")


def test_no_reference_where_none_is_needed(
    real: Path, options: Callable[..., QualityOptions], tmp_path: Path
) -> None:
    found = score("none", real, options(), cache=tmp_path / "cache", say=lambda line: None)
    assert "compares with a reference, and there is none" in str(found.refused[0].error)


def test_files_that_were_passed_over_are_told(judge: Callable[..., Evaluation], real: Path) -> None:
    broken = real / "broken.png"
    broken.write_bytes((real / "0000.png").read_bytes()[:50])
    said: list[str] = []
    found = judge(real, real, conversion={"on_broken": "skip"}, said=said)
    assert found.measurements[0].protocol.settings["generated_count"] == 8
    assert any("left out" in line and "broken.png" in line for line in said)
    with pytest.raises(DataError, match=r"broken\.png"):
        judge(real, real)


def test_a_limit_takes_the_same_images_whatever_they_are_called(
    judge: Callable[..., Evaluation], real: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for index, path in enumerate(sorted(real.iterdir(), reverse=True)):
        (moved / f"{index}.png").write_bytes(path.read_bytes())
    one, other = judge(real, real, images=5), judge(real, moved, images=5)
    assert one.measurements[0].protocol == other.measurements[0].protocol
    assert value(one) == value(other)
    with pytest.raises(DataError, match="9 images asked for, 8 are there"):
        judge(real, real, images=9)
