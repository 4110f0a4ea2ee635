"""From values to a measurement: its name, its protocol, and what a reader must be told beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from benchbench.core.features import Extractor
from benchbench.core.measurement import Direction, Interval, Measurement, Yardstick
from benchbench.core.model import JsonValue
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.measures.quality.passes import RESERVED, SCORES, figure_name
from benchbench.measures.quality.sides import Side, declare

PROVENANCE = "benchbench.measures.quality"
_HIGHER = frozenset({"precision", "recall", "density", "coverage", "inception_score"})
# A metric on registered weights is the literature's where one of these is: the same distance by its name.
_OF_LITERATURE: Mapping[Metric, frozenset[str]] = {
    "fd": frozenset({"fid", "clean_fid"}),
    "kd": frozenset({"kid", "clean_kid"}),
    "kd_subsets": frozenset({"kid", "clean_kid"}),
    "inception_score": frozenset({"inception_score"}),
}


def is_of_literature(metric: Metric, extractor: Extractor) -> bool:
    """Whether papers print this figure, of these weights and this resize."""
    if metric in RESERVED:
        return metric in extractor.registered
    return bool(_OF_LITERATURE.get(metric, frozenset()) & extractor.registered)


def make_figure(
    metric: Metric,
    values: Sequence[float],
    estimator: str,
    *,
    extractor: Extractor,
    sides: tuple[Side | None, Side],
    options: QualityOptions,
    interval: Interval | None = None,
    yardstick: Yardstick | None = None,
    flags: Sequence[str] = (),
    more: Mapping[str, JsonValue] | None = None,
) -> Measurement:
    """The mean of `values`, one per member of the extractor, with all that belongs to it."""
    reference, generated = sides
    direction: Direction = "higher" if metric in _HIGHER else "lower"
    told = list(flags)
    if len(values) > 1:
        told.append(f"mean of {len(values)}: {', '.join(f'{value:.4g}' for value in values)}")
    comparable = is_of_literature(metric, extractor)
    if not comparable:
        told.append(f"{extractor.label}: not comparable to the literature")
        if SCORES.get(metric) in ("frechet", "kernel") and yardstick is None:
            told.append("no real-against-real value: half of the reference is too few images")
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
            options,
            extractor=extractor,
            more={"comparable_to_literature": comparable, **(more or {})},
        ),
        provenance=PROVENANCE,
        flags=tuple(told),
        yardstick=yardstick,
    )
