"""Which image belongs to which: by name without suffix, or by place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from benchbench.core.errors import DataError
from benchbench.core.examples import ImageSet


def pair_up(first: ImageSet, second: ImageSet) -> list[tuple[int, int]]:
    """Indices that belong together, in the order of `first`.

    Images pair by their name below the folder, the suffix aside. Where one side has no names, as arrays
    and generated images have none but their place, they pair by place.

    Raises:
        DataError: an image without a partner, two of one name, or names whose order is not that of their
            numbers, so that places would mislead; the first few are named.
    """
    ours, theirs = _by_stem(first.names), _by_stem(second.names)
    if ours.keys() == theirs.keys():
        return [(index, theirs[stem]) for stem, index in ours.items()]
    if _is_nameless(first.names) or _is_nameless(second.names):
        if len(first) != len(second):
            raise DataError(
                f"{len(first)} and {len(second)} images do not pair up",
                expected="as many on either side, or names on both",
                fix="leave the limit on images out, or make as many as the other side has",
            )
        for names in (first.names, second.names):
            _check_numbers(names)
        return [(index, index) for index in range(len(first))]
    raise DataError(
        f"images without a partner of their name: {_alone(ours, theirs)}",
        expected="the same names on either side, suffixes aside",
        fix="rename or remove them",
    )


def _alone(ours: Mapping[str, int], theirs: Mapping[str, int]) -> str:
    told = []
    for place, here, there in (("first", ours, theirs), ("second", theirs, ours)):
        alone = sorted(here.keys() - there.keys())
        if alone:
            more = f" and {len(alone) - 3} more" if len(alone) > 3 else ""
            told.append(f"{', '.join(alone[:3])}{more} of the {place}")
    return "; ".join(told)


def _is_nameless(names: Sequence[str]) -> bool:
    return all(name == str(index) for index, name in enumerate(names))


def _check_numbers(names: Sequence[str]) -> None:
    """Files 1, 10, 2 in the order of their names would each be paired with another's place."""
    if _is_nameless(names):
        return
    for before, after in pairwise(names):
        if _natural(before) > _natural(after):
            raise DataError(
                f"the names sort as text: {before} comes before {after}",
                expected="numbers of equal width, 001.png, where the other side has no names",
                fix="rename the files",
            )


def _natural(name: str) -> tuple[tuple[str, int], ...]:
    """A name whose numbers sort as numbers, wherever they stand in it."""
    parts = re.split(r"(\d+)", name)
    return tuple(
        (text, int(number or 0)) for text, number in zip(parts[::2], [*parts[1::2], "0"], strict=True)
    )


def _by_stem(names: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, name in enumerate(names):
        stem = PurePosixPath(name).with_suffix("").as_posix()
        if stem in found:
            raise DataError(
                f"two images are called {stem}: {names[found[stem]]} and {name}",
                expected="one image of each name, suffixes aside",
                fix="rename one of them",
            )
        found[stem] = index
    return found
