"""Figures that are made of features: distances, scores, and the interval of each over images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import BenchbenchError, FeatureError
from benchbench.core.features import Extractor
from benchbench.core.measurement import Direction, Interval, Measurement, Yardstick
from benchbench.core.model import JsonValue
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.measures.quality.passes import RESERVED, SCORES, Pass, Refusal, figure_name
from benchbench.measures.quality.sides import Side, declare
from benchbench.quality.bias_curve import bias_curve, extrapolate
from benchbench.quality.feature_table import FeatureRows, FeatureTable
from benchbench.quality.frechet import frechet_distance, frechet_influence
from benchbench.quality.inception_score import inception_score, inception_score_influence
from benchbench.quality.intervals import linear_interval, mean_interval
from benchbench.quality.kernel import kernel_distance, kernel_distance_subsets, kernel_interval
from benchbench.quality.neighbours import NeighbourScores, neighbour_scores
from benchbench.quality.rand_conv import FEWEST_DIMENSIONS, PER_CHANNEL

PROVENANCE = "benchbench.measures.quality"
_NEIGHBOURS = ("precision", "recall", "density", "coverage")
_HIGHER = frozenset({*_NEIGHBOURS, "inception_score"})


class Scorer:
    """All figures of one extractor.

    Args:
        made: the extractor and the metrics that are asked of it.
        tables: features of the reference (None without one) and of the generated images.
        sides: where both come from.
        options: as asked.
    """

    def __init__(
        self,
        made: Pass,
        tables: tuple[FeatureTable | None, FeatureTable],
        sides: tuple[Side | None, Side],
        options: QualityOptions,
    ) -> None:
        self.made, self.options = made, options
        self.reference, self.generated = tables
        self.sides = sides
        self._neighbours: list[NeighbourScores] | None = None

    def figures(self) -> tuple[list[Measurement], list[Refusal]]:
        """One figure per metric, or the reason why there is none."""
        found: list[Measurement] = []
        refused: list[Refusal] = []
        for metric in self.made.metrics:
            try:
                found.append(self._figure(metric))
            except BenchbenchError as error:
                refused.append(Refusal(metric, error))
        return found, refused

    def _figure(self, metric: Metric) -> Measurement:
        score = RESERVED[metric].score if metric in RESERVED else SCORES[metric]
        makers: dict[str, Callable[[Metric], Measurement]] = {
            "frechet": self._frechet,
            "kernel": self._kernel,
            "kernel_subsets": self._kernel_subsets,
            "inception_score": self._inception_score,
            "neighbours": self._neighbour,
        }
        return makers[score](metric)

    def _frechet(self, metric: Metric) -> Measurement:
        pairs = self._pairs()
        values = [frechet_distance(x, y) for x, y in pairs]
        interval = None
        if self.options.resamples:
            influences = [frechet_influence(x, y) for x, y in pairs]
            interval = linear_interval(
                fmean(values),
                [np.mean([each[side] for each in influences], axis=0) for side in (0, 1)],
                resamples=self.options.resamples,
                seed=self.options.seed,
            )
            # No distance is below 0; the straight line that stands for it near there does not know that.
            interval = interval.model_copy(update={"low": max(interval.low, 0.0)})
        more: dict[str, JsonValue] = {"covariance_divisor": "N-1"}
        return self._measurement(
            metric,
            values,
            "exact",
            interval=interval,
            yardstick=self._yardstick(frechet_distance),
            flags=self._curve(),
            more=more,
        )

    def _kernel(self, metric: Metric) -> Measurement:
        pairs = self._pairs()
        interval = None
        if self.options.resamples:
            found = [
                kernel_interval(x, y, resamples=self.options.resamples, seed=self.options.seed)
                for x, y in pairs
            ]
            values = [each.value for each in found]
            # Images are resampled alike for every member, and members agree on which images matter: the
            # mean of the ends is the interval of the mean where they agree wholly, and wider than it else.
            interval = Interval(
                low=fmean(each.interval.low for each in found),
                high=fmean(each.interval.high for each in found),
            )
        else:
            values = [kernel_distance(x, y) for x, y in pairs]
        return self._measurement(
            metric,
            values,
            "exact unbiased, all pairs, (x.y/D + 1)^3",
            interval=interval,
            yardstick=self._yardstick(kernel_distance),
        )

    def _kernel_subsets(self, metric: Metric) -> Measurement:
        options = self.options
        found = [
            kernel_distance_subsets(
                x, y, subsets=options.subsets, size=options.subset_size, seed=options.seed
            )
            for x, y in self._pairs()
        ]
        deviation = fmean([each.deviation for each in found])
        estimator = f"{found[0].subsets} subsets of {found[0].size}, seed {options.seed}"
        return self._measurement(
            metric,
            [each.value for each in found],
            estimator,
            flags=(f"standard deviation over subsets {deviation:.3g}",),
        )

    def _inception_score(self, metric: Metric) -> Measurement:
        logits = self.generated.logits()
        if logits is None:
            raise FeatureError(
                f"'inception_score' needs the classes of an Inception network, and "
                f"{self.made.extractor.label} has none",
                fix="set features: inception, or inception_pytorch",
            )
        value, deviation = inception_score(logits, splits=self.options.splits)
        interval = None
        if self.options.resamples:
            interval = linear_interval(
                value,
                [inception_score_influence(logits, splits=self.options.splits)],
                resamples=self.options.resamples,
                seed=self.options.seed,
            )
        return self._measurement(
            metric,
            [value],
            f"{self.options.splits} splits by content",
            interval=interval,
            flags=(f"standard deviation over splits {deviation:.3g}",),
        )

    def _neighbour(self, metric: Metric) -> Measurement:
        if self._neighbours is None:
            self._neighbours = [neighbour_scores(x.whole(), y.whole()) for x, y in self._pairs()]
        per_image: list[NDArray[np.float64]] = [
            getattr(found, f"{metric}_per_image") for found in self._neighbours
        ]
        interval = (
            mean_interval(np.mean(per_image, axis=0), resamples=resamples, seed=self.options.seed)
            if (resamples := self.options.resamples)
            else None
        )
        estimator = "k = 3" if metric in ("precision", "recall") else "k = 5"
        return self._measurement(
            metric,
            [getattr(found, metric) for found in self._neighbours],
            estimator,
            interval=interval,
        )

    def _pairs(self) -> list[tuple[FeatureRows, FeatureRows]]:
        """(reference, generated) rows of every member, once they are enough."""
        if self.reference is None:
            raise FeatureError("there is no reference to compare with", fix="name one")
        least = self.made.extractor.fewest_images
        smallest = min(self.reference.meta.count, self.generated.meta.count)
        for table, side in zip((self.reference, self.generated), self.sides, strict=True):
            if table.meta.count == smallest < least:
                assert side is not None
                fewer = smallest // PER_CHANNEL * PER_CHANNEL
                raise FeatureError(
                    f"{side.what}: {smallest} images, and {self.made.extractor.label} has "
                    f"{self.made.extractor.dimensions} dimensions",
                    expected=f"at least {least} on either side: distances of fewer mislead",
                    fix="more images"
                    + (
                        f", or fewer dimensions: features '{{name: rand_conv, dimensions: {fewer}}}'"
                        if fewer >= FEWEST_DIMENSIONS
                        else ""
                    ),
                )
        members = range(self.made.extractor.members)
        return [(self.reference.rows(m), self.generated.rows(m)) for m in members]

    def _yardstick(self, distance: Callable[..., float]) -> Yardstick | None:
        """Real against real at the size of half the reference, and this figure at the same size."""
        if self.made.extractor.registered:
            return None
        half = min(self.reference.meta.count // 2 if self.reference else 0, self.generated.meta.count)
        if half < max(self.made.extractor.fewest_images, 2):
            return None
        pairs = self._pairs()
        real = fmean(distance(x[:half], x[half : 2 * half]) for x, _ in pairs)
        ours = fmean(distance(x[:half], y[:half]) for x, y in pairs)
        return Yardstick(value=real, ratio=ours / real if real > 0 else None, count=half)

    def _curve(self) -> tuple[str, ...]:
        counts = self.options.bias_curve
        if not counts:
            return ()
        curves = [bias_curve(x, y, counts=counts, seed=self.options.seed) for x, y in self._pairs()]
        points = [
            f"{points[0].count}: {fmean([each.value for each in points]):.5g}"
            for points in zip(*curves, strict=True)
        ]
        told = [f"by number of images: {', '.join(points)}"]
        dimensions = self.made.extractor.dimensions
        # Below that the line is no line, and its end means nothing.
        if len(counts) > 1 and min(counts) >= 2 * dimensions:
            limit = fmean(extrapolate(points, dimensions) for points in curves)
            told.append(f"extrapolated to infinitely many images: {limit:.5g} (Chong and Forsyth 2020)")
        return tuple(told)

    def _measurement(
        self,
        metric: Metric,
        values: Sequence[float],
        estimator: str,
        *,
        interval: Interval | None = None,
        yardstick: Yardstick | None = None,
        flags: tuple[str, ...] = (),
        more: dict[str, JsonValue] | None = None,
    ) -> Measurement:
        extractor = self.made.extractor
        reference, generated = self.sides
        direction: Direction = "higher" if metric in _HIGHER else "lower"
        if len(values) > 1:
            flags += (f"mean of {len(values)}: {', '.join(f'{value:.4g}' for value in values)}",)
        if metric not in RESERVED:
            flags += (*_caution(extractor, yardstick, metric),)
        value = fmean(values)
        assert math.isfinite(value)
        return Measurement(
            name=figure_name(metric, extractor),
            unit="1",
            direction=direction,
            value=value,
            interval=interval,
            protocol=declare(
                metric,
                estimator,
                None if metric == "inception_score" else reference,
                generated,
                self.options,
                extractor=extractor,
                more=more,
            ),
            provenance=PROVENANCE,
            flags=flags,
            yardstick=yardstick,
        )


def _caution(extractor: Extractor, yardstick: Yardstick | None, metric: Metric) -> tuple[str, ...]:
    if extractor.registered:
        return ()
    said = [f"{extractor.label}: not comparable to the literature"]
    if SCORES[metric] in ("frechet", "kernel") and yardstick is None:
        said.append("no real-against-real value: half of the reference is too few images")
    return tuple(said)
