from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
import torch

from benchbench.core.errors import DataError, OptionError
from benchbench.core.examples import ExampleSet, Splits
from benchbench.core.model import parse_options
from benchbench.core.registry import SOURCES
from benchbench.data.images import open_image
from benchbench.data.photo_pairs import draw_edges
from benchbench.data.segments import cluster

NAMES = ("photo_domains", "photo_pairs", "photo_segments", "photo_textures")


def open_source(name: str, seed: int = 0, **changes: object) -> Splits:
    source = SOURCES.load(name)
    given = {"size": 32, "train": 24, "validation": 2, "test": 4, **changes}
    return source.open(parse_options("data source", name, source.options, given), seed)


@pytest.mark.parametrize("name", NAMES)
def test_examples_have_the_fields_that_the_source_promises(name):
    splits = open_source(name)
    for images, count in ((splits.train, 24), (splits.validation, 2), (splits.test, 4)):
        assert isinstance(images, ExampleSet)
        assert len(images) == len(images.names) == count
        example = images.example(1, 3)
        assert tuple(example) == images.fields == SOURCES.load(name).fields
        assert example["image"].shape == (3, 32, 32)
        assert example["image"].dtype == torch.uint8


@pytest.mark.parametrize("name", NAMES)
def test_examples_depend_on_index_and_draw_alone(name):
    one, same = open_source(name).train, open_source(name).train
    order = [(index, draw) for index in range(4) for draw in range(3)]
    first = {place: one.example(*place) for place in order}
    for place in reversed(order):
        again = same.example(*place)
        assert all(first[place][field].equal(again[field]) for field in one.fields)
    # Several processes train on copies.
    copied = pickle.loads(pickle.dumps(one)).example(*order[0])
    assert all(first[order[0]][field].equal(copied[field]) for field in one.fields)
    turned = {one.example(0, draw)["image"].numpy().tobytes() for draw in range(30)}
    assert len(turned) == 2


@pytest.mark.parametrize("name", NAMES)
def test_held_out_images_are_never_turned_and_no_seed_moves_them(name):
    one, other = open_source(name), open_source(name, seed=1)
    assert all(one.test.example(0, draw)["image"].equal(one.test[0]) for draw in range(8))
    assert all(one.test[index].equal(other.test[index]) for index in range(4))
    assert one.digest != open_source(name, split_seed=1).digest


@pytest.mark.parametrize("name", NAMES)
def test_train_and_test_share_no_pixel(name):
    splits = open_source(name, test_size=40)
    regions = {
        crop.region
        for images in (splits.train, splits.validation, splits.test)
        for crops in (images.images, images.inputs)
        if crops is not None
        for crop in crops.crops
    }
    for a, b in itertools.combinations(regions, 2):
        if a.photo == b.photo:
            (top, left, height, width), (top_b, left_b, height_b, width_b) = a.box, b.box
            assert (
                top + height <= top_b
                or top_b + height_b <= top
                or left + width <= left_b
                or left_b + width_b <= left
            )


def test_a_domain_is_a_scene():
    splits = open_source("photo_domains", images=["coffee", "motorcycle_left", "motorcycle_right", "rocket"])
    assert splits.classes == ("coffee", "motorcycle", "rocket")
    for index, name in enumerate(splits.train.names):
        example = splits.train.example(index, 0)
        assert splits.classes[int(example["attributes"].argmax())] == name.split("-")[0].split("_")[0]
        assert example["attributes"].sum() == example["target"].sum() == 1
    targets = {int(splits.train.example(0, draw)["target"].argmax()) for draw in range(50)}
    assert targets == {0, 1, 2}


def test_a_domain_without_training_crops_is_refused():
    with pytest.raises(DataError, match="no training crop of 'rocket'"):
        open_source("photo_domains", images=["coffee", "hubble", "rocket"], train=2)
    with pytest.raises(OptionError, match="motorcycle alone"):
        open_source("photo_domains", images=["motorcycle_left", "motorcycle_right"])


def test_edges_are_black_where_the_picture_changes():
    image = torch.zeros(3, 40, 40, dtype=torch.uint8)
    image[:, :, 20:] = 255
    edges = draw_edges(image, 1.5)
    assert set(edges.unique().tolist()) == {0, 255}
    dark = (edges[0, 5:-5] == 0).float().mean(dim=0).nonzero().flatten().tolist()
    assert dark in ([19], [20], [19, 20])


def test_the_input_of_a_pair_is_its_own_edges():
    splits = open_source("photo_pairs", flip=False, sigma=2.0)
    for index in range(4):
        example = splits.test.example(index, 0)
        assert example["input"].equal(splits.test.inputs[index])
        assert splits.test.inputs.names[index] == splits.test.names[index]
    drawn = [splits.train.example(index, draw) for index in range(3) for draw in range(4)]
    turned = open_source("photo_pairs", sigma=2.0).train
    for (index, draw), plain in zip(itertools.product(range(3), range(4)), drawn, strict=True):
        example = turned.example(index, draw)
        is_turned = not example["image"].equal(plain["image"])
        expected = plain["input"].flip(-1) if is_turned else plain["input"]
        assert example["input"].equal(expected)


def test_textures_are_two_photographs():
    splits = open_source("photo_textures", validation=1, images=["gravel", "brick"])
    assert all(name.startswith("brick") for name in splits.train.names)
    assert all(name.startswith("gravel") for name in splits.train.inputs.names)
    with pytest.raises(OptionError, match="two scenes"):
        open_source("photo_textures", images=["brick", "brick"])


def test_every_pixel_has_one_segment():
    splits = open_source("photo_segments", classes=4, images=["coffee", "rocket"])
    assert len(splits.classes) == 4
    layouts = torch.stack([splits.train.example(index, 0)["layout"] for index in range(24)])
    assert layouts.shape == (24, 5, 32, 32)
    assert layouts[:, :4].sum(dim=1).eq(1).all()
    assert layouts[:, :4].any(dim=(0, 2, 3)).all()
    assert 0.02 < layouts[:, 4].float().mean() < 0.5


def test_segments_follow_the_colours():
    splits = open_source("photo_segments", classes=6, flip=False, images=["coffee", "rocket"])
    spread, whole = [], []
    for index in range(24):
        example = splits.train.example(index, 0)
        image = example["image"].float()
        whole.append(image.flatten(1))
        for channel in example["layout"][:6]:
            if channel.sum() > 20:
                spread.append(image[:, channel].std(dim=1).mean())
    assert torch.stack(spread).mean() < torch.cat(whole, dim=1).std(dim=1).mean() / 2


def test_clusters_of_points_that_are_far_apart():
    points = np.concatenate([np.full((9, 2), value) for value in (0.0, 5.0, 20.0)])
    assert sorted(cluster(points, 3, seed=4)[:, 0].tolist()) == [0, 5, 20]


def test_more_classes_than_superpixels():
    with pytest.raises(DataError, match="superpixels for 64 classes"):
        open_source(
            "photo_segments", images=["coffee"], superpixel=64, classes=64, train=4, validation=0, test=0
        )


def test_more_crops_than_fit():
    with pytest.raises(DataError, match="fit"):
        open_source("photo_textures", test=1000)


def test_one_photograph_by_name_still_opens():
    assert open_image("brick").shape == (3, 512, 512)
