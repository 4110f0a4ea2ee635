"""Figures of images that belong to one another: LPIPS and pixel errors of pairs, mIoU of label maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import BenchbenchError, DataError, MeasurementError
from benchbench.core.measurement import Measurement
from benchbench.core.model import JsonValue
from benchbench.data.collection import Subset
from benchbench.data.pairing import pair_up
from benchbench.measures.quality.bench import Bench
from benchbench.measures.quality.labels import label_figure
from benchbench.measures.quality.options import Metric
from benchbench.measures.quality.passes import Refusal
from benchbench.quality.lpips_distance import diversity_interval, lpips_diversity, lpips_of_pairs
from benchbench.quality.lpips_weights import Lpips, load_lpips
from benchbench.quality.pair_errors import PairError, errors_of_pairs

NEED_PARTNERS = ("lpips", "l1", "psnr", "ssim")
PAIR_METRICS = ("lpips", "lpips_diversity", "l1", "psnr", "ssim", "miou")


def pair_figures(bench: Bench) -> tuple[list[Measurement], list[Refusal]]:
    """Every asked-for figure of pairs, or the reason why there is none."""
    found: list[Measurement] = []
    refused: list[Refusal] = []
    makers: dict[str, Callable[[Bench], Measurement]] = {
        "lpips": _lpips,
        "lpips_diversity": _diversity,
        "miou": label_figure,
    }
    for metric in bench.options.metrics:
        if metric not in PAIR_METRICS:
            continue
        try:
            maker = makers.get(metric)
            found.append(maker(bench) if maker else _pixel_error(bench, metric))
        except BenchbenchError as error:
            refused.append(Refusal(metric, error))
    return found, refused


def _paired(bench: Bench) -> tuple[ImageCollection, ImageCollection]:
    if bench.reference is None:
        raise DataError("figures of pairs need a reference, and there is none", fix="name one")
    reference, generated = bench.reference.images, bench.generated.images
    for side in (bench.reference, bench.generated):
        if len(side.images) < 2:
            raise DataError(f"{side.what}: one image", expected="at least 2, since figures have intervals")
    # By content, so that the interval does not depend on names; the reference decides, so that values of
    # two sets against one reference stand side by side.
    places = sorted(
        pair_up(reference, generated),
        key=lambda pair: (reference.digests[pair[0]], generated.digests[pair[1]]),
    )
    return Subset(reference, [i for i, _ in places]), Subset(generated, [j for _, j in places])


def _pixel_error(bench: Bench, metric: Metric) -> Measurement:
    values = errors_of_pairs(cast("PairError", metric), *_paired(bench))
    if metric == "psnr":
        differing = values[np.isfinite(values)]
        same = len(values) - len(differing)
        if len(differing) < 2:
            raise MeasurementError(
                f"no mean PSNR: {same} of {len(values)} pairs are identical, and that of an identical pair "
                "is infinite",
                fix="use l1 or ssim for such pairs",
            )
        flags = (f"{same} of {len(values)} pairs are identical and left out: theirs is infinite",)
        return bench.figure(
            metric,
            metric,
            float(differing.mean()),
            estimator="mean over pairs that differ",
            values=differing,
            flags=flags if same else (),
        )
    return bench.figure(metric, metric, float(values.mean()), estimator="mean over pairs", values=values)


def _lpips(bench: Bench) -> Measurement:
    metric = load_lpips(bench.options.lpips, device=bench.device)
    first, second = _paired(bench)
    values = lpips_of_pairs(metric, first, second, batch=bench.options.batch)
    return bench.figure(
        "lpips",
        metric.name,
        float(values.mean()),
        estimator="mean over pairs",
        values=values,
        settings=_settings(metric),
        flags=_caution(metric),
    )


def _diversity(bench: Bench) -> Measurement:
    metric = load_lpips(bench.options.lpips, device=bench.device)
    images = bench.generated.images
    options = bench.options
    found = lpips_diversity(
        metric,
        [images],
        pairs=options.diversity_pairs,
        seed=options.seed,
        keys=[images.digests],
        batch=options.batch,
    )
    interval = None
    if options.resamples:
        interval = diversity_interval(found, resamples=options.resamples, seed=options.seed)
    return bench.figure(
        "lpips_diversity",
        metric.name.replace("lpips", "lpips_diversity", 1),
        found.value,
        estimator=f"{len(found.values)} pairs, seed {options.seed}",
        interval=interval,
        settings=_settings(metric),
        flags=_caution(metric),
    )


def _settings(metric: Lpips) -> dict[str, JsonValue]:
    return {
        **metric.settings,
        "weights_hash": metric.weights_hash,
        "comparable_to_literature": metric.comparable,
    }


def _caution(metric: Lpips) -> tuple[str, ...]:
    return () if metric.comparable else (f"{metric.name}: not comparable to the literature",)
