from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.errors import FeatureError
from benchbench.quality.bias_curve import BiasPoint, bias_curve, extrapolate
from benchbench.quality.frechet import frechet_distance


def test_the_distance_falls_with_the_number_of_images_and_ends_near_the_truth():
    random = np.random.default_rng(0)
    real, fake = random.normal(size=(30_000, 16)), random.normal(size=(12_000, 16))
    points = bias_curve(real, fake, counts=(40, 100, 400, 2000, 12_000), seed=1)
    values = [point.value for point in points]
    assert values == sorted(values, reverse=True)
    assert [point.count for point in points] == [40, 100, 400, 2000, 12_000]
    assert values[-1] == pytest.approx(frechet_distance(real, fake), rel=1e-9)
    end = extrapolate(points, 16)
    assert abs(end) < values[2] / 10


def test_seeded():
    real, fake = np.random.default_rng(1).normal(size=(2, 60, 4)).astype(np.float32)
    assert bias_curve(real, fake, counts=(20, 30), seed=5) == bias_curve(real, fake, counts=(20, 30), seed=5)
    assert bias_curve(real, fake, counts=(20,), seed=5) != bias_curve(real, fake, counts=(20,), seed=6)


def test_a_line_is_found():
    points = [BiasPoint(n, 7.5 + 300 / n) for n in (128, 200, 1000, 4000)]
    assert extrapolate(points, 64) == pytest.approx(7.5, rel=1e-12)


def test_what_is_refused():
    real, fake = np.random.default_rng(2).normal(size=(2, 30, 4))
    for counts in ((), (1, 10), (10, 31)):
        with pytest.raises(FeatureError, match="a curve over"):
            bias_curve(real, fake, counts=counts, seed=0)
    with pytest.raises(FeatureError, match="127 images in 64 dimensions"):
        extrapolate([BiasPoint(127, 2.0), BiasPoint(400, 1.0)], 64)
    with pytest.raises(FeatureError, match="different counts"):
        extrapolate([BiasPoint(400, 2.0), BiasPoint(400, 1.0)], 64)
