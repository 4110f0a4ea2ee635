from __future__ import annotations

import itertools
import random

import pytest
import torch

from benchbench.core.errors import DataError, UnknownNameError
from benchbench.data.crops import Region, cut_photo, grid_crops
from benchbench.data.images import PHOTOS, photo_path
from benchbench.data.photos import PhotosOptions, open_photos, source


def small(**changes: object) -> PhotosOptions:
    return PhotosOptions.model_validate(
        {"size": 32, "train": 10, "validation": 3, "test": 3, "images": ("coffee", "rocket"), **changes}
    )


def overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


@pytest.mark.parametrize("shape", [(512, 512), (300, 451), (872, 1000), (500, 741), (100, 99)])
@pytest.mark.parametrize("sides", [(96, 96, 256), (256, 256, 256), (32, 64, 48)])
def test_regions_of_a_photograph_share_no_pixel_and_lie_inside_it(shape, sides):
    wanted = dict(zip(("train", "validation", "test"), sides, strict=True))
    for seed in range(8):
        regions = cut_photo("x", shape, sides=wanted, rng=random.Random(seed))
        assert len({region.split for region in regions}) == len(regions)
        for region in regions:
            top, left, height, width = region.box
            assert top >= 0
            assert left >= 0
            assert top + height <= shape[0]
            assert left + width <= shape[1]
            assert min(height, width) >= wanted[region.split]
        for a, b in itertools.combinations(regions, 2):
            assert not overlap(a.box, b.box)


def test_every_split_is_served_where_the_photograph_is_large_enough():
    regions = cut_photo(
        "x", (512, 512), sides={"train": 256, "validation": 256, "test": 256}, rng=random.Random(1)
    )
    assert {region.split for region in regions} == {"train", "validation", "test"}


def test_grid_crops_do_not_overlap_and_regions_take_turns():
    first, second = (Region(name, "test", (0, 0, 70, 100)) for name in "ab")
    crops = grid_crops([(first, (70, 100)), (second, (70, 100))], 32)
    assert [crop.region.photo for crop in crops[:4]] == ["a", "b", "a", "b"]
    assert len(crops) == 2 * 2 * 3
    for a, b in itertools.combinations([crop for crop in crops if crop.region is first], 2):
        assert not overlap((a.top, a.left, 32, 32), (b.top, b.left, 32, 32))


def test_images_are_rgb_bytes_of_the_size_asked_for():
    splits = open_photos(small(test_size=64), 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (10, 3, 3)
    assert splits.train[0].shape == (3, 32, 32)
    assert splits.test[0].shape == (3, 64, 64)
    assert splits.train[0].dtype == torch.uint8
    assert len(splits.test.names) == 3


def test_the_seed_moves_training_crops_and_nothing_that_is_judged():
    one, same, other = (open_photos(small(), seed) for seed in (0, 0, 1))
    assert one.digest == same.digest
    assert one.train.names == same.train.names
    assert one.train.names != other.train.names
    assert one.digest != other.digest
    assert one.test.names == other.test.names
    assert torch.equal(one.test[0], other.test[0])


def test_the_split_seed_moves_what_is_held_out():
    names = {
        open_photos(small(split_seed=seed, test_size=200, images=("coffee",), test=1), 0).test[0].sum().item()
        for seed in range(6)
    }
    assert len(names) > 1


def test_grey_textures_come_as_three_equal_channels():
    image = open_photos(small(images=("brick",), test=1, validation=1), 0).train[0]
    assert torch.equal(image[0], image[1])


def test_both_views_of_the_motorcycle_are_cut_through_the_same_rows():
    splits = open_photos(small(images=("motorcycle_left", "motorcycle_right"), train=20), 0)
    rows = {}
    for crop in (*splits.train.crops, *splits.test.crops, *splits.validation.crops):  # type: ignore[attr-defined]
        top, _, height, _ = crop.region.box
        rows.setdefault(crop.region.split, set()).add((top, top + height))
    held_out = rows["test"] | rows["validation"]
    assert not any(a[0] < b[1] and b[0] < a[1] for a in rows["train"] for b in held_out)


def test_large_photographs_are_shrunk_after_the_cut():
    splits = open_photos(
        small(images=("retina",), shorter_side=256, test_size=128, test=1, train=1, validation=0), 0
    )
    assert splits.test[0].shape == (3, 128, 128)
    regions = splits.test.pixels  # type: ignore[attr-defined]
    assert all(min(image.shape[-2:]) < min(region.box[2:]) for region, image in regions.items())


def test_too_many_crops_are_refused_with_what_would_fit():
    with pytest.raises(DataError, match=r"1000 test crops of 32 pixels asked for, [0-9]+ fit"):
        open_photos(small(test=1000), 0)


def test_an_unknown_photograph_gets_its_nearest_match():
    with pytest.raises(UnknownNameError) as caught:
        open_photos(small(images=("cofee",)), 0)
    assert caught.value.fix == "did you mean 'coffee'?"


@pytest.mark.parametrize("name", PHOTOS)
def test_every_listed_photograph_ships_with_scikit_image(name):
    assert photo_path(name).is_file()


def test_the_entry_point_is_a_source():
    assert source.open(small(), 0).digest == open_photos(small(), 0).digest


@pytest.mark.parametrize("shape", [(512, 512), (300, 451), (100, 99)])
def test_a_wider_strip_may_be_held_out(shape):
    sides = {"train": 64, "validation": 32, "test": 32}
    for seed in range(8):
        regions = cut_photo("x", shape, sides=sides, rng=random.Random(seed), held_out=0.4)
        train = next(region for region in regions if region.split == "train")
        held = [region for region in regions if region is not train]
        longer = max(shape)
        across = 2 if shape[0] > shape[1] else 3
        assert held[0].box[across] == min(round(0.4 * longer), longer - 64)
        assert train.box[across] == longer - held[0].box[across]
        for a, b in itertools.combinations(regions, 2):
            assert not overlap(a.box, b.box)
