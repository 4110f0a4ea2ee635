"""What a distance is to be seen beside: halves of the reference, against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchbench.core.measurement import Yardstick
from benchbench.measures.quality.matching import Matched
from benchbench.quality.intervals import Groups

# One split is chance: the ratio to one of them was between 1 and 2.4 for one pair of folders.
_SPLITS = 20
# Large halves vary little, and cost much.
_FEW_SPLITS, _LARGE = 3, 2000

Indices = NDArray[np.int64]


def yardstick(
    matched: Matched, distance: Callable[..., float], *, fewest: int, seed: int
) -> Yardstick | None:
    """Real against real, and the figure's ratio to it at the same number of images.

    Both are means over seeded random splits of the reference, tiles of one picture and copies of one image
    on one side each: the root mean square of the distances between halves (a kernel distance's mean would be
    0), and the distance of one half to as many generated images. Where those were made of the same inputs as
    the reference, they are the other half's, so that networks which do the same have a ratio of about 1.

    Args:
        matched: rows of both sides.
        distance: of two feature sets.
        fewest: images that each half needs.
        seed: of the splits.

    Returns:
        None where the halves would be too small.
    """
    count = min(len(matched.copies[0]) // 2, len(matched.copies[1]))
    splits = _SPLITS if count < _LARGE else _FEW_SPLITS
    # Each its own: what is judged must not move what real is from real.
    random, drawing = np.random.default_rng((seed, 0)), np.random.default_rng((seed, 1))
    real: list[float] = []
    ours: list[float] = []
    sizes: list[int] = []
    pairs = [(x[0 : len(x)], y[0 : len(y)]) for x, y in matched.pairs]
    for one, other in _halves(matched.copies[0], splits, random):
        judged = other if matched.sets == "paired" else _some_of(matched.copies[1], len(other), drawing)
        size = min(len(one), len(other), len(judged))
        if size < max(fewest, 2):
            return None
        sizes.append(size)
        real += [distance(x[one[:size]], x[other[:size]]) for x, _ in pairs]
        ours += [distance(x[one[:size]], y[judged[:size]]) for x, y in pairs]
    value = fmean(each**2 for each in real) ** 0.5
    return Yardstick(value=value, ratio=fmean(ours) / value if value > 0 else None, count=round(fmean(sizes)))


def _halves(copies: Groups, splits: int, random: np.random.Generator) -> Iterator[tuple[Indices, Indices]]:
    """Random halves of the rows, all that share a number on one side."""
    numbers = np.unique(copies)
    for _ in range(splits):
        shuffled = random.permutation(numbers)
        half = len(numbers) // 2
        one = np.flatnonzero(np.isin(copies, shuffled[:half]))
        other = np.flatnonzero(np.isin(copies, shuffled[half : 2 * half]))
        yield random.permutation(one), random.permutation(other)


def _some_of(copies: Groups, count: int, random: np.random.Generator) -> Indices:
    """About `count` rows, whole pictures first, in random order."""
    numbers, places = np.unique(copies, return_inverse=True)
    ranks = random.permutation(len(numbers))[places]
    return np.argsort(ranks, kind="stable")[:count]
