from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from benchbench.core.errors import DataError, UnknownNameError
from benchbench.core.examples import ExampleSet
from benchbench.core.model import parse_options
from benchbench.data.labelled import LabelledOptions, open_labelled

NAMES = ("Bald", "Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")


def write_attributes(root: Path, rows: dict[str, tuple[int, ...]], *, count: int | None = None) -> Path:
    lines = [str(len(rows) if count is None else count), " ".join(NAMES)]
    lines += [
        f"{name}  " + "  ".join(f"{2 * value - 1:2}" for value in values) for name, values in rows.items()
    ]
    path = root / "list_attr_celeba.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def rows() -> dict[str, tuple[int, ...]]:
    return {
        f"{index:06}.jpg": (
            index % 7 == 0,
            index % 3 == 0,
            index % 3 == 1,
            index % 3 == 2,
            index % 2,
            index % 5 > 1,
        )
        for index in range(1, 41)
    }


@pytest.fixture
def celeba(tmp_path: Path, rows, write_picture) -> Path:
    for seed, name in enumerate(rows):
        write_picture(tmp_path / "img_align_celeba" / name, 36, 44, seed=seed)
    write_attributes(tmp_path, rows)
    return tmp_path


@pytest.fixture
def folders(tmp_path: Path, write_picture) -> Path:
    for split, count in (("train", 5), ("test", 2)):
        for seed, name in enumerate(("angry", "happy", "sad")):
            for index in range(count):
                write_picture(tmp_path / split / name / f"{index}.png", 36, 36, seed=10 * seed + index)
    return tmp_path


def options(path: Path, **changes: object) -> LabelledOptions:
    return parse_options(
        "data source", "labelled", LabelledOptions, {"path": str(path), "size": 32, **changes}
    )


def test_celebas_attributes_in_stargans_order(celeba, rows):
    splits = open_labelled(options(celeba, cut=36), 0)
    assert isinstance(splits.train, ExampleSet)
    assert splits.classes == ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (36, 2, 2)
    for images in (splits.train, splits.test):
        for index, name in enumerate(images.names):
            example = images.example(index, 0)
            assert example["attributes"].tolist() == [float(value) for value in rows[name][1:]]
            assert example["attributes"].dtype == torch.float32
            assert example["image"].shape == (3, 32, 32)


def test_attributes_may_be_chosen(celeba, rows):
    splits = open_labelled(options(celeba, attributes=["Young", "Bald"]), 0)
    assert splits.classes == ("Young", "Bald")
    values = rows[splits.train.names[4]]
    assert splits.train.example(4, 0)["attributes"].tolist() == [values[5], values[0]]
    assert open_labelled(options(celeba, attributes="Male"), 0).classes == ("Male",)


def test_the_target_is_what_another_image_has(celeba):
    train = open_labelled(options(celeba), 0).train
    had = {tuple(row.tolist()) for row in train.attributes}
    drawn = [tuple(train.example(3, draw)["target"].tolist()) for draw in range(200)]
    assert set(drawn) <= had
    assert len(set(drawn)) > len(had) / 2
    assert drawn[5] == tuple(train.example(3, 5)["target"].tolist())


def test_a_folder_per_class(folders):
    splits = open_labelled(options(folders), 0)
    assert splits.classes == ("angry", "happy", "sad")
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (15, 0, 6)
    assert splits.train.names[5] == "happy/0.png"
    assert splits.train.example(5, 0)["attributes"].tolist() == [0, 1, 0]
    chosen = open_labelled(options(folders, classes=["sad", "angry"]), 0)
    assert chosen.classes == ("sad", "angry")
    assert len(chosen.train) == 10


def test_classes_without_folders_of_splits_are_divided(folders):
    splits = open_labelled(options(folders / "train", test=0.2, validation=0.2), 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9, 3, 3)


