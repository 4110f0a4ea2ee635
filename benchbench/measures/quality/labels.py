"""mIoU of label maps: a segmenter is given the pictures, and its labels are held against the maps."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError, OptionError
from benchbench.core.measurement import Measurement
from benchbench.data.collection import Subset
from benchbench.data.label_maps import read_label_map
from benchbench.measures.quality.bench import Bench
from benchbench.measures.quality.extraction import canonical_order
from benchbench.quality.cityscapes_labels import train_ids
from benchbench.quality.segmentation import mean_iou, miou_interval, score_segmentation
from benchbench.quality.segmenters import load_segmenter


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


def label_figure(bench: Bench) -> Measurement:
    """The mIoU of the generated images.

    Raises:
        OptionError: no label maps or no segmenter is declared, or images are to be cut into tiles.
        DataError: an image has no label map, or no reference is there to learn from.
    """
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
