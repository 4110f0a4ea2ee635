"""Features of both sides as figures need them: which rows belong together, and which are of one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import FeatureError
from benchbench.data.pairing import pair_up
from benchbench.measures.quality.extraction import canonical_order
from benchbench.measures.quality.sides import Side
from benchbench.quality.feature_table import FeatureRows, FeatureTable
from benchbench.quality.intervals import Groups, Sets

Rows = FeatureRows | NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Matched:
    """Rows of reference and generated images.

    Attributes:
        pairs: (reference, generated) rows of each member; row i of both belong together where `sets` is
            `paired`.
        sets: `paired` where image i of both sides was made of one input.
        groups: of each side, the picture that a row is a tile of; None where every row is a picture.
        copies: of each side, a number per row that rows of one picture or of equal content share.
    """

    pairs: tuple[tuple[Rows, Rows], ...]
    sets: Sets
    groups: tuple[Groups | None, Groups | None]
    copies: tuple[Groups, Groups]


def match(tables: tuple[FeatureTable, FeatureTable], sides: tuple[Side, Side], *, members: int) -> Matched:
    """The rows of both sides, in the order of content; paired ones in the order of the generated side's.

    Raises:
        DataError: sides that are pairs do not pair up.
    """
    orders = [canonical_order(side.images) for side in sides]
    if not is_paired(*sides):
        return Matched(
            tuple((tables[0].rows(member), tables[1].rows(member)) for member in range(members)),
            "independent",
            _in_order(sides, orders),
            _copies(sides, orders),
        )
    places = [np.argsort(order) for order in orders]
    partners = pair_up(sides[0].images, sides[1].images)
    both = np.array(sorted((places[1][theirs], places[0][ours]) for ours, theirs in partners))
    chosen = [both[:, 1], both[:, 0]]
    groups = [
        None if each is None else each[rows]
        for each, rows in zip(_in_order(sides, orders), chosen, strict=True)
    ]
    copies = [each[rows] for each, rows in zip(_copies(sides, orders), chosen, strict=True)]
    return Matched(
        tuple(
            (tables[0].rows(member).whole()[chosen[0]], tables[1].rows(member).whole()[chosen[1]])
            for member in range(members)
        ),
        "paired",
        (groups[0], groups[1]),
        (copies[0], copies[1]),
    )


def is_paired(reference: Side, generated: Side) -> bool:
    """Whether image i of both was made of one input: both say the same origin, and none was left out."""
    same = bool(reference.origin) and reference.origin == generated.origin
    return same and len(reference.images) == len(generated.images)


def _in_order(sides: Sequence[Side], orders: Sequence[list[int]]) -> tuple[Groups | None, Groups | None]:
    found = [
        None if side.groups is None else np.asarray(side.groups, dtype=np.int64)[order]
        for side, order in zip(sides, orders, strict=True)
    ]
    return found[0], found[1]


def _copies(sides: Sequence[Side], orders: Sequence[list[int]]) -> tuple[Groups, Groups]:
    found = [
        np.asarray(side.groups, dtype=np.int64)[order]
        if side.groups is not None
        else _equal_contents(side.images, order)
        for side, order in zip(sides, orders, strict=True)
    ]
    return found[0], found[1]


def _equal_contents(images: ImageCollection, order: list[int]) -> Groups:
    _, numbers = np.unique([images.digests[index] for index in order], return_inverse=True)
    return np.asarray(numbers, dtype=np.int64)


def check_enough(tables: Sequence[FeatureTable], sides: Sequence[Side], *, least: int, label: str) -> None:
    """Refuse sets too small for an extractor.

    Raises:
        FeatureError: with the number that is there and the number that is needed.
    """
    counts = [table.meta.count for table in tables]
    smallest = min(counts)
    side = sides[counts.index(smallest)]
    if smallest < least:
        fewer = smallest // 16 * 16
        advice = f", or fewer dimensions: features '{{name: rand_conv, dimensions: {fewer}}}'"
        raise FeatureError(
            f"{side.what}: {smallest} images, and {label} has {tables[0].meta.dimensions} dimensions",
            expected=f"at least {least} on either side: distances of fewer mislead",
            fix="more images" + (advice if fewer >= 64 else ""),
        )
