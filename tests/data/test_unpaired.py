from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from benchbench.core.errors import DataError
from benchbench.core.examples import ExampleSet, inputs_of
from benchbench.core.model import parse_options
from benchbench.data.images import read_image
from benchbench.data.unpaired import UnpairedOptions, open_unpaired


@pytest.fixture
def folder(tmp_path: Path, write_picture) -> Path:
    seed = 0
    for domain, train, test in (("A", 7, 3), ("B", 5, 4)):
        for split, count in (("train", train), ("test", test)):
            for index in range(count):
                write_picture(tmp_path / f"{split}{domain}" / f"{index}.png", 32, 32, seed=seed)
                seed += 1
    return tmp_path


def options(path: Path, **changes: object) -> UnpairedOptions:
    given = {"path": str(path), "size": 32, "load_size": 32, "flip": False, **changes}
    return parse_options("data source", "unpaired", UnpairedOptions, given)


def test_images_are_of_b_and_every_one_of_a_is_an_input(folder):
    splits = open_unpaired(options(folder), 0)
    assert isinstance(splits.train, ExampleSet)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (5, 0, 4)
    assert len(inputs_of(splits.test)) == 3
    assert splits.train[1].equal(read_image(folder / "trainB" / "1.png"))
    assert splits.train.inputs[6].equal(read_image(folder / "trainA" / "6.png"))


def test_the_partner_is_drawn_from_all_of_a(folder):
    train = open_unpaired(options(folder), 0).train
    partners = {
        next(i for i in range(7) if given.equal(train.inputs[i]))
        for draw in range(60)
        for given in [train.example(2, draw)["input"]]
    }
    assert partners == set(range(7))
    assert train.example(2, 4)["input"].equal(train.example(2, 4)["input"])
    assert train.example(2, 4)["image"].equal(train[2])


def test_the_other_direction_and_its_digest(folder):
    back = open_unpaired(options(folder, direction="BtoA"), 0)
    assert (len(back.train), len(back.train.inputs)) == (7, 5)
    assert back.digest != open_unpaired(options(folder), 0).digest


def test_validation_comes_out_of_training(folder):
    splits = open_unpaired(options(folder, validation=0.4), 0)
    assert (len(splits.train), len(splits.validation)) == (3, 2)
    assert (len(splits.train.inputs), len(splits.validation.inputs)) == (5, 2)


def test_the_papers_jitter_is_the_default(folder):
    given = {"path": str(folder), "size": 32}
    train = open_unpaired(parse_options("data source", "unpaired", UnpairedOptions, given), 0).train
    shown = {train.example(0, draw)["image"].numpy().tobytes() for draw in range(20)}
    assert len(shown) > 10


def test_a_folder_that_is_missing_is_named(folder):
    (folder / "testB").rename(folder / "other")
    with pytest.raises(DataError, match=r"no folder testB: .*testB is not there"):
        open_unpaired(options(folder), 0)
    with pytest.raises(DataError, match="no folder") as caught:
        open_unpaired(options(folder / "nowhere"), 0)
    assert "trainA" in str(caught.value)


def test_one_domain_alone_in_a_split_is_refused(folder):
    with pytest.raises(DataError, match="0 validation images of B, 1 of A"):
        open_unpaired(options(folder, validation=0.15), 0)


def test_a_small_image_is_named(folder, write_picture):
    write_picture(folder / "testA" / "tiny.png", 31, 40)
    with pytest.raises(DataError, match=r"tiny\.png: 31 x 40 pixels"):
        open_unpaired(options(folder), 0)


def test_examples_are_the_same_in_another_process(folder):
    train = open_unpaired(options(folder), 0).train
    again = pickle.loads(pickle.dumps(train))
    first, copied = train.example(1, 2), again.example(1, 2)
    assert all(first[name].equal(copied[name]) for name in train.fields)
