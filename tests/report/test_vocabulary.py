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


def test_what_a_failure_is_of():
    assert failed_title("cell") == "the whole cell"
    assert failed_title("quality: clean_fid") == "quality: clean-FID"
    assert failed_title("latency") == "latency"
