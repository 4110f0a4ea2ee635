"""Photographs cut into superpixels of a few classes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchbench.core.errors import DataError
from benchbench.data.crops import Region
from benchbench.data.images import digest_of
from benchbench.data.layout_maps import edges_of

_ROUNDS = 50
_COMPACTNESS = 10.0  # scikit-image's


def segment(
    pixels: Mapping[Region, torch.Tensor], *, classes: int, superpixel: int, seed: int
) -> dict[Region, torch.Tensor]:
    """A layout for every region: bool [classes + 1, H, W], the last channel the edges of superpixels.

    Classes are numbered from dark to light.

    Args:
        pixels: of each region, uint8 [3, H, W].
        classes: how many.
        superpixel: their width about, pixels.
        seed: of the first centres.

    Raises:
        DataError: the training regions have fewer superpixels than classes.
    """
    found = {region: _superpixels(_ByContent(image), superpixel) for region, image in pixels.items()}
    known = [each.features for region, each in found.items() if region.split == "train"]
    training = np.concatenate(known) if known else np.zeros((0, 4))
    if len(np.unique(training, axis=0)) < classes:
        raise DataError(
            f"photo_segments: {len(training)} superpixels for {classes} classes",
            expected="more superpixels than classes",
            fix="lower 'classes' or 'superpixel'",
        )
    scale = training.std(axis=0).clip(1e-6)
    centres = cluster(training / scale, classes, seed=seed)
    centres = centres[np.argsort(centres[:, 0], kind="stable")]
    return {region: _layout(each, centres * scale, scale) for region, each in found.items()}


def cluster(points: NDArray[np.float64], count: int, *, seed: int) -> NDArray[np.float64]:
    """Centres [count, D] of points [N, D]: k-means with its first centres drawn far from each other.

    Source: Lloyd 1982; Arthur and Vassilvitskii 2007 (k-means++).
    """
    rng = np.random.default_rng(seed)
    centres: NDArray[np.float64] = points[rng.integers(len(points))][None]
    while len(centres) < count:
        squared = _squared(points, centres).min(axis=1)
        centres = np.concatenate([centres, points[rng.choice(len(points), p=squared / squared.sum())][None]])
    for _ in range(_ROUNDS):
        nearest = _squared(points, centres).argmin(axis=1)
        moved = centres.copy()
        for k in np.unique(nearest):
            moved[k] = points[nearest == k].mean(axis=0)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _squared(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = np.square(points[:, None] - centres[None]).sum(axis=2)
    return distances


class _Superpixels(NamedTuple):
    """A region's superpixels: their map [H, W], and of each its mean L, a, b and the deviation of L."""

    numbers: NDArray[np.int64]
    features: NDArray[np.float64]


class _ByContent:
    """A picture that equals another of the same pixels: SLIC is slow, and every seed asks for it again."""

    def __init__(self, image: torch.Tensor) -> None:
        self.image, self.digest = image, digest_of([image])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByContent) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=64)
def _superpixels(content: _ByContent, width: int) -> _Superpixels:
    from skimage.color import rgb2lab
    from skimage.segmentation import slic

    picture = content.image.permute(1, 2, 0).numpy()
    height, breadth = picture.shape[:2]
    wanted = max(1, round(height * breadth / width**2))
    numbers = slic(picture, n_segments=wanted, compactness=_COMPACTNESS, start_label=0, channel_axis=-1)
    _, flat = np.unique(numbers, return_inverse=True)
    flat = flat.reshape(-1)
    lab = rgb2lab(picture).reshape(-1, 3)
    counts = np.bincount(flat)
    means = np.stack([np.bincount(flat, weights=lab[:, k]) / counts for k in range(3)], axis=1)
    squares = np.bincount(flat, weights=lab[:, 0] ** 2) / counts
    roughness = np.sqrt((squares - means[:, 0] ** 2).clip(0))
    return _Superpixels(flat.reshape(height, breadth), np.column_stack([means, roughness]))


def _layout(found: _Superpixels, centres: NDArray[np.float64], scale: NDArray[np.float64]) -> torch.Tensor:
    nearest = _squared(found.features / scale, centres / scale).argmin(axis=1)
    values = torch.from_numpy(nearest)[torch.from_numpy(found.numbers)]
    channels = values == torch.arange(len(centres)).view(-1, 1, 1)
    return torch.cat([channels, edges_of(torch.from_numpy(found.numbers))[None]])
