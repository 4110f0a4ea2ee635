from __future__ import annotations

import pytest

from benchbench.report.views.vocabulary import failed_title, is_quality, title


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fid", "FID"),
        ("clean_fid", "clean-FID"),
        ("clean_kid", "clean-KID"),
        ("fd[rand-conv-128]", "FD [rand-conv-128]"),
        ("kd[my_features]", "KD [my_features]"),
        ("kd_subsets[dinov2]", "KD over subsets [dinov2]"),
        ("inception_score[inception]", "inception score [inception]"),
        ("precision[clip]", "precision [clip]"),
        ("lpips[alex]", "LPIPS [alex]"),
        ("lpips_diversity[vgg-random-0]", "LPIPS diversity [vgg-random-0]"),
        ("miou", "mIoU"),
        ("miou[local-segmenter]", "mIoU [local-segmenter]"),
        ("psnr", "PSNR"),
        ("ssim", "SSIM"),
        ("road_accuracy", "road accuracy"),
    ],
)
def test_titles(name, expected):
    assert title(name) == expected
    assert is_quality(name, "dB" if name == "psnr" else "1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fid <= 30", "FID <= 30"),
        ("kd[my_features] <= 0.5", "KD [my_features] <= 0.5"),
        ("psnr >= 21.5", "PSNR >= 21.5"),
    ],
)
def test_a_level_keeps_its_bound(name, expected):
    assert title(name) == expected
    assert failed_title(f"level: {name}") == f"level: {expected}"


def test_steps_to_a_level_are_a_cost():
    assert title("steps_to_level") == "training steps to the level"
    assert not is_quality("steps_to_level", "1")
    assert not is_quality("time_to_level", "s")


def test_a_curve_of_scores_is_called_as_the_score():
    assert title("score/fd[rand-conv-128]") == "FD [rand-conv-128]"
    assert title("score/clean_fid") == "clean-FID"


def test_what_a_failure_is_of():
    assert failed_title("cell") == "the whole cell"
    assert failed_title("quality: clean_fid") == "quality: clean-FID"
    assert failed_title("latency") == "latency"
