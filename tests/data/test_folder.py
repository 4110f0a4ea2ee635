from __future__ import annotations

import pickle
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


@pytest.fixture
def afhq(tmp_path: Path) -> Path:
    for split, count in (("train", 6), ("val", 3)):
        for animal in ("cat", "dog"):
            for index in range(count):
                write(tmp_path / split / animal / f"{index}.jpg", seed=index)
    return tmp_path


def of_afhq(path: Path, **changes: object) -> FolderOptions:
    given = {"path": str(path), "size": 32, "layout": "split", "below": "dog", **changes}
    return parse_options("data source", "folder", FolderOptions, given)


def test_afhqs_layout(afhq):
    splits = open_folder(of_afhq(afhq), 0)
    assert [*splits.train.names] == [f"train/dog/{index}.jpg" for index in range(6)]
    assert [*splits.test.names] == [f"val/dog/{index}.jpg" for index in range(3)]
    assert len(splits.validation) == 0
    assert len(open_folder(of_afhq(afhq, validation=0.5), 0).train) == 3
    assert len(open_folder(of_afhq(afhq, fraction=0.5), 0).train) == 3
    assert len(open_folder(of_afhq(afhq, below=None), 0).test) == 6


def test_a_layout_that_is_not_there(afhq, folder):
    with pytest.raises(DataError, match="not laid out in splits"):
        open_folder(of_afhq(folder / "deep"), 0)
    with pytest.raises(DataError, match=r"no folder .*train/wolf"):
        open_folder(of_afhq(afhq, below="wolf"), 0)
    with pytest.raises(OptionError, match="layout: split"):
        options(folder, below="dog")


def test_half_of_the_training_examples_are_turned_over_when_asked(folder):
    plain, turned = (open_folder(options(folder, flip=flip), 0) for flip in (False, True))
    assert all(plain.train.example(1, draw)["image"].equal(plain.train[1]) for draw in range(8))
    shown = [turned.train.example(1, draw)["image"] for draw in range(40)]
    assert {each.equal(turned.train[1]) for each in shown} == {True, False}
    assert all(each.equal(turned.train[1]) or each.equal(turned.train[1].flip(-1)) for each in shown)
    assert turned.test.example(0, 1)["image"].equal(turned.test[0])


def test_resize_makes_both_sides_the_size(folder):
    image = open_folder(options(folder, how="resize"), 0).train[0]
    assert image.shape == (3, 32, 32)
    assert not image.equal(open_folder(options(folder), 0).train[0])


def test_what_is_kept_in_memory_changes_nothing(folder):
    for how in ("resize_crop", "random_crop"):
        kept, read = (
            open_folder(options(folder, how=how, flip=True, memory_gib=memory), 0) for memory in (1.0, 0.0)
        )
        assert kept.digest == read.digest
        for _ in range(2):
            assert all(
                kept.train.example(i, 5)["image"].equal(read.train.example(i, 5)["image"]) for i in range(6)
            )


def test_decoded_images_are_not_read_again(folder):
    splits = open_folder(options(folder), 0)
    before = splits.train[0].clone()
    for path in folder.rglob("*.png"):
        path.unlink()
    assert splits.train[0].equal(before)


def test_examples_are_the_same_in_another_process(folder):
    train = open_folder(options(folder, flip=True), 0).train
    again = pickle.loads(pickle.dumps(train))
    first, copied = train.example(1, 2), again.example(1, 2)
    assert all(first[name].equal(copied[name]) for name in train.fields)
