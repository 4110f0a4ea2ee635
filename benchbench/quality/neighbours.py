"""Precision, recall, density and coverage: whether images lie among each other's nearest neighbours.

Distances that decide are taken again from the differences themselves wherever a fast product cannot tell
them from the radius, so that equal distances are equal and ties fall as the authors' definitions say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import FeatureError
from benchbench.quality.rows import (
    FloatArray,
    Rows,
    blocks,
    check_rows,
    check_same_dimensions,
    choose_rows,
    read_rows,
)

BoolArray = NDArray[np.bool_]
Indices = NDArray[np.intp]

TILE = 1024
SPARE = 8
"""Neighbours beyond the k-th that are measured exactly when it is looked for."""
EXACT_AT_ONCE = 1024
"""Pairs whose differences are held at once."""


@dataclass(frozen=True, slots=True, eq=False)
class NeighbourScores:
    """Four scores, each with its per-image values, whose mean it is (for intervals.mean_interval).

    Attributes:
        precision: share of generated images among the real ones, 0..1.
        recall: share of real images among the generated ones, 0..1.
        density: how many real neighbourhoods hold a generated image, over k; 0 or more, about 1 when equal.
        coverage: share of real neighbourhoods that hold a generated image, 0..1.
        precision_per_image, density_per_image: float64 [M], one per generated image.
        recall_per_image, coverage_per_image: float64 [N], one per real image.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    precision_per_image: FloatArray
    recall_per_image: FloatArray
    density_per_image: FloatArray
    coverage_per_image: FloatArray


def neighbour_scores(real: Rows, fake: Rows, *, k_precision: int = 3, k_density: int = 5) -> NeighbourScores:
    """Precision and recall, density and coverage of generated images.

    Args:
        real, fake: float32 or float64 [N, D] and [M, D]; anything sliced in blocks of rows.
        k_precision: of precision and recall: an image's radius reaches its k-th nearest neighbour of the
            same set, itself not counted.
        k_density: of density and coverage, the same.

    Returns:
        Shares and counts, higher is better. Ties: precision and recall count an image *on* the radius
        (`<=`, kynkaat/improved-precision-and-recall-metric), density and coverage do not (`<`,
        clovaai/generative-evaluation-prdc, whose own precision and recall are `<` as well). It matters for
        copies: an image repeated k + 1 times has radius 0.

    Distances are Euclidean in float64; memory is O(block * (N + M)), time O((N + M)^2 D).

    Raises:
        FeatureError: not [N, D], another D, NaN or infinity, k below 1, or no more images than k in a set.

    Source: Kynkäänniemi et al. 2019, eq. 1 and 2, k = 3; Naeem et al. 2020, eq. 3 to 5, k = 5.
    """
    n, dimensions = check_rows(real, what="real features", least=1)
    m, others = check_rows(fake, what="fake features", least=1)
    check_same_dimensions(dimensions, others)
    largest = max(k_precision, k_density)
    if min(k_precision, k_density) < 1 or n <= largest or m <= k_precision:
        raise FeatureError(
            f"the neighbours {k_precision} and {k_density} of {n} real and {m} generated images",
            expected="k of at least 1, and more images than k",
        )
    centre = sum(read_rows(real, *i).sum(axis=0) for i in blocks(n)) / n
    real_radii = _square_radii(real, n, (k_precision, k_density), centre)
    fake_radii = _square_radii(fake, m, (k_precision,), centre)[0]
    inside = np.zeros(m)
    held = np.zeros(m)
    recalled = np.zeros(n)
    covered = np.zeros(n)
    for i in blocks(n, TILE):
        rows = read_rows(real, *i)
        part = slice(*i)
        for j in blocks(m, TILE):
            block = _Block(rows, read_rows(fake, *j), centre)
            other = slice(*j)
            near = block.within(real_radii[0][part, None])
            inside[other] = np.maximum(inside[other], near.any(axis=0))
            recalled[part] = np.maximum(recalled[part], block.within(fake_radii[None, other]).any(axis=1))
            dense = block.below(real_radii[1][part, None])
            held[other] += dense.sum(axis=0)
            covered[part] = np.maximum(covered[part], dense.any(axis=1))
    held /= k_density
    return NeighbourScores(
        precision=float(inside.mean()),
        recall=float(recalled.mean()),
        density=float(held.mean()),
        coverage=float(covered.mean()),
        precision_per_image=inside,
        recall_per_image=recalled,
        density_per_image=held,
        coverage_per_image=covered,
    )


