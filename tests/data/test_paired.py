from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.core.examples import ExampleSet
from benchbench.core.model import parse_options
from benchbench.data.images import read_image
from benchbench.data.paired import PairedOptions, open_paired


@pytest.fixture
def side_by_side(tmp_path: Path, write_picture) -> Path:
    for split, count in (("train", 6), ("val", 3)):
        for index in range(count):
            write_picture(tmp_path / split / f"{index}.png", 64, 32, seed=index)
    return tmp_path


@pytest.fixture
def two_folders(tmp_path: Path, write_picture) -> Path:
    for index in range(20):
        write_picture(tmp_path / "edges" / f"{index}.png", 40, 36, seed=index)
        write_picture(tmp_path / "shoes" / f"{index}.jpg", 40, 36, seed=100 + index)
    return tmp_path


def options(path: Path, **changes: object) -> PairedOptions:
    return parse_options("data source", "paired", PairedOptions, {"path": str(path), "size": 32, **changes})


def test_a_is_on_the_left_and_b_on_the_right(side_by_side):
    splits = open_paired(options(side_by_side, load_size=32, flip=False), 0)
    assert isinstance(splits.train, ExampleSet)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (6, 0, 3)
    whole = read_image(side_by_side / "train" / "2.png")
    example = splits.train.example(2, 5)
    assert example["input"].equal(whole[..., :32])
    assert example["image"].equal(whole[..., 32:])
    assert splits.train[2].equal(whole[..., 32:])
    assert splits.train.inputs[2].equal(whole[..., :32])


def test_the_other_direction(side_by_side):
    example = open_paired(options(side_by_side, direction="BtoA"), 0).test.example(0, 5)
    whole = read_image(side_by_side / "val" / "0.png")
    assert example["image"].equal(whole[..., :32])
    assert example["input"].equal(whole[..., 32:])


def test_both_sides_are_cut_and_turned_alike(tmp_path, write_picture):
    for index in range(4):
        half = read_image(write_picture(tmp_path / "half.png", 32, 32, seed=index))
        whole = torch.cat([half, half], dim=-1).permute(1, 2, 0).numpy()
        (tmp_path / "pairs").mkdir(exist_ok=True)
        Image.fromarray(whole).save(tmp_path / "pairs" / f"{index}.png")
    train = open_paired(options(tmp_path / "pairs", size=16, load_size=20, test=0, validation=0), 0).train
    shown = [train.example(index, draw) for index in range(4) for draw in range(10)]
    assert all(each["image"].equal(each["input"]) for each in shown)
    assert any(not shown[0]["image"].equal(other["image"]) for other in shown[1:10])


def test_an_example_depends_on_index_and_draw_alone(side_by_side):
    one, same = (
        open_paired(options(side_by_side, size=16, memory_gib=memory), 0).train for memory in (1.0, 0.0)
    )
    for index in (3, 0, 5):
        first, again = one.example(index, 9), same.example(index, 9)
        assert all(first[name].equal(again[name]) for name in ("image", "input"))
    assert any(not one.example(3, 9)["image"].equal(one.example(3, draw)["image"]) for draw in range(8))


def test_held_out_pairs_are_never_drawn(side_by_side):
    test = open_paired(options(side_by_side), 0).test
    assert all(test.example(1, draw)["image"].equal(test[1]) for draw in range(8))


def test_two_folders_pair_by_name(two_folders):
    splits = open_paired(options(two_folders, folders=["edges", "shoes"], how="crop"), 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 1, 1)
    name = splits.test.names[0]
    assert name.endswith(".jpg")
    expected = read_image(two_folders / "edges" / name.replace(".jpg", ".png"))[:, 2:34, 4:36]
    assert splits.test.example(0, 0)["input"].equal(expected)


def test_the_digest_is_of_content_and_not_of_place_or_memory(side_by_side, tmp_path, write_picture):
    first = open_paired(options(side_by_side), 0).digest
    assert open_paired(options(side_by_side, memory_gib=0.5), 1).digest == first
    moved = tmp_path / "moved"
    moved.mkdir()
    for split in ("train", "val"):
        (side_by_side / split).rename(moved / split)
    assert open_paired(options(moved), 0).digest == first
    write_picture(moved / "train" / "0.png", 64, 32, seed=77)
    assert open_paired(options(moved), 0).digest != first


def test_unequal_counts_name_what_is_alone(two_folders):
    (two_folders / "edges" / "7.png").unlink()
    with pytest.raises(DataError, match=r"19 images in .*edges and 20 in .*shoes .*7\.jpg has no partner"):
        open_paired(options(two_folders, folders=["edges", "shoes"]), 0)


def test_sizes_of_a_pair_that_differ_are_refused_where_they_would_be_cut_apart(two_folders, write_picture):
    write_picture(two_folders / "edges" / "7.png", 41, 36)
    open_paired(options(two_folders, folders=["edges", "shoes"]), 0)
    with pytest.raises(
        DataError, match=r"edges/7\.png is 41 x 36 pixels, and its partner .*shoes/7\.jpg is 40"
    ):
        open_paired(options(two_folders, folders=["edges", "shoes"], how="resize_crop"), 0)


def test_an_odd_width_is_no_pair(side_by_side, write_picture):
    write_picture(side_by_side / "train" / "odd.png", 65, 32)
    for _ in range(2):
        with pytest.raises(DataError, match=r"odd\.png: 65 x 32 pixels are no two pictures side by side"):
            open_paired(options(side_by_side), 0)


def test_a_small_half_is_named_and_enlarged_only_when_asked(side_by_side):
    for _ in range(2):
        with pytest.raises(DataError, match=r"train/0\.png \(right half\): 32 x 32 pixels") as caught:
            open_paired(options(side_by_side, size=48), 0)
        assert "on_small: resize" in str(caught.value)
    assert open_paired(options(side_by_side, size=48, on_small="resize"), 0).test[0].shape == (3, 48, 48)


def test_a_broken_and_a_missing_file(side_by_side, tmp_path):
    path = side_by_side / "train" / "1.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"train/1\.png: broken image"):
        open_paired(options(side_by_side), 0)
    with pytest.raises(DataError, match="is not there"):
        open_paired(options(tmp_path / "nowhere"), 0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no images"):
        open_paired(options(tmp_path / "empty"), 0)


def test_examples_are_the_same_in_another_process(side_by_side):
    train = open_paired(options(side_by_side), 0).train
    again = pickle.loads(pickle.dumps(train))
    first, copied = train.example(1, 2), again.example(1, 2)
    assert all(first[name].equal(copied[name]) for name in train.fields)
