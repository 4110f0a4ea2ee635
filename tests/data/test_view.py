from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import OptionError
from benchbench.core.model import parse_options
from benchbench.data.images import to_tensor
from benchbench.data.view import ViewOptions, enlarged, extent_of


def view(**changes: object):
    return parse_options("data source", "x", ViewOptions, {"size": 16, **changes}).view()


def columns(width: int, height: int) -> Image.Image:
    """A picture whose red says its column, and whose green its row."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[..., 0] = np.arange(width)
    pixels[..., 1] = np.arange(height)[:, None]
    return Image.fromarray(pixels)


def loaded(of, picture: Image.Image) -> torch.Tensor:
    return to_tensor(of.load_picture(picture, of.load))


def test_resize_crop_keeps_the_ratio_and_resize_does_not():
    covering = view(size=[16, 24], how="resize_crop")
    assert loaded(covering, columns(100, 50)).shape == (3, 16, 32)
    assert covering.show(loaded(covering, columns(100, 50))).shape == (3, 16, 24)
    assert loaded(view(size=[16, 24], how="resize"), columns(100, 50)).shape == (3, 16, 24)


def test_crop_leaves_the_scale_alone():
    of = view(how="crop")
    image = of.show(loaded(of, columns(40, 30)))
    assert image[0, 0].tolist() == list(range(12, 28))
    assert image[1, :, 0].tolist() == list(range(7, 23))


def test_a_square_is_cut_out_of_the_middle_first():
    of = view(cut=16, how="resize")
    assert loaded(of, columns(40, 30))[0, 0].tolist() == list(range(12, 28))


def test_load_size_gives_room_for_a_place_by_draw():
    of = view(load_size=20, how="resize", flip=False)
    image = loaded(of, columns(20, 20))
    places = {
        (int(shown[0, 0, 0]), int(shown[1, 0, 0]))
        for seed in range(400)
        for shown in [of.draw(image, str(seed))]
    }
    assert places == {(column, row) for column in range(5) for row in range(5)}


def test_half_of_the_examples_are_turned_over():
    of = view(how="resize")
    image = loaded(of, columns(16, 16))
    turned = [int(of.draw(image, str(seed))[0, 0, 0]) for seed in range(400)]
    assert set(turned) == {0, 15}
    assert 160 < turned.count(15) < 240
    assert view(how="resize", flip=False).draw(image, "0").equal(image)


def test_an_example_depends_on_its_seed_alone():
    of = view(load_size=40)
    image, other = loaded(of, columns(64, 50)), loaded(of, columns(64, 50)).flip(-1).flip(-1)
    assert of.draw(image, "a").equal(of.draw(other, "a"))
    assert not of.draw(image, "a").equal(of.draw(image, "b"))


def test_a_map_gets_no_value_that_was_not_there():
    values = Image.fromarray((np.arange(64).reshape(8, 8) % 2 * 200).astype(np.uint8))
    of = view(how="resize")
    assert set(np.unique(np.array(of.load_picture(values, of.load, is_map=True)))) == {0, 200}


def test_the_papers_jitter():
    assert enlarged(view(size=256, how="resize"), None).load == (286, 286)
    assert enlarged(view(size=[64, 128], how="resize"), None).load == (72, 143)
    assert enlarged(view(size=64, load_size=64, how="resize"), 64).load == (64, 64)


@pytest.mark.parametrize(
    ("width", "height", "changes", "is_covered"),
    [
        (16, 16, {}, True),
        (15, 40, {}, False),
        (40, 40, {"size": [32, 41]}, False),
        (40, 18, {"cut": 18}, True),
        (40, 17, {"cut": 18}, False),
        (40, 40, {"cut": 8}, False),
    ],
)
def test_what_is_too_small(width, height, changes, is_covered):
    assert view(**changes).is_covered(width, height) is is_covered


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"load_size": 12}, "at least the size"), ({"how": "crop", "load_size": 20}, "how: crop does not")],
)
def test_a_load_size_that_cannot_be_is_refused(changes, told):
    with pytest.raises(OptionError, match=told):
        view(**changes)


def test_extent_of_a_side_and_of_both():
    assert extent_of(8) == (8, 8)
    assert extent_of((8, 9)) == (8, 9)
