"""Figures of images that belong to one another: LPIPS and pixel errors of pairs, mIoU of label maps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import BenchbenchError, DataError, MeasurementError, OptionError
from benchbench.core.measurement import Direction, Interval, Measurement, Protocol
from benchbench.core.model import JsonValue
from benchbench.data.collection import Subset
from benchbench.data.label_maps import read_label_map
from benchbench.data.pairing import pair_up
from benchbench.measures.quality.extraction import canonical_order
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.measures.quality.passes import Refusal
from benchbench.measures.quality.sides import Side, declare
from benchbench.quality.cityscapes_labels import train_ids
from benchbench.quality.intervals import mean_interval
from benchbench.quality.lpips_distance import diversity_interval, lpips_diversity, lpips_of_pairs
from benchbench.quality.lpips_weights import Lpips, load_lpips
from benchbench.quality.pair_errors import PairError, errors_of_pairs
from benchbench.quality.segmentation import mean_iou, miou_interval, score_segmentation
from benchbench.quality.segmenters import load_segmenter

NEED_PARTNERS = ("lpips", "l1", "psnr", "ssim")
PAIR_METRICS = ("lpips", "lpips_diversity", "l1", "psnr", "ssim", "miou")
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


def pair_figures(bench: Bench) -> tuple[list[Measurement], list[Refusal]]:
    """Every asked-for figure of pairs, or the reason why there is none."""
    found: list[Measurement] = []
    refused: list[Refusal] = []
    makers: dict[str, Callable[[Bench], Measurement]] = {
        "lpips": _lpips,
        "lpips_diversity": _diversity,
        "miou": _miou,
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


class _LabelMaps:
    """Label maps by the names of images, read when asked for."""

    def __init__(self, folder: str, names: Sequence[str], kind: str) -> None:
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise DataError(f"no folder of label maps at {root}", fix="correct 'labels'")
        there = {path.relative_to(root).with_suffix("").as_posix(): path for path in root.rglob("*.png")}
        stems = [Path(name).with_suffix("").as_posix() for name in names]
        missing = [stem for stem in stems if stem not in there]
        if missing:
            raise DataError(
                f"{root}: {len(missing)} of {len(stems)} images have no label map, {missing[0]} for one",
                expected="a PNG of the image's name for each",
            )
        self._paths, self._kind = [there[stem] for stem in stems], kind

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> NDArray[np.generic]:
        path = self._paths[index]
        found = read_label_map(path)
        return train_ids(found, name=str(path)) if self._kind == "cityscapes_ids" else found

    def digest(self) -> str:
        """16 hexadecimal digits over the maps' values, in any order."""
        found = []
        for index in range(len(self)):
            values = np.ascontiguousarray(self[index])
            found.append(hashlib.sha256(f"{values.shape}{values.dtype}".encode() + values.tobytes()).digest())
        return hashlib.sha256(self._kind.encode() + b"".join(sorted(found))).hexdigest()[:16]


class _LabelledImages(Sequence[tuple[torch.Tensor, NDArray[np.generic]]]):
    def __init__(self, images: ImageCollection, maps: _LabelMaps) -> None:
        self._images, self._maps = images, maps

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, NDArray[np.generic]]:  # type: ignore[override]
        return self._images[index], self._maps[index]

    def digest(self) -> str:
        """Of the pictures and of their maps."""
        return f"{self._images.digest}-{self._maps.digest()}"


def _miou(bench: Bench) -> Measurement:
    options = bench.options
    if options.labels is None:
        raise OptionError("'miou' needs the label maps of the generated images", fix="set labels: FOLDER")
    if options.segmenter is None:
        raise OptionError(
            "'miou' needs a segmenter",
            expected="segmenter: {name: drn_d_105}, or {name: local, classes: 19}",
            fix="declare one",
        )
    if options.tile is not None:
        raise OptionError("'miou' judges whole images, and 'tile' cuts them", fix="leave 'tile' out")
    images = Subset(bench.generated.images, canonical_order(bench.generated.images))
    maps = _LabelMaps(options.labels, images.names, options.label_values)
    taught: _LabelledImages | None = None
    if options.segmenter.name == "local":
        if bench.reference is None:
            raise DataError("the local segmenter is trained on the reference, and there is none")
        # By content too, so that the same pairs under other names teach the same segmenter.
        real = Subset(bench.reference.images, canonical_order(bench.reference.images))
        if options.reference_labels is None:
            # Generated images are often named as reference images are, with maps of their own.
            raise OptionError(
                "the local segmenter learns from the reference, and nothing says where its label maps are",
                expected="reference_labels: FOLDER, beside 'labels', which are the generated images'",
                fix="name it, even where both are one folder",
            )
        taught = _LabelledImages(real, _LabelMaps(options.reference_labels, real.names, options.label_values))
    segmenter = load_segmenter(
        options.segmenter,
        pairs=lambda: taught or (),
        # Pictures with other maps make another segmenter.
        digest=taught.digest() if taught is not None else "",
        cache=bench.cache,
        device=bench.device,
        say=bench.say,
    )
    counts = score_segmentation(segmenter, images, maps)
    found = mean_iou(counts.sum(axis=0))
    interval = (
        miou_interval(counts, resamples=options.resamples, seed=options.seed) if options.resamples else None
    )
    flags = [f"pixel accuracy {found.pixel_accuracy:.4g}"]
    if segmenter.ceiling is not None:
        flags.append(f"the segmenter's own mIoU on real images held out: {segmenter.ceiling:.4g}")
    if not segmenter.registered:
        flags.append(f"{segmenter.label}: not comparable to the literature")
    return bench.figure(
        "miou",
        segmenter.metric,
        found.value,
        estimator="one matrix over all images, absent classes left out",
        interval=interval,
        settings={
            **segmenter.settings,
            "weights_hash": segmenter.weights_hash,
            "comparable_to_literature": segmenter.registered,
            "label_maps_digest": maps.digest(),
            "label_values": options.label_values,
        },
        flags=flags,
    )
