"""Where figures of images that belong to one another are made, and the form that they all have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchbench.core.measurement import Direction, Interval, Measurement, Protocol
from benchbench.core.model import JsonValue
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.measures.quality.sides import Side, declare
from benchbench.quality.intervals import mean_interval

_UNITS = {"psnr": "dB"}
_HIGHER = ("psnr", "ssim", "miou", "lpips_diversity")
_PROVENANCE = "benchbench.measures.quality"


@dataclass(frozen=True, slots=True)
class Bench:
    """Where pair figures are made: sides, options, and what networks need.

    `reference` is None where a figure needs none.
    """

    reference: Side | None
    generated: Side
    options: QualityOptions
    cache: Path
    device: str
    say: Callable[[str], None]

    def figure(
        self,
        metric: Metric,
        name: str,
        value: float,
        *,
        estimator: str,
        values: NDArray[np.float64] | None = None,
        interval: Interval | None = None,
        settings: Mapping[str, JsonValue] | None = None,
        flags: Sequence[str] = (),
    ) -> Measurement:
        """A measurement; the mean of `values` where those are given, one per image."""
        direction: Direction = "higher" if metric in _HIGHER else "lower"
        aggregate: dict[str, JsonValue] = {} if values is None else {"aggregate": "mean"}
        if values is not None and self.options.resamples:
            interval = mean_interval(values, resamples=self.options.resamples, seed=self.options.seed)
        needs_reference = metric not in ("lpips_diversity", "miou")
        protocol: Protocol = declare(
            metric,
            estimator,
            self.reference if needs_reference else None,
            self.generated,
            self.options,
            more={**aggregate, **(settings or {})},
        )
        return Measurement(
            name=name,
            unit=_UNITS.get(metric, "1"),
            direction=direction,
            value=value,
            samples=() if values is None else (tuple(values.tolist()),),
            interval=interval,
            protocol=protocol,
            provenance=_PROVENANCE,
            flags=tuple(flags),
        )
