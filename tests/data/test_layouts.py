from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.core.examples import ExampleSet
from benchbench.core.model import parse_options
from benchbench.data.layout_maps import edges_of, read_instances
from benchbench.data.layouts import LabelMapsOptions, open_label_maps


def write_map(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def labels(width: int, height: int, *, seed: int = 0, classes: int = 5) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, classes, (height // 4, width // 4), dtype=np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


@pytest.fixture
def cityscapes(tmp_path: Path, write_picture) -> Path:
    for split, city, count in (("train", "aachen", 4), ("val", "lindau", 2), ("test", "berlin", 2)):
        for index in range(count):
            stem = f"{city}_{index:06}_000019"
            write_picture(
                tmp_path / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", 64, 32, seed=index
            )
            values = labels(64, 32, seed=index, classes=34)
            fine = tmp_path / "gtFine" / split / city
            write_map(fine / f"{stem}_gtFine_labelIds.png", values)
            instances = np.where(values >= 24, values.astype(np.uint16) * 1000 + index, values)
            write_map(fine / f"{stem}_gtFine_instanceIds.png", instances.astype(np.uint16))
            write_map(fine / f"{stem}_gtFine_color.png", np.zeros((32, 64, 3), dtype=np.uint8))
    return tmp_path


@pytest.fixture
def plain(tmp_path: Path, write_picture) -> Path:
    for index in range(20):
        write_picture(tmp_path / "images" / f"{index}.jpg", 48, 40, seed=index)
        write_map(tmp_path / "labels" / f"{index}.png", labels(48, 40, seed=index))
    return tmp_path


def options(path: Path, **changes: object) -> LabelMapsOptions:
    return parse_options("data source", "label_maps", LabelMapsOptions, {"path": str(path), **changes})


def of_plain(path: Path, **changes: object) -> LabelMapsOptions:
    return options(path, **{"size": 32, "classes": 5, **changes})


def test_cityscapes_has_35_classes_and_edges(cityscapes):
    splits = open_label_maps(options(cityscapes, size=[32, 64], flip=False), 0)
    assert isinstance(splits.train, ExampleSet)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (4, 0, 2)
    assert splits.classes[7] == "road"
    assert splits.classes[26] == "car"
    assert len(splits.classes) == 35
    example = splits.train.example(1, 0)
    assert example["image"].shape == (3, 32, 64)
    assert example["layout"].shape == (36, 32, 64)
    assert example["layout"].dtype == torch.bool
    given = torch.from_numpy(labels(64, 32, seed=1, classes=34)).long()
    assert example["layout"][:35].int().argmax(dim=0).equal(given)
    assert example["layout"][:35].sum(dim=0).eq(1).all()
    assert example["layout"][35].equal(edges_of(given))


def test_the_layout_stays_with_its_picture(cityscapes):
    names = sorted((cityscapes / "leftImg8bit" / "train" / "aachen").iterdir())
    for index, path in enumerate(names):
        values = labels(64, 32, seed=index, classes=34)
        Image.fromarray(np.stack([values * 7] * 3, axis=-1)).save(path)
    train = open_label_maps(options(cityscapes, size=[16, 32], how="crop"), 0).train
    shown = [train.example(index, draw) for index in range(4) for draw in range(10)]
    for example in shown:
        assert (example["image"][0] // 7).long().equal(example["layout"][:35].int().argmax(dim=0))
    assert any(not shown[0]["layout"].equal(other["layout"]) for other in shown[1:10])


def test_edges_of_a_hand_made_map():
    instances = torch.tensor([[1, 1, 2, 2], [1, 1, 2, 2], [1, 1, 1, 1]])
    assert edges_of(instances).int().tolist() == [[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]


def test_plain_folders_with_and_without_instances(plain):
    splits = open_label_maps(of_plain(plain), 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 1, 1)
    assert splits.train.example(0, 0)["layout"].shape == (5, 32, 32)
    assert splits.classes == ("0", "1", "2", "3", "4")
    for index in range(20):
        write_map(plain / "instances" / f"{index}.png", labels(48, 40, seed=index))
    assert open_label_maps(of_plain(plain), 0).train.example(0, 0)["layout"].shape == (6, 32, 32)
    assert open_label_maps(of_plain(plain, edges="none"), 0).train.example(0, 0)["layout"].shape[0] == 5


def test_plain_folders_may_be_laid_out_in_splits(tmp_path, write_picture):
    for split, count in (("train", 3), ("val", 2)):
        for index in range(count):
            write_picture(tmp_path / "images" / split / f"{index}.png", 40, 40)
            write_map(tmp_path / "labels" / split / f"{index}.png", labels(40, 40))
    splits = open_label_maps(of_plain(tmp_path), 0)
    assert (len(splits.train), len(splits.test)) == (3, 2)


def test_an_ignored_id_gets_no_channel(plain):
    values = labels(48, 40)
    values[:, :24] = 255
    for index in range(20):
        write_map(plain / "labels" / f"{index}.png", values)
    example = open_label_maps(
        of_plain(plain, how="crop", flip=False, test=20, train=0, validation=0), 0
    ).test.example(0, 0)
    assert not example["layout"][:, :, :16].any()
    assert example["layout"][:, :, 16:].sum(dim=0).eq(1).all()


def test_an_id_out_of_range_names_file_and_id(plain):
    values = labels(48, 40)
    values[3, 3] = 5
    write_map(plain / "labels" / "13.png", values)
    with pytest.raises(DataError, match=r"labels/13\.png: 5 is no label id of 5 classes") as caught:
        open_label_maps(of_plain(plain), 0)
    assert "0 to 4, or 255" in str(caught.value)


def test_no_number_of_classes(plain):
    with pytest.raises(DataError, match="nothing says how many classes"):
        open_label_maps(options(plain, size=32), 0)


def test_maps_that_are_missing_or_of_another_size(plain):
    (plain / "labels" / "4.png").rename(plain / "4.png")
    with pytest.raises(DataError, match=r"20 images in .*images and 19 in .*labels .*4\.jpg has no partner"):
        open_label_maps(of_plain(plain), 0)
    write_map(plain / "labels" / "4.png", labels(40, 40))
    with pytest.raises(DataError, match=r"labels/4\.png: 40 x 40 pixels, and its picture 48 x 40"):
        open_label_maps(of_plain(plain), 0)


def test_cityscapes_without_its_maps(cityscapes):
    path = next((cityscapes / "gtFine" / "val").rglob("*instanceIds.png"))
    path.unlink()
    with pytest.raises(DataError, match=r"leftImg8bit\.png has no .*_gtFine_instanceIds\.png") as caught:
        open_label_maps(options(cityscapes, size=32), 0)
    assert "edges: none" in str(caught.value)
    splits = open_label_maps(options(cityscapes, size=32, edges="none"), 0)
    assert splits.train.example(0, 0)["layout"].shape[0] == 35


def test_a_picture_smaller_than_the_crop(plain):
    with pytest.raises(DataError, match=r"images/\d+\.jpg: 48 x 40 pixels"):
        open_label_maps(of_plain(plain, size=41), 0)


def test_examples_do_not_depend_on_what_is_kept(plain):
    one, same = (
        open_label_maps(of_plain(plain, load_size=40, memory_gib=memory), 0) for memory in (1.0, 0.0)
    )
    assert one.digest == same.digest
    for draw in range(4):
        first, again = one.train.example(2, draw), same.train.example(2, draw)
        assert all(first[name].equal(again[name]) for name in ("image", "layout"))


def test_content_of_maps_is_in_the_digest(plain):
    before = open_label_maps(of_plain(plain), 0).digest
    write_map(plain / "labels" / "3.png", labels(48, 40, seed=99))
    assert open_label_maps(of_plain(plain), 0).digest != before


def test_instances_of_16_bits_and_what_is_none(tmp_path):
    values = np.array([[26001, 7], [300, 65535]], dtype=np.uint16)
    assert read_instances(write_map(tmp_path / "a.png", values)).tolist() == values.tolist()
    with pytest.raises(DataError, match="a picture of mode RGB"):
        read_instances(write_map(tmp_path / "b.png", np.zeros((2, 2, 3), dtype=np.uint8)))
    (tmp_path / "c.png").write_text("x")
    with pytest.raises(DataError, match=r"c\.png: not an image"):
        read_instances(tmp_path / "c.png")


def test_examples_are_the_same_in_another_process(plain):
    train = open_label_maps(of_plain(plain), 0).train
    again = pickle.loads(pickle.dumps(train))
    first, copied = train.example(1, 2), again.example(1, 2)
    assert all(first[name].equal(copied[name]) for name in train.fields)