def test_the_digest_knows_labels_and_content(celeba, rows):
    first = open_labelled(options(celeba), 0).digest
    assert open_labelled(options(celeba), 3).digest == first
    write_attributes(celeba, {**rows, "000007.jpg": (0, 0, 0, 0, 0, 0)})
    assert open_labelled(options(celeba), 0).digest != first


def test_a_missing_attribute_file(celeba):
    (celeba / "list_attr_celeba.txt").unlink()
    with pytest.raises(DataError, match=r"list_attr_celeba\.txt: no attribute file") as caught:
        open_labelled(options(celeba), 0)
    assert "layout: folders" in str(caught.value)


def test_an_attribute_that_is_not_there(celeba):
    with pytest.raises(
        UnknownNameError, match=r"list_attr_celeba\.txt:2: unknown attribute 'Yong'"
    ) as caught:
        open_labelled(options(celeba, attributes=["Yong"]), 0)
    assert "'Young'" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("000003.jpg -1 1", r"txt:5: '000003\.jpg -1 1' is no line of attributes"),
        ("000003.jpg -1 1 1 1 1 2", "txt:5: .* is no line of attributes"),
        ("000001.jpg -1 1 1 1 1 1", r"txt:5: '000001\.jpg' stands there twice"),
    ],
)
def test_a_broken_line_is_named(celeba, line, told):
    path = celeba / "list_attr_celeba.txt"
    lines = path.read_text().splitlines()
    lines[4] = line
    path.write_text("\n".join(lines))
    with pytest.raises(DataError, match=told):
        open_labelled(options(celeba), 0)


def test_another_file_and_a_part_of_one(celeba, rows):
    write_attributes(celeba, rows, count=41)
    with pytest.raises(DataError, match="40 lines of pictures, and the first says 41"):
        open_labelled(options(celeba), 0)
    (celeba / "list_attr_celeba.txt").write_text("nothing")
    with pytest.raises(DataError, match="not CelebA's attribute file"):
        open_labelled(options(celeba), 0)


def test_pictures_and_lines_that_do_not_meet(celeba, rows):
    picture = celeba / "img_align_celeba" / "000005.jpg"
    picture.rename(celeba / "000005.jpg")
    with pytest.raises(DataError, match=r"1 lines without a picture, first 000005\.jpg"):
        open_labelled(options(celeba), 0)
    (celeba / "000005.jpg").rename(picture)
    write_attributes(celeba, {name: values for name, values in rows.items() if name != "000009.jpg"})
    with pytest.raises(DataError, match=r"1 pictures without a line, first 000009\.jpg"):
        open_labelled(options(celeba), 0)


def test_a_class_without_images(folders):
    (folders / "train" / "bored").mkdir()
    with pytest.raises(DataError, match=r"bored \(class 'bored'\) holds no images"):
        open_labelled(options(folders), 0)
    with pytest.raises(DataError, match="no class 'glad'"):
        open_labelled(options(folders, classes=["sad", "glad"]), 0)


def test_an_attribute_that_no_training_picture_has(celeba, rows):
    write_attributes(celeba, {name: (0, *values[1:]) for name, values in rows.items()})
    with pytest.raises(DataError, match="'Bald' is on none of the 36 training pictures"):
        open_labelled(options(celeba, attributes=["Male", "Bald"]), 0)


def test_no_folder_and_no_classes(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        open_labelled(options(tmp_path / "nowhere"), 0)
    with pytest.raises(DataError, match="has 0 folders"):
        open_labelled(options(tmp_path), 0)


def test_images_smaller_than_the_cut(celeba):
    with pytest.raises(DataError, match=r"000001\.jpg: 36 x 44 pixels") as caught:
        open_labelled(options(celeba, cut=40), 0)
    assert "lower 'cut'" in str(caught.value)


def test_examples_are_the_same_in_another_process(celeba):
    train = open_labelled(options(celeba), 0).train
    again = pickle.loads(pickle.dumps(train))
    first, copied = train.example(1, 2), again.example(1, 2)
    assert all(first[name].equal(copied[name]) for name in train.fields)
