from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality.inception_score import inception_score, inception_score_influence
from benchbench.quality.intervals import linear_error


def published(logits, splits):
    """The authors' lines, in float64."""
    preds = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scores = []
    for i in range(splits):
        part = preds[(i * len(preds) // splits) : ((i + 1) * len(preds) // splits)]
        kl = part * (np.log(part) - np.log(np.expand_dims(np.mean(part, 0), 0)))
        scores.append(np.exp(np.mean(np.sum(kl, 1))))
    return np.mean(scores), np.std(scores)


@pytest.mark.parametrize(("n", "splits"), [(100, 10), (103, 10), (50, 1), (7, 3)])
def test_it_is_the_authors(n, splits):
    logits = np.random.default_rng(n).normal(size=(n, 12)) * 2
    assert inception_score(logits, splits=splits) == pytest.approx(published(logits, splits), rel=1e-12)


def test_known_values():
    certain = np.repeat(np.eye(4) * 1000.0, 5, axis=0)
    assert inception_score(certain, splits=1) == pytest.approx((4.0, 0.0))
    assert inception_score(certain, splits=4) == pytest.approx((1.0, 0.0))
    assert inception_score(np.zeros((20, 4)))[0] == pytest.approx(1.0)


def test_large_logits_and_empty_classes_make_no_nan():
    logits = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32) * 1e4
    assert 1 <= inception_score(logits)[0] <= 5


def test_one_split_does_not_depend_on_order():
    logits = np.random.default_rng(1).normal(size=(60, 9)) * 3
    assert inception_score(logits[::-1], splits=1) == pytest.approx(
        inception_score(logits, splits=1), rel=1e-13
    )
    shuffled = np.random.default_rng(2).permutation(logits)
    assert inception_score(shuffled, splits=10) != pytest.approx(inception_score(logits, splits=10), rel=1e-6)


@pytest.mark.parametrize(("n", "splits"), [(40, 1), (43, 4)])
def test_influence_is_the_derivative_by_weights(n, splits):
    logits = np.random.default_rng(n).normal(size=(n, 6)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    edges = [n * k // splits for k in range(splits + 1)]

    def score(weights):
        total = 0.0
        for a, b in pairwise(edges):
            share = weights[a:b] / weights[a:b].sum()
            average = share @ p[a:b]
            total += np.exp((share[:, None] * p[a:b] * np.log(p[a:b] / average)).sum()) / splits
        return total

    found = inception_score_influence(logits, splits=splits)
    assert abs(found.mean()) < 1e-12
    e = 1e-6
    for i in (0, 5, n - 1):
        step = e * n * (np.eye(n)[i])
        ends = [score(np.ones(n) + s * step) for s in (-1, 1)]
        assert found[i] == pytest.approx((ends[1] - ends[0]) / (2 * e), rel=1e-4)


def test_the_standard_error_is_the_spread_over_fresh_draws():
    random = np.random.default_rng(3)
    values, errors = [], []
    for _ in range(300):
        logits = random.normal(size=(300, 8)) * random.gamma(2, size=(300, 1))
        values.append(inception_score(logits, splits=3)[0])
        errors.append(linear_error([inception_score_influence(logits, splits=3)]))
    assert np.mean(errors) / np.std(values, ddof=1) == pytest.approx(1, abs=0.25)


def test_too_few_images_are_refused():
    with pytest.raises(FeatureError, match="19 images in 10 splits"):
        inception_score(np.zeros((19, 4)))
    with pytest.raises(FeatureError, match="0 splits"):
        inception_score(np.zeros((19, 4)), splits=0)
    with pytest.raises(FeatureError, match="logits: row 2 "):
        inception_score(np.where(np.arange(30)[:, None] == 2, np.nan, np.zeros((30, 4))))
