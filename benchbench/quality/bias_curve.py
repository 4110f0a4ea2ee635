"""The Fréchet distance against the number of images, and where the line through it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchbench.core.errors import FeatureError
from benchbench.quality.frechet import frechet_distance
from benchbench.quality.rows import Rows, check_rows, check_same_dimensions, choose_rows
from benchbench.quality.statistics import statistics_of


@dataclass(frozen=True, slots=True)
class BiasPoint:
    """The distance at one number of generated images.

    Attributes:
        count: of generated images; the reference is always whole.
        value: squared distance in feature units.
    """

    count: int
    value: float


def bias_curve(real: Rows, fake: Rows, *, counts: Sequence[int], seed: int) -> tuple[BiasPoint, ...]:
    """Fréchet distance of all real images to random subsets of the generated ones.

    Args:
        real, fake: float32 or float64 [N, D] and [M, D].
        counts: numbers of generated images, each 2 to M; every one is a fresh draw without replacement.
        seed: of the draws.

    Returns:
        One point per count, in the order given.

    Raises:
        FeatureError: as frechet_distance; no count; or one below 2 or above M.

    Source: Bińkowski et al. 2018, section 3; Chong and Forsyth 2020, section 3.
    """
    _, dimensions = check_rows(real, what="real features")
    available, others = check_rows(fake, what="fake features")
    check_same_dimensions(dimensions, others)
    if not counts or min(counts) < 2 or max(counts) > available:
        raise FeatureError(
            f"a curve over {', '.join(map(str, counts)) or 'no'} images",
            expected=f"counts between 2 and {available}, the generated images that are there",
        )
    reference = statistics_of(real)
    random = np.random.default_rng(seed)
    return tuple(
        BiasPoint(
            count=count,
            # In file order: a sorted choice reads forwards, and the value does not depend on it.
            value=frechet_distance(
                reference, choose_rows(fake, np.sort(random.choice(available, count, replace=False)))
            ),
        )
        for count in counts
    )


def extrapolate(points: Sequence[BiasPoint], dimensions: int) -> float:
    """The Fréchet distance at infinitely many generated images: a line in 1 / N by least squares, at 0.

    Args:
        points: from bias_curve, at two or more different counts, each at least 2 * dimensions.
        dimensions: D of the features.

    Returns:
        Squared distance in feature units. It may be negative by sampling error; it is not clipped.

    Raises:
        FeatureError: a count below 2 * dimensions, where the bias is no line in 1 / N; or one count alone.

    Source: Chong and Forsyth 2020, section 3 (FID-infinity); the bound of 2 D is ours, measured.
    """
    counts = np.array([point.count for point in points], dtype=np.float64)
    if len(set(counts)) < 2:
        raise FeatureError(
            f"a line through {len(set(counts))} different counts", expected="at least 2 different counts"
        )
    if counts.min() < 2 * dimensions:
        raise FeatureError(
            f"no extrapolation from {int(counts.min())} images in {dimensions} dimensions: "
            "the distance is no line in 1 / N there",
            expected=f"at least {2 * dimensions} images at every point",
            fix="generate more images, or report the distance at the N that there is",
        )
    values = np.array([point.value for point in points])
    design = np.stack([np.ones_like(counts), counts.min() / counts], axis=1)
    solution, *_ = np.linalg.lstsq(design, values, rcond=None)
    return float(solution[0])
