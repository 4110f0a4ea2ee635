from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from benchbench.core.errors import DataError
from benchbench.quality.pair_errors import (
    SSIM_WINDOW,
    errors_of_pairs,
    l1,
    psnr,
    ssim,
)


def picture(seed: int, height: int = 24, width: int = 20) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


class Named(list):
    def __init__(self, images, names):
        super().__init__(images)
        self.names = names


def test_l1_by_hand():
    black, white = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.full((3, 4, 4), 255, dtype=torch.uint8)
    assert l1(black, white) == 1.0
    # In uint8 arithmetic 10 - 20 would be 246.
    assert l1(torch.full_like(black, 10), torch.full_like(black, 20)) == pytest.approx(10 / 255, rel=1e-15)


def test_psnr_by_hand_and_as_scikit_image():
    zero = torch.zeros(3, 4, 4, dtype=torch.uint8)
    # An error of 1 everywhere: 20 log10(255) = 48.13 dB.
    assert psnr(zero, zero + 1) == pytest.approx(20 * math.log10(255), rel=1e-14)
    a, b = picture(0), picture(1)
    assert psnr(a, b) == pytest.approx(
        peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=255), rel=1e-12
    )
    assert psnr(a, b) == psnr(b, a)
    assert mean_squared_error(a.numpy(), b.numpy()) == pytest.approx(
        255**2 / 10 ** (psnr(a, b) / 10), rel=1e-12
    )


def test_ssim_with_its_windows_written_out():
    a, b = picture(0, 13, 12), picture(1, 13, 12)
    offsets = np.arange(SSIM_WINDOW) - SSIM_WINDOW // 2
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = []
    for channel in range(3):
        x, y = (image[channel].numpy().astype(np.float64) for image in (a, b))
        for top in range(13 - SSIM_WINDOW + 1):
            for left in range(12 - SSIM_WINDOW + 1):
                p, q = (each[top : top + SSIM_WINDOW, left : left + SSIM_WINDOW] for each in (x, y))
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * p * p).sum() - mp**2, (window * q * q).sum() - mq**2
                vpq = (window * p * q).sum() - mp * mq
                found.append((2 * mp * mq + c1) * (2 * vpq + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert ssim(a, b) == pytest.approx(np.mean(found), abs=1e-9)


def test_ssim_is_not_scikit_images_default():
    a, b = picture(0), picture(1)
    assert ssim(a, b) == ssim(b, a)
    assert ssim(a, a) == 1.0
    default = structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=255)
    assert abs(ssim(a, b) - default) > 1e-4


def test_values_of_pairs_are_those_of_each_pair_in_order():
    first, second = [picture(0), picture(1, 16, 16)], [picture(2), picture(3, 16, 16)]
    for name, function in (("l1", l1), ("psnr", psnr), ("ssim", ssim)):
        values = errors_of_pairs(name, first, second)
        assert values.dtype == np.float64
        assert values.tolist() == [function(a, b) for a, b in zip(first, second, strict=True)]


def test_identical_pairs_have_an_infinite_psnr():
    a, b = picture(0), picture(1)
    values = errors_of_pairs("psnr", [a, a, b], [b, a, b])
    assert np.isinf(values).tolist() == [False, True, True]


def test_sizes_that_differ_name_the_pair_and_both_sizes():
    first, second = Named([picture(0)], ["real/a.png"]), Named([picture(1, 24, 21)], ["fake/a.png"])
    with pytest.raises(DataError) as caught:
        errors_of_pairs("l1", first, second)
    assert "pair 0 (real/a.png and fake/a.png): 20x24 against 21x24" in str(caught.value)


@pytest.mark.parametrize("function", [l1, psnr, ssim])
def test_no_images_are_refused(function):
    with pytest.raises(DataError, match="float32"):
        function(picture(0).float(), picture(0).float())
    with pytest.raises(DataError, match=r"\[24, 20, 3\]"):
        function(picture(0).permute(1, 2, 0), picture(0))


def test_too_small_for_ssim():
    with pytest.raises(DataError, match="20x10 is too small"):
        ssim(picture(0, 10, 20), picture(1, 10, 20))
    ssim(picture(0, 11, 11), picture(1, 11, 11))


def test_unequal_numbers():
    with pytest.raises(DataError, match="2 and 1 images"):
        errors_of_pairs("l1", [picture(0), picture(1)], [picture(0)])
    with pytest.raises(DataError, match="0 and 0"):
        errors_of_pairs("l1", [], [])
