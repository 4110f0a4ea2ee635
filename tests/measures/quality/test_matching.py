"""Which rows of two sets belong together, and what halves of the reference are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError
from benchbench.data.collection import Subset
from benchbench.data.open import open_images
from benchbench.measures.quality.extraction import canonical_order
from benchbench.measures.quality.matching import Matched, check_enough, is_paired, match
from benchbench.measures.quality.real_against_real import yardstick
from benchbench.measures.quality.sides import Side, tiled
from benchbench.quality.cache import FeatureCache
from benchbench.quality.feature_table import FeatureTable
from benchbench.quality.frechet import frechet_distance
from benchbench.quality.kernel import kernel_distance


def pictures(count: int, seed: int, size: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator).to(torch.uint8)


def side(images: torch.Tensor, *, origin: str = "", order: Sequence[int] | None = None) -> Side:
    whole = open_images(images)
    found = whole if order is None else Subset(whole, order)
    return Side(found, "images", origin=origin)


def table_of(given: Side, folder: Path) -> FeatureTable:
    """One feature per image: the mean of its pixels."""
    cache = FeatureCache(folder)
    order = canonical_order(given.images)
    rows = np.array([[float(given.images[i].float().mean())] * 2 for i in order], dtype=np.float32)
    source = {"digest": given.images.digest}
    with cache.writing(source, label="means", count=len(order)) as writer:
        writer.write(np.arange(len(order)), rows[:, None], None)
    found = cache.find(source)
    assert found is not None
    return found


def matched_of(reference: Side, generated: Side, folder: Path) -> Matched:
    return match(
        (table_of(reference, folder), table_of(generated, folder)), (reference, generated), members=1
    )


def whole(rows: object) -> NDArray[np.float32]:
    return np.asarray(rows[0 : len(rows)])  # type: ignore[index, arg-type]


def test_outputs_of_one_input_stand_side_by_side_in_whatever_order_they_came(tmp_path: Path) -> None:
    one, other = pictures(12, 1), pictures(12, 2)
    shuffled = torch.randperm(12, generator=torch.Generator().manual_seed(0)).tolist()
    reference = side(one, origin="inputs", order=shuffled)
    generated = side(other, origin="inputs")
    found = matched_of(reference, generated, tmp_path)
    assert found.sets == "paired"
    x, y = (whole(each)[:, 0] for each in found.pairs[0])
    by_name = {reference.images.names[i]: float(reference.images[i].float().mean()) for i in range(12)}
    wanted = {
        float(generated.images[i].float().mean()): by_name[generated.images.names[i]] for i in range(12)
    }
    assert {float(theirs): float(ours) for ours, theirs in zip(x, y, strict=True)} == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("origins", "counts"), [(("", ""), (6, 6)), (("a", "b"), (6, 6)), (("a", "a"), (6, 5))]
)
def test_others_are_independent(tmp_path: Path, origins: tuple[str, str], counts: tuple[int, int]) -> None:
    both = [side(pictures(counts[i], i + 1), origin=origins[i]) for i in (0, 1)]
    assert not is_paired(*both)
    found = matched_of(both[0], both[1], tmp_path)
    assert found.sets == "independent"
    assert [len(each) for each in found.pairs[0]] == list(counts)


def test_tiles_know_their_picture_and_copies_each_other(tmp_path: Path) -> None:
    cut = tiled(side(pictures(5, 1, size=16)), 8)
    found = matched_of(cut, side(torch.cat([pictures(3, 2), pictures(3, 2)])), tmp_path)
    assert found.groups[0] is not None
    assert np.bincount(found.groups[0]).tolist() == [4] * 5
    assert found.groups[1] is None
    assert np.bincount(found.copies[1]).tolist() == [2, 2, 2]
    # Groups follow the rows, which lie in the order of contents.
    order = canonical_order(cut.images)
    assert cut.groups is not None
    assert found.groups[0].tolist() == [cut.groups[index] for index in order]


def rows(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    *,
    paired: bool = False,
    copies: NDArray[np.int64] | None = None,
) -> Matched:
    numbers = np.arange(len(x)) if copies is None else copies
    return Matched(
        ((x.astype(np.float32), y.astype(np.float32)),),
        "paired" if paired else "independent",
        (None, None),
        (numbers, np.arange(len(y))),
    )


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_networks_that_do_the_same_are_as_far_as_real_from_real(distance) -> None:
    x = np.random.default_rng(0).normal(size=(80, 4))
    same = yardstick(rows(x, x + 1e-4, paired=True), distance, fewest=2, seed=0)
    assert same is not None
    assert same.count == 40
    # The other half's outputs: its distances are those of real against real.
    values = [same.ratio, 1.0]
    if distance is kernel_distance:
        # A mean of what is about 0, over a root mean square.
        assert abs(same.ratio or 9) < 1
    else:
        assert values[0] == pytest.approx(1, abs=0.1)


def test_far_sets_have_a_ratio_far_above_one() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4))
    far = yardstick(rows(x, random.normal(2, 1, size=(60, 4))), frechet_distance, fewest=2, seed=0)
    assert far is not None
    assert far.ratio is not None
    assert far.ratio > 10


def test_copies_of_one_image_lie_in_one_half() -> None:
    x = np.repeat(np.random.default_rng(0).normal(size=(20, 3)), 2, axis=0)
    seen: list[float] = []

    def distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
        seen.append(float(len({tuple(row) for row in one} & {tuple(row) for row in other})))
        return 1.0

    numbers = np.repeat(np.arange(20), 2)
    stick = yardstick(rows(x, x[:4] + 1, copies=numbers), distance, fewest=2, seed=0)
    assert stick is not None
    assert stick.count == 4
    assert set(seen) == {0.0}


def test_halves_that_are_too_small_are_no_yardstick() -> None:
    x = np.random.default_rng(0).normal(size=(15, 2))
    assert yardstick(rows(x, x), frechet_distance, fewest=8, seed=0) is None
    assert yardstick(rows(x, x), frechet_distance, fewest=7, seed=0) is not None


def test_too_few_images_are_told_with_both_numbers_and_what_would_do(tmp_path: Path) -> None:
    sides = side(pictures(100, 1)), side(pictures(70, 2))
    tables = [table_of(each, tmp_path) for each in sides]
    with pytest.raises(FeatureError, match=r"70 images, and rand-conv has 2 dimensions") as told:
        check_enough(tables, sides, least=128, label="rand-conv")
    assert "at least 128 on either side" in str(told.value)
    assert "dimensions: 64" in str(told.value)
    check_enough(tables, sides, least=70, label="rand-conv")


def test_what_is_judged_does_not_move_what_real_is_from_real() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 4))
    near = yardstick(rows(x, random.normal(size=(60, 4))), frechet_distance, fewest=2, seed=0)
    far = yardstick(rows(x, random.normal(3, 2, size=(90, 4))), frechet_distance, fewest=2, seed=0)
    assert near is not None
    assert far is not None
    assert near.value == far.value
