"""LPIPS between pairs of images, and among the images of one generator as a measure of diversity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.errors import DataError, FeatureError
from benchbench.core.measurement import Interval
from benchbench.quality.bootstrap import bootstrap_interval
from benchbench.quality.lpips_weights import Lpips
from benchbench.quality.pair_errors import Pictures, check_lengths, check_pair, pair_name

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Diversity:
    """LPIPS of pairs within groups of images.

    Attributes:
        values: float64 [P], one per pair.
        groups: int64 [P], the group that a pair is from.
        pairs: int64 [P, 2], the pair's places in its group.
    """

    values: NDArray[np.float64]
    groups: NDArray[np.int64]
    pairs: NDArray[np.int64]

    @property
    def per_group(self) -> NDArray[np.float64]:
        """The mean of each group, in order."""
        counts = np.bincount(self.groups)
        means: NDArray[np.float64] = np.bincount(self.groups, weights=self.values) / counts
        return means

    @property
    def value(self) -> float:
        """The mean over groups of the mean over pairs."""
        return float(self.per_group.mean())


def lpips_of_pairs(
    metric: Lpips,
    first: Pictures,
    second: Pictures,
    *,
    batch: int = 16,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """LPIPS of the images at equal places, in order: float64 [N].

    Pairs may differ in size from each other; those of one size are computed together.

    Args:
        metric: from `load_lpips`.
        first, second: uint8 [3, H, W] each.
        batch: pairs at once.
        progress: told how many pairs are done, after each batch.

    Raises:
        DataError: the numbers of images or the sizes of a pair differ, or an image is too small.
        FeatureError: a distance is no number.
    """
    check_lengths(first, second)
    indices = np.arange(len(first))
    return _distances(metric, first, second, np.stack([indices, indices], axis=1), batch, progress)


def lpips_diversity(
    metric: Lpips,
    groups: Sequence[Pictures],
    *,
    pairs: int | None,
    seed: int = 0,
    keys: Sequence[Sequence[str]] | None = None,
    batch: int = 16,
    progress: Progress | None = None,
) -> Diversity:
    """LPIPS of random pairs of different images within each group.

    Args:
        metric: from `load_lpips`.
        groups: the images generated from one input, for each input; or one group of all images.
        pairs: per group, drawn without repetition; None, or more than there are, means all.
        seed: of the draws, the same in every group.
        keys: a text per image, its content digest for example: the draws then follow the order of these,
            and the order of the images does not matter.
        batch: pairs at once.
        progress: told how many pairs of the group are done.

    Raises:
        DataError: no group, a group of fewer than two images, or sizes that differ within a pair.
        FeatureError: a distance is no number.
    """
    small = [str(index) for index, group in enumerate(groups) if len(group) < 2]
    if not groups or small or (pairs is not None and pairs < 1):
        raise DataError(
            f"diversity: group {', '.join(small)} has fewer than two images"
            if small
            else f"diversity: {len(groups)} groups, {pairs} pairs",
            expected="two or more images in every group, and a pair or more",
        )
    values, places, owners = [], [], []
    for index, group in enumerate(groups):
        drawn = draw_pairs(len(group), pairs, seed=seed)
        if keys is not None:
            # `stable`: images of equal content are in any order the same.
            drawn = np.argsort(np.array(keys[index], dtype=np.str_), kind="stable")[drawn]
        values.append(_distances(metric, group, group, drawn, batch, progress))
        places.append(drawn)
        owners.append(np.full(len(drawn), index, dtype=np.int64))
    return Diversity(
        values=np.concatenate(values), groups=np.concatenate(owners), pairs=np.concatenate(places)
    )


def diversity_interval(
    found: Diversity, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Percentile bootstrap interval of `found.value`; None where nothing can be resampled.

    Over groups where there are several; over the images of a single group otherwise, each pair weighted
    by how often both its images were drawn, because pairs that share an image are not independent.
    """
    if found.groups.max() > 0:
        return bootstrap_interval(found.per_group.tolist(), resamples=resamples, seed=seed, level=level)
    images = np.unique(found.pairs)
    if images.size < 3:
        return None
    first, second = np.searchsorted(images, found.pairs).T
    generator = np.random.default_rng(seed)
    means = np.full(resamples, np.nan)
    for index in range(resamples):
        counts = np.bincount(generator.integers(0, images.size, size=images.size), minlength=images.size)
        weights = counts[first] * counts[second]
        if weights.any():
            means[index] = np.average(found.values, weights=weights)
    if np.isnan(means).all():
        return None
    low, high = np.nanquantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level)


def draw_pairs(count: int, pairs: int | None, *, seed: int) -> NDArray[np.int64]:
    """Different pairs i < j below `count`, int64 [P, 2], sorted; all of them where that is no more."""
    total = count * (count - 1) // 2
    if pairs is None or pairs >= total:
        chosen = np.arange(total)
    else:
        chosen = np.sort(np.random.default_rng(seed).choice(total, size=pairs, replace=False))
    # Pairs are numbered row by row of the upper triangle; row i begins at `starts[i]`.
    rows = np.arange(count, dtype=np.int64)
    starts = rows * (2 * count - rows - 1) // 2
    first = np.searchsorted(starts[:-1], chosen, side="right") - 1
    return np.stack([first, chosen - starts[first] + first + 1], axis=1).astype(np.int64)


def _distances(
    metric: Lpips,
    first: Pictures,
    second: Pictures,
    pairs: NDArray[np.int64],
    batch: int,
    progress: Progress | None,
) -> NDArray[np.float64]:
    values = np.empty(len(pairs))
    done = 0
    waiting: dict[tuple[int, ...], list[tuple[int, torch.Tensor, torch.Tensor]]] = {}

    def flush(size: tuple[int, ...]) -> None:
        nonlocal done
        group = waiting.pop(size)
        found = metric.run(torch.stack([a for _, a, _ in group]), torch.stack([b for _, _, b in group]))
        values[[place for place, _, _ in group]] = found.double().numpy()
        done += len(group)
        if progress is not None:
            progress(done)

    for place, (i, j) in enumerate(pairs.tolist()):
        a, b = first[i], second[j]
        name = pair_name(first, second, i) if i == j else f"images {i} and {j}"
        check_pair(a, b, name)
        size = tuple(a.shape)
        if min(size[1:]) < metric.smallest_side:
            raise DataError(
                f"{name}: {size[2]}x{size[1]} is too small for {metric.name}",
                expected=f"sides of at least {metric.smallest_side} pixels",
            )
        waiting.setdefault(size, []).append((place, a, b))
        if len(waiting[size]) == batch:
            flush(size)
        elif sum(map(len, waiting.values())) >= 4 * batch:
            # Many sizes: what waits longest goes, so that memory stays bounded.
            flush(next(iter(waiting)))
    for size in list(waiting):
        flush(size)
    if not np.isfinite(values).all():
        raise FeatureError(f"{metric.name}: a distance is no number", expected="finite distances")
    return values
