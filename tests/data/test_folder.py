from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError, OptionError
from benchbench.core.model import parse_options
from benchbench.data.folder import FolderOptions, open_folder


def write(path: Path, *, size: tuple[int, int] = (40, 36), seed: int = 0, **save: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **save)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(10):
        write(tmp_path / ("deep/er" if index % 2 else "") / f"{index}.png", seed=index)
    return tmp_path


def options(folder: Path, **changes: object) -> FolderOptions:
    given = {"path": str(folder), "size": 32, "train": 6, "validation": 2, "test": 2, **changes}
    return parse_options("data source", "folder", FolderOptions, given)


def test_splits_are_disjoint_recursive_and_repeatable(folder):
    first, again = (open_folder(options(folder), 0) for _ in range(2))
    names = [*first.train.names, *first.validation.names, *first.test.names]
    assert len(set(names)) == 10
    assert "deep/er/1.png" in names
    assert list(first.train.names) == list(again.train.names) == sorted(first.train.names)
    assert first.digest == again.digest
    assert first.train[0].shape == (3, 32, 32)
    assert first.train[0].dtype == torch.uint8


def test_fractions_of_all(folder):
    splits = open_folder(options(folder, train=0.5, validation=0.2, test=0.3), 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (5, 2, 3)


def test_a_fraction_of_the_training_images_leaves_the_rest_alone(folder):
    whole, half, other = (
        open_folder(options(folder, **changes), 0)
        for changes in ({}, {"fraction": 0.5}, {"fraction": 0.5, "subset_seed": 1})
    )
    assert len(half.train) == 3
    assert set(half.train.names) < set(whole.train.names)
    assert half.train.names != other.train.names
    assert half.test.names == whole.test.names


def test_the_papers_split_is_refused_where_images_are_missing(folder):
    with pytest.raises(
        DataError, match=r"4455 train \+ 495 validation \+ 50 test images asked for, 10 are there"
    ):
        open_folder(options(folder, train=4455, validation=495, test=50), 0)


def test_a_missing_and_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        open_folder(options(tmp_path / "nowhere"), 0)
    with pytest.raises(DataError, match="is empty"):
        open_folder(options(tmp_path), 0)


def test_a_truncated_file_is_named_and_skipped_only_when_asked(folder):
    broken = folder / "deep" / "cut.jpg"
    content = write(folder / "whole.jpg", size=(200, 200)).read_bytes()
    (folder / "whole.jpg").unlink()
    broken.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"deep/cut\.jpg: broken image"):
        open_folder(options(folder), 0)
    splits = open_folder(options(folder, on_broken="skip"), 0)
    assert [each.split(": ")[0] for each in splits.left_out] == [str(broken)]
    assert "deep/cut.jpg" not in {*splits.train.names, *splits.validation.names, *splits.test.names}


def test_a_file_that_is_no_image_is_named_and_a_hidden_one_passed_over(folder):
    (folder / ".DS_Store").write_text("x")
    open_folder(options(folder), 0)
    (folder / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"notes\.txt: not an image") as caught:
        open_folder(options(folder), 0)
    assert "on_broken: skip" in str(caught.value)


def test_a_small_image_is_named_and_enlarged_only_when_asked(folder):
    write(folder / "tiny.png", size=(20, 90))
    with pytest.raises(DataError, match=r"tiny\.png: 20 x 90 pixels"):
        open_folder(options(folder), 0)
    splits = open_folder(options(folder, on_small="resize", train=11, validation=0, test=0), 0)
    assert splits.train[list(splits.train.names).index("tiny.png")].shape == (3, 32, 32)


def test_exif_orientation_is_applied(tmp_path):
    pixels = np.zeros((32, 32, 3), dtype=np.uint8)
    pixels[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = open_folder(options(tmp_path, train=1, validation=0, test=0), 0).train[0]
    assert image[:, 0].max() == 0
    assert image[:, -1].min() == 255


def test_grey_and_palette_images_become_rgb(tmp_path):
    Image.new("L", (32, 32), 7).save(tmp_path / "a.png")
    Image.new("P", (32, 32), 7).save(tmp_path / "b.png")
    Image.fromarray(np.full((32, 32), 257 * 9, dtype=np.uint16)).save(tmp_path / "c.png")
    images = open_folder(options(tmp_path, train=3, validation=0, test=0), 0).train
    assert images[0].unique().tolist() == [7]
    assert images[1].shape == (3, 32, 32)
    assert images[2].unique().tolist() == [9]


def test_random_crops_are_fixed_by_the_seed(folder):
    write(folder / "large.png", size=(300, 200))
    one, same, other = (
        open_folder(options(folder, how="random_crop", train=11, validation=0, test=0), seed).train
        for seed in (0, 0, 1)
    )
    index = list(one.names).index("large.png")
    assert torch.equal(one[index], same[index])
    assert not torch.equal(one[index], other[index])


def test_a_copy_counts_twice_and_content_is_in_the_digest(folder):
    before = open_folder(options(folder), 0).digest
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    assert len(open_folder(options(folder, train=7), 0).train) == 7
    (folder / "copy.png").unlink()
    write(folder / "0.png", seed=99)
    assert open_folder(options(folder), 0).digest != before


def test_a_fraction_over_one_is_refused(folder):
    with pytest.raises(OptionError):
        options(folder, train=1.5)