class _Block:
    """Squared distances of rows [n, D] to rows [m, D], and how far a product may be off."""

    def __init__(self, left: FloatArray, right: FloatArray, centre: FloatArray) -> None:
        self.left, self.right = left, right
        # Products about the centre: distances stay, and a large mean costs them no digits.
        left, right = left - centre, right - centre
        left_norms, right_norms = np.square(left).sum(axis=1), np.square(right).sum(axis=1)
        scale = left_norms[:, None] + right_norms[None, :]
        self.squares: FloatArray = left @ right.T
        self.squares *= -2
        self.squares += scale
        self.slack: FloatArray = scale
        # Rounding of a product of D terms and of the three norms, generously.
        self.slack *= 4 * np.sqrt(left.shape[1]) * np.finfo(np.float64).eps

    def within(self, square_radii: FloatArray) -> BoolArray:
        """[n, m]: distance <= radius; the radii are broadcast against the distances."""
        inside: BoolArray = self.squares <= square_radii
        for rows, columns, exact, radii in self._near(square_radii):
            inside[rows, columns] = exact <= radii
        return inside

    def below(self, square_radii: FloatArray) -> BoolArray:
        """[n, m]: distance < radius."""
        inside: BoolArray = self.squares < square_radii
        for rows, columns, exact, radii in self._near(square_radii):
            inside[rows, columns] = exact < radii
        return inside

    def _near(self, square_radii: FloatArray) -> Iterator[tuple[Indices, Indices, FloatArray, FloatArray]]:
        """The pairs that the product cannot decide, measured exactly."""
        rows, columns = np.nonzero(np.abs(self.squares - square_radii) <= self.slack)
        radii = np.broadcast_to(square_radii, self.squares.shape)
        for start, stop in blocks(len(rows), EXACT_AT_ONCE):
            i, j = rows[start:stop], columns[start:stop]
            yield i, j, _exact_squares(self.left[i], self.right[j]), radii[i, j]


def _exact_squares(left: FloatArray, right: FloatArray) -> FloatArray:
    """Squared distances of rows [p, D] to rows [p, D]; the same for a pair whichever comes first."""
    squares: FloatArray = np.square(left - right).sum(axis=1)
    return squares


def _square_radii(features: Rows, n: int, ks: tuple[int, ...], centre: FloatArray) -> list[FloatArray]:
    """Squared distance of every row to its k-th nearest other row, [n] for each k."""
    kept = min(max(ks) + SPARE, n - 1)
    radii = [np.empty(n) for _ in ks]
    for i in blocks(n, TILE):
        rows = read_rows(features, *i)
        best = np.full((len(rows), 0), np.inf)
        chosen = np.zeros((len(rows), 0), dtype=np.int64)
        for j in blocks(n, TILE):
            squares = _Block(rows, read_rows(features, *j), centre).squares
            if i == j:
                np.fill_diagonal(squares, np.inf)
            best = np.concatenate([best, squares], axis=1)
            chosen = np.concatenate([chosen, np.broadcast_to(np.arange(*j), squares.shape)], axis=1)
            if best.shape[1] > kept:
                order = np.argpartition(best, kept - 1, axis=1)[:, :kept]
                best = np.take_along_axis(best, order, axis=1)
                chosen = np.take_along_axis(chosen, order, axis=1)
        for start, stop in blocks(len(rows), max(1, EXACT_AT_ONCE // kept)):
            candidates = choose_rows(features, chosen[start:stop].ravel())
            own = np.repeat(rows[start:stop], kept, axis=0)
            exact = np.sort(_exact_squares(own, candidates).reshape(stop - start, kept), axis=1)
            for radius, k in zip(radii, ks, strict=True):
                radius[i[0] + start : i[0] + stop] = exact[:, k - 1]
    return radii


METRICS = ("precision", "recall", "density", "coverage")


def neighbour_spread(real: Rows, fake: Rows, *, samples: int = 40, seed: int = 0) -> dict[str, float]:
    """Standard error of each of the four scores, both sets drawn anew.

    From random halves of both sets: a score over half of N images without replacement varies as one over N
    fresh ones does. A bootstrap will not do: copies of an image are their own nearest neighbours.

    Args:
        real, fake: as in `neighbour_scores`; half of either needs more images than neighbours.
        samples: how many halves.
        seed: of the halves.

    Returns:
        Name -> standard error, in the score's unit.

    Raises:
        FeatureError: as `neighbour_scores`, of halves.

    Source: Shao and Wu 1989 (the delete-d jackknife, at d = N / 2).
    """
    random = np.random.default_rng(seed)
    sides = [np.asarray(each[0 : each.shape[0]]) for each in (real, fake)]
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(samples):
        halves = [side[random.permutation(len(side))[: len(side) // 2]] for side in sides]
        scores = neighbour_scores(*halves)
        for name, values in found.items():
            values.append(getattr(scores, name))
    return {name: float(np.std(values, ddof=1)) for name, values in found.items()}
