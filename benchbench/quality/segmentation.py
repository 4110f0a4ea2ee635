"""Mean intersection over union: does a segmenter find in an image what its label map asked for?

Counting and scores are apart: one confusion matrix per image, int64 [classes, classes], and everything
else is made from those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.errors import DataError, FeatureError
from benchbench.core.measurement import Interval
from benchbench.core.model import JsonValue
from benchbench.quality.pair_errors import Pictures, pair_name

Counts = NDArray[np.int64]

_BLOCK = 256


class LabelMaps(Protocol):
    """A sequence of label maps, whole numbers [H, W]."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> NDArray[np.generic]: ...


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A loaded segmenter, ready to be called.

    Attributes:
        label: what names carry: `miou[<label>]`; see `metric`.
        weights_hash: 16 hexadecimal digits over the weights in use.
        classes: how many.
        ignore: label value that is not scored.
        predict: float32 [N, 3, H, W] in 0..255 -> int64 [N, H', W'] on the CPU, at its own output size.
        registered: whether its figures are the literature's and may be called `miou`.
        ceiling: its own mIoU on real images that it was not trained on, where that is known.
        class_names: by class, where they have names.
        settings: everything else that changes the figures; part of the protocol.
    """

    label: str
    weights_hash: str
    classes: int
    ignore: int
    predict: Callable[[torch.Tensor], torch.Tensor]
    registered: bool = False
    ceiling: float | None = None
    class_names: Sequence[str] = ()
    settings: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def metric(self) -> str:
        """What its score is called."""
        return "miou" if self.registered else f"miou[{self.label}]"


@dataclass(frozen=True, slots=True)
class MeanIou:
    """What a confusion matrix says.

    Attributes:
        value: mean over the classes that occur, 0..1.
        per_class: float64 [classes]; nan where a class occurs neither in truth nor in prediction.
        pixel_accuracy: share of the scored pixels that are right.
    """

    value: float
    per_class: NDArray[np.float64]
    pixel_accuracy: float


def confusion(
    predicted: NDArray[np.integer], truth: NDArray[np.integer], classes: int, *, ignore: int = 255
) -> Counts:
    """How many pixels of each true class (row) were given each class (column): int64 [classes, classes].

    Args:
        predicted: whole numbers [H, W], 0 to classes - 1 each.
        truth: whole numbers [H, W]; `ignore` and negative values are left out.
        classes: how many.
        ignore: value of `truth` that is not scored.

    Raises:
        DataError: shapes differ, or a value is neither a class nor left out. The authors' code drops any
            label beyond the classes; here it is an error, because label ids taken for train ids would
            give a figure.
    """
    if predicted.shape != truth.shape or predicted.ndim != 2:
        raise DataError(
            f"prediction {list(predicted.shape)} against label map {list(truth.shape)}",
            expected="two maps [H, W] of one size",
        )
    scored = (truth != ignore) & (truth >= 0)
    true = truth[scored].astype(np.int64)
    found = predicted[scored].astype(np.int64)
    for what, values in (("label map", true), ("prediction", found)):
        if values.size and (values.min() < 0 or values.max() >= classes):
            worst = int(values.max() if values.max() >= classes else values.min())
            raise DataError(
                f"{what}: {worst} is no class",
                expected=f"0 to {classes - 1}, or {ignore} where nothing is scored",
                fix="map label ids to classes first (Cityscapes: *_labelIds.png to train ids)",
            )
    return np.bincount(classes * true + found, minlength=classes**2).reshape(classes, classes)


def mean_iou(counts: Counts) -> MeanIou:
    """Intersection over union per class, and its mean over the classes that occur.

    A class in neither truth nor prediction has none (0/0) and is left out, as `np.nanmean` does in
    fyu/drn's segment.py and gan-compression's cityscapes_mIoU.py; one that was only predicted counts 0.

    Args:
        counts: int64 [classes, classes], the sum over images.

    Raises:
        FeatureError: no pixel was scored.
    """
    if not counts.sum():
        raise FeatureError(
            "mIoU: no pixel of any label map is scored",
            expected="label maps that hold classes",
            fix="check the values of the label maps",
        )
    per_class = _per_class(counts.astype(np.float64))
    return MeanIou(
        value=float(np.nanmean(per_class)),
        per_class=per_class,
        pixel_accuracy=float(np.trace(counts) / counts.sum()),
    )


def miou_interval(
    counts: Counts, *, resamples: int = 2000, seed: int = 0, level: float = 0.95
) -> Interval | None:
    """Percentile bootstrap interval of the mIoU over images; None for fewer than two.

    mIoU is no mean over images: every resample adds up the matrices of its images and scores the sum. An
    image drawn k times counts k times (multinomial weights).

    Args:
        counts: int64 [N, classes, classes], one matrix per image.
        resamples: how many.
        seed: of the draws.
        level: of the interval.
    """
    number, classes, _ = counts.shape
    if number < 2:
        return None
    generator = np.random.default_rng(seed)
    even = np.full(number, 1 / number)
    flat = counts.reshape(number, -1).astype(np.float64)
    # In blocks: the weights of all resamples of many images would be large.
    sums = np.concatenate(
        [
            generator.multinomial(number, even, size=min(_BLOCK, resamples - start)).astype(np.float64) @ flat
            for start in range(0, resamples, _BLOCK)
        ]
    )
    per_class = _per_class(sums.reshape(resamples, classes, classes))
    scored = ~np.isnan(per_class).all(axis=1)
    if not scored.any():
        return None
    low, high = np.quantile(np.nanmean(per_class[scored], axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(low=float(low), high=float(high), level=level)


def score_segmentation(
    segmenter: Segmenter,
    images: Pictures,
    label_maps: LabelMaps,
    *,
    progress: Callable[[int], None] | None = None,
) -> Counts:
    """One confusion matrix per image, in order: int64 [N, classes, classes].

    Label maps are brought to the size of the prediction by nearest neighbour, where they differ in size;
    gan-compression takes those of 2048x1024 as they are.

    Args:
        segmenter: from `load_segmenter`.
        images: uint8 [3, H, W] each.
        label_maps: whole numbers [H, W] each, in the segmenter's classes.
        progress: told how many images are done, after each.

    Raises:
        DataError: the numbers of both differ, a label map is none or has values that are no classes, or an
            image does not fit the segmenter; the image is named.
    """
    if len(images) != len(label_maps) or not len(images):
        raise DataError(
            f"{len(images)} images and {len(label_maps)} label maps",
            expected="one label map for each image, at least one",
        )
    found = np.empty((len(images), segmenter.classes, segmenter.classes), dtype=np.int64)
    for index in range(len(images)):
        try:
            predicted = segmenter.predict(images[index][None].float())[0].numpy()
            truth = resize_nearest(np.asarray(label_maps[index]), predicted.shape)
            found[index] = confusion(predicted, truth, segmenter.classes, ignore=segmenter.ignore)
        except DataError as error:
            name = pair_name(images, images, index).replace("pair", "image", 1)
            raise DataError(f"{name}: {error.problem}", expected=error.expected, fix=error.fix) from None
        if progress is not None:
            progress(index + 1)
    return found


def resize_nearest(label_map: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """A label map [H, W] at another size, each pixel from the one whose area its centre falls in.

    The same as Pillow's NEAREST, save for a centre exactly on a border, which goes to the next pixel here
    and where rounding has it there. No new value ever appears.

    Raises:
        DataError: no map of whole numbers.
    """
    if label_map.ndim != 2 or label_map.dtype.kind not in "ui" or not label_map.size:
        raise DataError(
            f"label map: {label_map.dtype} {list(label_map.shape)}", expected="whole numbers [H, W]"
        )
    rows, columns = (
        ((2 * np.arange(target, dtype=np.int64) + 1) * size) // (2 * target)
        for size, target in zip(label_map.shape, shape, strict=True)
    )
    resized: NDArray[np.int64] = label_map[rows[:, None], columns].astype(np.int64)
    return resized


def _per_class(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """[..., classes, classes] -> [..., classes]; nan where a class does not occur."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(axis=-1) + counts.sum(axis=-2) - right
    shares: NDArray[np.float64] = np.divide(right, union, out=np.full(right.shape, np.nan), where=union > 0)
    return shares
