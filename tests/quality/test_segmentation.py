from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError, FeatureError
from benchbench.quality.segmentation import (
    Segmenter,
    confusion,
    mean_iou,
    miou_interval,
    resize_nearest,
    score_segmentation,
)

TRUTH = np.array([[0, 0, 1], [1, 255, -1]])
FOUND = np.array([[0, 1, 1], [1, 1, 0]])


def test_confusion_by_hand():
    counts = confusion(FOUND, TRUTH, 3)
    assert counts.dtype == np.int64
    assert counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]


def test_confusion_rows_are_the_truth():
    assert confusion(np.array([[1]]), np.array([[0]]), 2).tolist() == [[0, 1], [0, 0]]


def test_confusion_of_narrow_types_does_not_overflow():
    truth = np.full((3, 3), 18, dtype=np.uint8)
    assert confusion(truth, truth, 19)[18, 18] == 9


@pytest.mark.parametrize(
    ("found", "truth", "told"),
    [
        (FOUND, np.array([[0, 0, 3], [1, 1, 1]]), "label map: 3 is no class"),
        (np.array([[0, 3, 0], [1, 1, 1]]), TRUTH, "prediction: 3 is no class"),
        (np.array([[0, -1, 0], [1, 1, 1]]), TRUTH, "prediction: -1 is no class"),
        (FOUND[:, :2], TRUTH, "against label map"),
    ],
)
def test_what_is_no_class_is_refused(found, truth, told):
    with pytest.raises(DataError, match=told):
        confusion(found, truth, 3)


def test_mean_iou_leaves_out_what_does_not_occur():
    found = mean_iou(confusion(FOUND, TRUTH, 3))
    assert found.per_class[:2].tolist() == [1 / 2, 2 / 3]
    assert np.isnan(found.per_class[2])
    assert found.value == pytest.approx((1 / 2 + 2 / 3) / 2, rel=1e-15)
    assert found.pixel_accuracy == 3 / 4


def test_a_class_that_is_only_predicted_counts_zero():
    # As in fyu/drn: its union is not empty.
    found = mean_iou(confusion(np.array([[0, 2]]), np.array([[0, 0]]), 3))
    assert found.per_class[[0, 2]].tolist() == [0.5, 0.0]
    assert found.value == 0.25


def test_mean_iou_as_the_authors_write_it():
    generator = np.random.default_rng(0)
    hist = generator.integers(0, 50, size=(6, 6))
    hist[4] = hist[:, 4] = 0
    with np.errstate(invalid="ignore"):
        iou = np.diag(hist) / (hist.sum(1) + hist.sum(0) - np.diag(hist))
    assert mean_iou(hist).value == pytest.approx(np.nanmean(iou), rel=1e-14)


def test_nothing_scored():
    with pytest.raises(FeatureError, match="no pixel"):
        mean_iou(np.zeros((3, 3), dtype=np.int64))


def random_counts(number: int) -> np.ndarray:
    generator = np.random.default_rng(1)
    # Images that differ much in size and in what they hold.
    counts = generator.integers(0, 100, size=(number, 4, 4)) * generator.integers(1, 30, size=(number, 1, 1))
    return counts + 200 * np.eye(4, dtype=np.int64)


def test_the_interval_is_that_of_resampled_sums():
    counts = random_counts(12)
    interval = miou_interval(counts, resamples=500, seed=3)
    assert interval is not None
    generator = np.random.default_rng(4)
    values = [mean_iou(counts[generator.integers(0, 12, 12)].sum(axis=0)).value for _ in range(4000)]
    low, high = np.quantile(values, [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=0.15 * (high - low))
    assert interval.high == pytest.approx(high, abs=0.15 * (high - low))
    assert mean_iou(counts.sum(axis=0)).value in interval
    assert miou_interval(counts, resamples=500, seed=3) == interval
    assert miou_interval(counts, resamples=500, seed=5) != interval


def test_no_interval_of_one_image():
    assert miou_interval(random_counts(1)) is None


def test_a_class_of_few_images_does_not_break_the_interval():
    counts = np.zeros((6, 3, 3), dtype=np.int64)
    counts[:, 0, 0] = 10
    counts[0, 1, 1] = 5
    interval = miou_interval(counts)
    assert interval is not None
    assert (interval.low, interval.high) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("size", "target"),
    [((8, 10), (4, 5)), ((8, 10), (16, 30)), ((8, 10), (8, 10)), ((9, 11), (7, 5)), ((9, 11), (64, 64))],
)
def test_nearest_is_pillows(size, target):
    given = np.random.default_rng(0).integers(0, 255, size=size).astype(np.uint8)
    expected = np.array(Image.fromarray(given).resize(target[::-1], Image.Resampling.NEAREST))
    assert np.array_equal(resize_nearest(given, target), expected)


def test_a_centre_on_a_border_belongs_to_the_next_pixel():
    # Pillow adds up 8/7 in floating point and falls short of 4 in the fourth row of seven.
    column = np.arange(8, dtype=np.uint8)[:, None]
    assert resize_nearest(column, (7, 1))[:, 0].tolist() == [0, 1, 2, 4, 5, 6, 7]


def test_only_whole_numbers_are_label_maps():
    with pytest.raises(DataError, match="float64"):
        resize_nearest(np.zeros((4, 4)), (2, 2))
    with pytest.raises(DataError, match=r"\[4, 4, 3\]"):
        resize_nearest(np.zeros((4, 4, 3), dtype=np.uint8), (2, 2))


def by_red(images: torch.Tensor) -> torch.Tensor:
    """Half the size; class 1 where there is more red than 127."""
    return (images[:, 0, ::2, ::2] > 127).long()


SEGMENTER = Segmenter(label="by-red", weights_hash="0" * 16, classes=2, ignore=255, predict=by_red)


def test_a_score_per_image_at_the_segmenters_size():
    red = torch.zeros(3, 8, 8, dtype=torch.uint8)
    red[0, :, 4:] = 255
    right = np.zeros((8, 8), dtype=np.uint8)
    right[:, 4:] = 1
    small = right[::4, ::4]
    told: list[int] = []
    counts = score_segmentation(SEGMENTER, [red, red, red], [right, small, 1 - right], progress=told.append)
    assert counts.tolist() == [[[8, 0], [0, 8]], [[8, 0], [0, 8]], [[0, 8], [8, 0]]]
    assert told == [1, 2, 3]
    assert SEGMENTER.metric == "miou[by-red]"


def test_messages_name_the_image():
    class Named(list):
        names = ("a.png", "b.png")

    images = Named([torch.zeros(3, 4, 4, dtype=torch.uint8)] * 2)
    maps = [np.zeros((4, 4), dtype=np.uint8), np.full((4, 4), 7, dtype=np.uint8)]
    with pytest.raises(DataError, match=r"image 1 \(b\.png\): label map: 7 is no class"):
        score_segmentation(SEGMENTER, images, maps)
    with pytest.raises(DataError, match="2 images and 1 label maps"):
        score_segmentation(SEGMENTER, images, maps[:1])
