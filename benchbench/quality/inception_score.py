"""The inception score, and what each image does to it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from benchbench.core.errors import FeatureError
from benchbench.quality.rows import FloatArray, Rows, check_rows, read_rows


def inception_score(logits: Rows, *, splits: int = 10) -> tuple[float, float]:
    """Exponential of the mean divergence of each image's class probabilities from the average ones.

    Args:
        logits: float32 or float64 [N, classes], of the classifier's head without its bias (as the authors'
            code and its ports take them).
        splits: the score is the mean over this many parts, cut from the rows in the order they are given,
            part k being N k // splits to N (k + 1) // splits. 10 is the literature's; then the order
            matters, so sort images by their content first. 1 does not depend on order.

    Returns:
        The mean over the parts, 1 to classes, higher is better, and their deviation (divisor `splits`; 0 for
        one part). It grows with the images per part: compare at one N and one `splits`.

    Raises:
        FeatureError: not [N, classes], NaN or infinity, or fewer than 2 images per part.

    Source: Salimans et al. 2016, section 4; splits as in openai/improved-gan, inception_score/model.py.
    """
    scores = [np.exp(_divergences(part).mean()) for _, part in _parts(logits, splits)]
    return float(np.mean(scores)), float(np.std(scores))


def inception_score_influence(logits: Rows, *, splits: int = 10) -> FloatArray:
    """What each image does to the inception score: its influence function, float64 [N], mean 0.

    For intervals (intervals.linear_interval). Scores of resampled sets are too low, because copies of one
    image look like less variety; their percentiles do not hold the value.

    Args:
        logits: float32 or float64 [N, classes].
        splits: as in inception_score; an image counts within its own part.

    Raises:
        FeatureError: as inception_score.

    Source: Hampel 1974. The derivative of exp(mean divergence) by an image's weight is the score times
    (its divergence - their mean): the average's own derivative sums to nothing.
    """
    n, _ = check_rows(logits, what="logits")
    influence = np.empty(n)
    for start, part in _parts(logits, splits):
        divergences = _divergences(part)
        mean = divergences.mean()
        # One image is a larger share of its part than of the whole, and the part a share of the mean.
        share = n / (len(part) * splits)
        influence[start : start + len(part)] = share * np.exp(mean) * (divergences - mean)
    return influence


def _parts(logits: Rows, splits: int) -> list[tuple[int, FloatArray]]:
    n, _ = check_rows(logits, what="logits")
    if splits < 1 or n < 2 * splits:
        raise FeatureError(
            f"an inception score of {n} images in {splits} splits",
            expected="at least 1 split, and 2 images in each",
            fix="fewer splits, or more images",
        )
    edges = [n * k // splits for k in range(splits + 1)]
    return [(start, read_rows(logits, start, stop)) for start, stop in pairwise(edges)]


def _divergences(logits: FloatArray) -> FloatArray:
    """KL(p_i || mean p) of each row, [n]."""
    logs = logits - logits.max(axis=1, keepdims=True)
    logs -= np.log(np.exp(logs).sum(axis=1, keepdims=True))
    probabilities = np.exp(logs)
    average = probabilities.mean(axis=0)
    # A class that no image holds even slightly has no part in the sum; its logarithm would be -inf.
    held = average > 0
    terms = probabilities[:, held] * (logs[:, held] - np.log(average[held]))
    divergences: FloatArray = terms.sum(axis=1)
    return divergences
