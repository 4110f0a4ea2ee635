"""How far two pictures of one scene lie apart, pixel by pixel: L1, PSNR and SSIM.

Images are uint8 [3, H, W] in RGB; all sums are float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.errors import DataError

PairError = Literal["l1", "psnr", "ssim"]

PEAK = 255.0
SSIM_SIGMA = 1.5
# scikit-image cuts its Gaussian at 3.5 sigma: a window of 11 x 11, as Wang et al. 2004 use.
SSIM_WINDOW = 2 * int(3.5 * SSIM_SIGMA + 0.5) + 1


class Pictures(Protocol):
    """A sequence of images; every ImageSet and every list of tensors is one."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> torch.Tensor: ...


def l1(first: torch.Tensor, second: torch.Tensor, *, name: str = "the pair") -> float:
    """Mean absolute difference on the scale 0..1.

    Raises:
        DataError: the two differ in size, or are no images.
    """
    check_pair(first, second, name)
    total = (first.to(torch.int64) - second.to(torch.int64)).abs().sum().item()
    return total / first.numel() / PEAK


def psnr(first: torch.Tensor, second: torch.Tensor, *, name: str = "the pair") -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(255² / mean squared difference); inf where identical.

    Raises:
        DataError: the two differ in size, or are no images.
    """
    check_pair(first, second, name)
    total = (first.to(torch.int64) - second.to(torch.int64)).square().sum().item()
    return 10 * math.log10(PEAK**2 * first.numel() / total) if total else math.inf


def ssim(first: torch.Tensor, second: torch.Tensor, *, name: str = "the pair") -> float:
    """Structural similarity, the mean over pixels and channels; 1 where identical.

    Source: Wang et al. 2004, by scikit-image's `structural_similarity` with `gaussian_weights=True`,
    `sigma=1.5`, `use_sample_covariance=False` and `data_range=255`, which its documentation says matches
    that paper. Channels are taken one by one and averaged; the border of 5 pixels is left out.

    Raises:
        DataError: the two differ in size, are no images, or have a side below 11 pixels.
    """
    check_pair(first, second, name)
    if min(first.shape[-2:]) < SSIM_WINDOW:
        raise DataError(
            f"{name}: {_size(first)} is too small for SSIM",
            expected=f"sides of at least {SSIM_WINDOW} pixels",
        )
    from skimage.metrics import structural_similarity

    value = structural_similarity(  # type: ignore[no-untyped-call]
        first.numpy(),
        second.numpy(),
        channel_axis=0,
        data_range=PEAK,
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
    )
    return float(value)


_FUNCTIONS: dict[PairError, Callable[..., float]] = {"l1": l1, "psnr": psnr, "ssim": ssim}


def errors_of_pairs(error: PairError, first: Pictures, second: Pictures) -> NDArray[np.float64]:
    """One value per pair, image by image in order: float64 [N]. Identical pairs have a PSNR of inf.

    Raises:
        DataError: the numbers of images or the sizes of a pair differ.
    """
    check_lengths(first, second)
    function = _FUNCTIONS[error]
    return np.array(
        [
            function(first[index], second[index], name=pair_name(first, second, index))
            for index in range(len(first))
        ],
        dtype=np.float64,
    )


def check_lengths(first: Pictures, second: Pictures) -> None:
    """Raises a DataError unless both hold the same number of images, at least one."""
    if len(first) != len(second) or not len(first):
        raise DataError(
            f"pairs of {len(first)} and {len(second)} images",
            expected="as many of the one as of the other, at least one",
            fix="give both sides of every pair",
        )


def check_pair(first: torch.Tensor, second: torch.Tensor, name: str) -> None:
    """Raises a DataError unless both are uint8 [3, H, W] of one size; it names the pair and both sizes."""
    for image in (first, second):
        if image.dtype != torch.uint8 or image.dim() != 3 or image.shape[0] != 3 or not image.numel():
            raise DataError(
                f"{name}: {str(image.dtype).removeprefix('torch.')} {list(image.shape)}",
                expected="an image, uint8 [3, H, W] in RGB",
            )
    if first.shape != second.shape:
        raise DataError(
            f"{name}: {_size(first)} against {_size(second)}",
            expected="both images of a pair in one size",
            fix="resize one of them, and say so in the protocol",
        )


def pair_name(first: Pictures, second: Pictures, index: int) -> str:
    """What messages call a pair: the names of its images where they have some."""
    told = [_name(pictures, index) for pictures in (first, second)]
    known = list(dict.fromkeys(name for name in told if name is not None))
    return f"pair {index}" + (f" ({' and '.join(known)})" if known else "")


def _name(pictures: Pictures, index: int) -> str | None:
    names = getattr(pictures, "names", None)
    return None if names is None else str(names[index])


def _size(image: torch.Tensor) -> str:
    """As people write sizes: width first."""
    return f"{image.shape[-1]}x{image.shape[-2]}"
