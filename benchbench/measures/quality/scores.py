"""Figures that are made of features: distances, scores, and the interval of each over images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import fmean

import numpy as np

from benchbench.core.errors import BenchbenchError, FeatureError
from benchbench.core.measurement import Interval, Measurement, Yardstick
from benchbench.core.model import JsonValue
from benchbench.measures.quality.figure import is_of_literature, make_figure
from benchbench.measures.quality.matching import Matched, check_enough, match
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.measures.quality.passes import RESERVED, SCORES, Pass, Refusal
from benchbench.measures.quality.real_against_real import yardstick
from benchbench.measures.quality.sides import Side
from benchbench.quality.bias_curve import bias_curve, extrapolate
from benchbench.quality.feature_table import FeatureRows, FeatureTable
from benchbench.quality.frechet import frechet_distance, frechet_influence
from benchbench.quality.inception_score import inception_score, inception_score_influence
from benchbench.quality.intervals import grouped_influence, linear_interval
from benchbench.quality.kernel import kernel_distance, kernel_distance_subsets, kernel_interval
from benchbench.quality.neighbours import METRICS, neighbour_scores, neighbour_spread

_FEWEST_FOR_SPREAD = 20
_BUT = {"independent": "", "paired": " but those of one input"}


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
        self.tables, self.sides = tables, sides
        self._matched: Matched | None = None
        self._neighbours: dict[str, tuple[list[float], float | None]] = {}

    def figures(self) -> tuple[list[Measurement], list[Refusal]]:
        """One figure per metric, or the reason why there is none."""
        found: list[Measurement] = []
        refused: list[Refusal] = []
        makers: dict[str, Callable[[Metric], Measurement]] = {
            "frechet": self._frechet,
            "kernel": self._kernel,
            "kernel_subsets": self._kernel_subsets,
            "inception_score": self._inception_score,
            "neighbours": self._neighbour,
        }
        for metric in self.made.metrics:
            score = RESERVED[metric].score if metric in RESERVED else SCORES[metric]
            try:
                found.append(makers[score](metric))
            except BenchbenchError as error:
                refused.append(Refusal(metric, error))
        return found, refused

    @property
    def _figure(self) -> Callable[..., Measurement]:
        return partial(make_figure, extractor=self.made.extractor, sides=self.sides, options=self.options)

    def _rows(self) -> Matched:
        """Rows of both sides, once they are known to be enough."""
        if self._matched is None:
            reference, side = self.tables[0], self.sides[0]
            if reference is None or side is None:
                raise FeatureError("it compares with a reference, and there is none", fix="name one")
            extractor, both = self.made.extractor, (side, self.sides[1])
            check_enough(
                (reference, self.tables[1]), both, least=extractor.fewest_images, label=extractor.label
            )
            self._matched = match((reference, self.tables[1]), both, members=extractor.members)
        return self._matched

    def _frechet(self, metric: Metric) -> Measurement:
        rows = self._rows()
        values = [frechet_distance(x, y) for x, y in rows.pairs]
        interval = None
        if self.options.resamples:
            influences = [frechet_influence(x, y) for x, y in rows.pairs]
            interval = linear_interval(
                fmean(values),
                [
                    grouped_influence(np.mean([each[side] for each in influences], axis=0), rows.groups[side])
                    for side in (0, 1)
                ],
                resamples=self.options.resamples,
                seed=self.options.seed,
                sets=rows.sets,
            )
            # No distance is below 0; the straight line that stands for it near there does not know that.
            interval = interval.model_copy(update={"low": max(interval.low, 0.0)})
        more: dict[str, JsonValue] = {"covariance_divisor": "N-1", "pairing": rows.sets}
        return self._figure(
            metric,
            values,
            "exact",
            interval=interval,
            yardstick=self._yardstick(metric, frechet_distance),
            flags=self._curve(),
            more=more,
        )

    def _kernel(self, metric: Metric) -> Measurement:
        rows = self._rows()
        interval = None
        if self.options.resamples:
            found = [
                kernel_interval(
                    x,
                    y,
                    resamples=self.options.resamples,
                    seed=self.options.seed,
                    sets=rows.sets,
                    groups=rows.groups,
                )
                for x, y in rows.pairs
            ]
            values = [each.value for each in found]
            # Images are resampled alike for every member, and members agree on which images matter: the
            # mean of the ends is the interval of the mean where they agree wholly, and wider than it else.
            interval = Interval(
                low=fmean(each.interval.low for each in found),
                high=fmean(each.interval.high for each in found),
            )
        else:
            values = [kernel_distance(x, y, sets=rows.sets) for x, y in rows.pairs]
        return self._figure(
            metric,
            values,
            f"exact unbiased, all pairs{_BUT[rows.sets]}, (x.y/D + 1)^3",
            interval=interval,
            yardstick=self._yardstick(metric, kernel_distance),
            more={"pairing": rows.sets},
        )

    def _kernel_subsets(self, metric: Metric) -> Measurement:
        options = self.options
        found = [
            kernel_distance_subsets(
                x, y, subsets=options.subsets, size=options.subset_size, seed=options.seed
            )
            for x, y in self._rows().pairs
        ]
        size = found[0].size
        spread = f"standard deviation over subsets {fmean([each.deviation for each in found]):.3g}"
        if size == max(len(self._rows().copies[0]), len(self._rows().copies[1])):
            spread = f"subsets of {size} are the whole sets: they have no spread"
        return self._figure(
            metric,
            [each.value for each in found],
            f"{found[0].subsets} subsets of {size}, seed {options.seed}",
            flags=(spread,),
        )

    def _inception_score(self, metric: Metric) -> Measurement:
        logits = self.tables[1].logits()
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
        return self._figure(
            metric,
            [value],
            f"{self.options.splits} splits by content",
            interval=interval,
            flags=(f"standard deviation over splits {deviation:.3g}",),
        )

    def _neighbour(self, metric: Metric) -> Measurement:
        if not self._neighbours:
            sets = [
                tuple(each.whole() if isinstance(each, FeatureRows) else each for each in pair)
                for pair in self._rows().pairs
            ]
            scores = [neighbour_scores(x, y) for x, y in sets]
            # Of fewer, half has fewer images than neighbours are asked of.
            enough = min(len(each) for each in self._rows().copies) >= _FEWEST_FOR_SPREAD
            spreads = []
            if self.options.resamples and enough:
                spreads = [neighbour_spread(x, y, seed=self.options.seed) for x, y in sets]
            for name in METRICS:
                spread = fmean(each[name] for each in spreads) if spreads else None
                self._neighbours[name] = [getattr(each, name) for each in scores], spread
        values, spread = self._neighbours[metric]
        interval = None
        if spread is not None:
            value = fmean(values)
            most = 1.0 if metric != "density" else float("inf")
            interval = Interval(low=max(value - 1.96 * spread, 0.0), high=min(value + 1.96 * spread, most))
        return self._figure(
            metric, values, "k = 3" if metric in ("precision", "recall") else "k = 5", interval=interval
        )

    def _yardstick(self, metric: Metric, distance: Callable[..., float]) -> Yardstick | None:
        extractor = self.made.extractor
        if is_of_literature(metric, extractor):
            return None
        return yardstick(self._rows(), distance, fewest=extractor.fewest_images, seed=self.options.seed)

    def _curve(self) -> tuple[str, ...]:
        fewest = self.made.extractor.fewest_images
        counts = tuple(count for count in self.options.bias_curve if count >= fewest)
        told = [
            f"not computed at {count} images: fewer than the {fewest} that it needs"
            for count in self.options.bias_curve
            if count < fewest
        ]
        if not counts:
            return tuple(told)
        curves = [
            bias_curve(x[0 : len(x)], y[0 : len(y)], counts=counts, seed=self.options.seed)
            for x, y in self._rows().pairs
        ]
        points = [
            f"{points[0].count}: {fmean([each.value for each in points]):.5g}"
            for points in zip(*curves, strict=True)
        ]
        told.insert(0, f"by number of images: {', '.join(points)}")
        dimensions = self.made.extractor.dimensions
        # Below that the line is no line, and its end means nothing.
        if len(set(counts)) > 1 and min(counts) >= 2 * dimensions:
            limit = fmean(extrapolate(points, dimensions) for points in curves)
            told.append(f"extrapolated to infinitely many images: {limit:.5g} (Chong and Forsyth 2020)")
        return tuple(told)
