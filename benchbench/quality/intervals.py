"""Confidence intervals over images: of a mean of per-image values, and of a score by its influences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchbench.core.errors import FeatureError
from benchbench.core.measurement import Interval
from benchbench.quality.rows import FloatArray, blocks

Sets = Literal["independent", "paired"]
Groups = NDArray[np.int64]
"""Whether image i of every set is drawn together (the same input to two models) or each set on its own."""

DRAWS = 4_000_000
"""Numbers drawn at once, so that memory does not grow with the number of images."""


def linear_interval(
    value: float,
    influences: Sequence[FloatArray],
    *,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    sets: Sets = "independent",
) -> Interval:
    """Percentile interval of a score by the bootstrap of its linearisation.

    Images are drawn with replacement, and the score of a resample is the value plus the sum of
    (c_i / N - 1 / N) influence_i for counts c. Where resampling itself biases a score (a Fréchet distance,
    an inception score: copies of one image look like less variety), the influence does not.

    It is the interval of the score's expectation *at this number of images*; what a score gains or loses by
    N itself (the bias of a Fréchet distance) is no part of it.

    Args:
        value: the score.
        influences: float64 [N] per set of images: d score / d weight of each image, in the score's unit
            (frechet.frechet_influence, inception_score.inception_score_influence).
        resamples: how many.
        seed: of the resampling; the same seed gives the same interval.
        level: of the interval.
        sets: `paired` draws image i of all sets together; they must be of one size.

    Raises:
        FeatureError: no set, fewer than two images in one, NaN or infinity, or pairs of different sizes.

    Source: Efron and Tibshirani 1993, chapters 13 and 22 (the infinitesimal jackknife).
    """
    checked = [_influence(each) for each in influences]
    check_sets([each.size for each in checked], sets)
    random = np.random.default_rng(seed)
    if sets == "paired":
        checked = [np.sum(checked, axis=0)]
    values = np.full(resamples, value)
    for each in checked:
        means = [each[draws].mean(axis=1) for draws in _draws(each.size, resamples, random)]
        values += np.concatenate(means) - each.mean()
    return percentile_interval(values, level=level)


def linear_error(influences: Sequence[FloatArray], *, sets: Sets = "independent") -> float:
    """Standard error of a score by its influences, in its unit: what linear_interval's width comes from.

    Args:
        influences: float64 [N] per set of images.
        sets: as in linear_interval.

    Raises:
        FeatureError: as linear_interval.

    Source: Efron and Tibshirani 1993, eq. 22.30.
    """
    checked = [_influence(each) for each in influences]
    check_sets([each.size for each in checked], sets)
    if sets == "paired":
        checked = [np.sum(checked, axis=0)]
    return float(np.sqrt(sum(each.var() / (each.size - 1) for each in checked)))


def mean_interval(
    values: ArrayLike, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval:
    """Percentile bootstrap interval of the mean of per-image values.

    Args:
        values: [N], N >= 2, one per image: pair distances, or what neighbours.NeighbourScores keeps.
        resamples, seed, level: as in linear_interval.

    Raises:
        FeatureError: not [N], N < 2, or NaN or infinity.

    Source: Efron and Tibshirani 1993, chapter 13.
    """
    data = _influence(np.asarray(values, dtype=np.float64))
    return linear_interval(float(data.mean()), [data], resamples=resamples, seed=seed, level=level)


def check_sets(counts: Sequence[int], sets: Sets) -> None:
    """Sets of these sizes can be resampled so.

    Raises:
        FeatureError: none is there, or they are pairs and their sizes differ.
    """
    if not counts:
        raise FeatureError("an interval of no set of images", expected="at least one set")
    if sets == "paired" and len(set(counts)) > 1:
        raise FeatureError(
            f"paired sets of {', '.join(map(str, counts))} images",
            expected="one number of images in all sets",
            fix="pair the files by name, or resample the sets independently",
        )


def resampled_counts(n: int, resamples: int, random: np.random.Generator) -> NDArray[np.uint16]:
    """How often each of n images is drawn in each resample, [n, resamples]; columns sum to n.

    Two bytes each: at 50,000 images they are the largest thing that an interval holds.
    """
    counts = np.empty((resamples, n), dtype=np.uint16)
    first = 0
    for draws in _draws(n, resamples, random):
        for row in draws:
            counts[first] = np.bincount(row, minlength=n)
            first += 1
    return counts.T


def grouped_counts(
    n: int, resamples: int, random: np.random.Generator, groups: Groups | None
) -> NDArray[np.uint16]:
    """`resampled_counts` of whole groups: every image of a group is drawn as often as its group.

    Args:
        groups: int [n], numbered from 0; None where every image is its own.

    Raises:
        FeatureError: fewer than two groups, or not one number per image.
    """
    if groups is None:
        return resampled_counts(n, resamples, random)
    return resampled_counts(check_groups(n, groups), resamples, random)[groups]


def grouped_influence(influence: FloatArray, groups: Groups | None) -> FloatArray:
    """Per-image influences [N] as those of groups [G], for an interval that draws whole groups.

    Raises:
        FeatureError: as `grouped_counts`.
    """
    if groups is None:
        return influence
    count = check_groups(len(influence), groups)
    sums: FloatArray = np.bincount(groups, weights=influence, minlength=count).astype(np.float64)
    return sums * (count / len(influence))


def check_groups(n: int, groups: Groups) -> int:
    """How many groups there are.

    Raises:
        FeatureError: fewer than two, or not one number per image.
    """
    count = int(groups.max()) + 1 if len(groups) else 0
    if len(groups) != n or count < 2:
        raise FeatureError(
            f"{n} images in {count} groups, told by {len(groups)} numbers",
            expected="one number per image, and at least two groups",
        )
    return count


def percentile_interval(values: FloatArray, *, level: float) -> Interval:
    """The central `level` of resampled values [R]."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level)


def _draws(
    n: int, resamples: int, random: np.random.Generator
) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    for start, stop in blocks(resamples, max(1, DRAWS // n)):
        yield random.integers(0, n, size=(stop - start, n))


def _influence(values: FloatArray) -> FloatArray:
    if values.ndim != 1 or values.size < 2 or not np.isfinite(values).all():
        raise FeatureError(
            f"per-image values of shape {values.shape}", expected="finite numbers [N] of at least 2 images"
        )
    return values
