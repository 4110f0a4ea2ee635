from __future__ import annotations

import pytest
import torch

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError
from benchbench.data.arrays import ArrayImages
from benchbench.data.collection import ImageSequence, Subset, limited
from benchbench.data.conversion import Conversion

PIXELS = torch.randint(0, 256, (12, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def images(pixels: torch.Tensor = PIXELS, **changes: object) -> ArrayImages:
    labels = tuple(range(len(pixels)))
    return ArrayImages(pixels, "x", conversion=Conversion(**changes), layout="channels_first", labels=labels)


def test_the_digest_knows_no_order():
    turned = images(PIXELS.flip(0))
    assert turned.digest == images().digest
    assert turned.digests == images().digests[::-1]


def test_the_digest_knows_contents_counts_and_conversion():
    other = PIXELS.clone()
    other[3, 0, 0, 0] ^= 1
    twice = torch.cat([PIXELS, PIXELS[:1]])
    whole = {
        images().digest,
        images(other).digest,
        images(twice).digest,
        images(PIXELS[1:]).digest,
        images(alpha="white").digest,
    }
    assert len(whole) == 5
    assert all(len(digest) == 16 for digest in whole)


def test_a_reshaped_image_is_another():
    assert images(PIXELS.reshape(12, 3, 5, 4)).digest != images().digest


def test_duplicates_have_one_digest():
    twice = images(torch.cat([PIXELS, PIXELS]))
    assert twice.digests[:12] == twice.digests[12:]
    assert len(set(twice.digests)) == 12


def test_an_image_set_becomes_a_collection():
    plain: ImageCollection = ImageSequence(images(), codecs=("png",), labels=[0] * 12)
    assert plain.digests == images().digests
    assert plain.digest == images().digest
    assert (plain.codecs, plain.labels, plain.left_out) == (("png",), [0] * 12, ())


def test_a_limit_takes_the_same_images_whatever_their_order():
    some, turned = limited(images(), 5), limited(images(PIXELS.flip(0)), 5)
    assert len(some) == len(some.digests) == 5
    assert sorted(some.digests) == sorted(turned.digests) == sorted(images().digests)[:5]
    assert some.digest == turned.digest != images().digest
    assert [int(name) for name in some.names] == list(some.labels) == sorted(some.labels)
    assert torch.equal(some[2], PIXELS[some.labels[2]])


def test_no_limit_is_all():
    whole = images()
    assert limited(whole, None) is whole
    assert limited(whole, 12) is whole


@pytest.mark.parametrize("count", [13, 0, -1])
def test_a_limit_that_cannot_be_kept_says_so(count):
    with pytest.raises(DataError, match=f"{count} images asked for, 12 are there"):
        limited(images(), count)


def test_the_whole_in_another_order_is_the_whole():
    assert Subset(images(), list(range(12))[::-1]).digest == images().digest
    assert Subset(images(), [*range(11), 0]).digest != images().digest


def test_images_may_be_called_by_other_names():
    named = Subset(images(), [3, 1], names=["cat.png", "dog.png"])
    assert named.names == ["cat.png", "dog.png"]
    assert torch.equal(named[1], PIXELS[1])


def test_a_part_of_a_part():
    part = Subset(Subset(images(), [8, 2, 4]), [1])
    assert part.names == ("2",)
    assert part.digests == (images().digests[2],)
    assert torch.equal(part[0], PIXELS[2])
