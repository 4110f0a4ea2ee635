"""Figures of images that belong to one another: by name, in any order, and what cannot be paired."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchbench.core.errors import BenchbenchError
from benchbench.core.model import parse_options
from benchbench.data.open import open_images
from benchbench.measures.quality.evaluate import Evaluation, Means, evaluate
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.sides import Side

Score = Callable[..., Evaluation]
PIXELS = ["l1", "psnr", "ssim"]


@pytest.fixture
def score(means: Means) -> Score:
    def run(reference: Path | None, generated: Path, **changed: Any) -> Evaluation:
        options = parse_options("measure", "quality", QualityOptions, {"metrics": PIXELS, **changed})
        sides = [
            None if each is None else Side(open_images(each), "images") for each in (reference, generated)
        ]
        assert sides[1] is not None
        return evaluate(sides[0], sides[1], options, means)

    return run


@pytest.fixture
def real(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    return write_pictures(tmp_path / "real", 9, seed=1)


@pytest.fixture
def fake(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    """The same pictures with noise, under the same names."""
    return write_pictures(tmp_path / "fake", 9, seed=1, noise=9)


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    folder = tmp_path / "labels"
    folder.mkdir()
    for index in range(9):
        Image.fromarray(random.integers(0, 3, (27, 24), dtype=np.uint8)).save(folder / f"{index:04d}.png")
    return folder


def renamed(folder: Path, target: Path) -> Path:
    target.mkdir()
    for index, path in enumerate(sorted(folder.iterdir(), reverse=True)):
        shutil.copy(path, target / f"picture-{index}.png")
    return target


def refusal(found: Evaluation) -> BenchbenchError:
    assert found.measurements == ()
    return found.refused[0].error


def test_pairs_are_compared_by_name_in_any_order(
    score: Score, real: Path, fake: Path, tmp_path: Path
) -> None:
    found = score(real, fake)
    assert [(each.name, each.unit, each.direction) for each in found.measurements] == [
        ("l1", "1", "lower"),
        ("psnr", "dB", "higher"),
        ("ssim", "1", "higher"),
    ]
    for figure in found.measurements:
        assert len(figure.samples[0]) == 9
        assert figure.interval is not None
        assert figure.value in figure.interval
    pictures = [
        [np.asarray(Image.open(path), dtype=float) for path in sorted(folder.iterdir())]
        for folder in (real, fake)
    ]
    wanted = np.mean([np.abs(x - y).mean() / 255 for x, y in zip(*pictures, strict=True)])
    assert found.measurements[0].value == pytest.approx(wanted)
    others = renamed(real, tmp_path / "a"), renamed(fake, tmp_path / "b")
    assert score(*others).measurements == found.measurements


def test_identical_pairs_are_left_out_of_the_mean_psnr(score: Score, real: Path, fake: Path) -> None:
    shutil.copy(real / "0003.png", fake / "0003.png")
    found = score(real, fake)
    psnr = found.measurements[1]
    assert psnr.flags == ("1 of 9 pairs are identical and left out: theirs is infinite",)
    assert len(psnr.samples[0]) == 8
    assert psnr.value == pytest.approx(np.mean(psnr.samples[0]))
    for path in real.iterdir():
        shutil.copy(path, fake / path.name)
    assert "9 of 9 pairs are identical" in str(score(real, fake).refused[0].error)


def test_one_pair_is_too_few(score: Score, write_pictures: Callable[..., Path], tmp_path: Path) -> None:
    one = write_pictures(tmp_path / "one", 1)
    assert "images: one image" in str(refusal(score(one, one, metrics=["l1"])))


def test_what_does_not_pair_up_is_told(score: Score, real: Path, fake: Path) -> None:
    (fake / "0003.png").unlink()
    assert "images without a partner of their name: 0003 of the first" in str(refusal(score(real, fake)))
    assert "figures of pairs need a reference" in str(refusal(score(None, fake)))


def test_label_maps_are_judged_by_a_declared_segmenter(
    score: Score, means: Means, real: Path, fake: Path, labels: Path, tmp_path: Path
) -> None:
    asked = {
        "metrics": "miou",
        "segmenter": {"name": "local", "classes": 3, "steps": 2, "width": 4},
        "labels": str(labels),
        "reference_labels": str(labels),
    }
    figure = score(real, fake, **asked).measurements[0]
    assert figure.name == "miou[local-segmenter]"
    assert figure.protocol.settings["comparable_to_literature"] is False
    # The same maps and images under other names, with the segmenter from the cache.
    others = [renamed(folder, tmp_path / f"other-{folder.name}") for folder in (real, fake, labels)]
    again = score(
        others[0], others[1], **{**asked, "labels": str(others[2]), "reference_labels": str(others[2])}
    ).measurements[0]
    assert (again.value, again.interval, again.protocol.hash) == (
        figure.value,
        figure.interval,
        figure.protocol.hash,
    )
    assert len(list((means.cache / "segmenters").iterdir())) == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"labels": None}, "'miou' needs the label maps"),
        ({"segmenter": None}, "'miou' needs a segmenter"),
        ({"labels": "OTHERS"}, "nothing says where its label maps are"),
        ({"labels": "nowhere"}, "no folder of label maps"),
        ({"labels": "FEWER"}, "1 of 9 images have no label map, 0004 for one"),
    ],
)
def test_miou_says_what_it_lacks(
    score: Score, real: Path, fake: Path, labels: Path, changed: dict[str, Any], told: str
) -> None:
    (labels / "0004.png").unlink()
    asked = {"segmenter": {"name": "local", "classes": 3}, "labels": str(labels), **changed}
    if asked["labels"] == "OTHERS":
        shutil.copy(labels / "0003.png", labels / "0004.png")
    if asked["labels"] in ("FEWER", "OTHERS"):
        asked["labels"] = str(labels)
    assert told in str(refusal(score(real, fake, metrics="miou", **asked)))
