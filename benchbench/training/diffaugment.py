"""Differentiable augmentation: what the discriminator sees, of real and made images alike (Zhao et al. 2020).

"Differentiable augmentation for data-efficient GAN training", section 3; strengths as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch.nn import functional as F

from benchbench.training.draws import Draws

Augmentation = Literal["colour", "translation", "cutout"]
# Of the side: how far at most, and how much is cut out.
_SHIFT, _CUT = 0.125, 0.5


class DiffAugment:
    """Augments images by what it draws for a step; gradients pass through.

    Args:
        kinds: which, in this order; none leaves images as they are.
        draws: of the training.
    """

    def __init__(self, kinds: Sequence[Augmentation], draws: Draws) -> None:
        self._kinds, self._draws = tuple(kinds), draws

    def __call__(self, images: torch.Tensor, step: int, purpose: str) -> torch.Tensor:
        """Float [N, C, H, W] -> the same shape; `purpose` tells the calls of one step apart."""
        for kind in self._kinds:
            numbers = self._draws.uniform(step, f"{purpose} {kind}", len(images), _NUMBERS[kind])
            images = _FUNCTIONS[kind](images, numbers)
        return images


def colour(images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Brightness -0.5..0.5 added, saturation 0..2 and contrast 0.5..1.5 multiplied; numbers [N, 3]."""
    brightness, saturation, contrast = (each.view(-1, 1, 1, 1) for each in numbers.unbind(dim=1))
    images = images + (brightness - 0.5)
    grey = images.mean(dim=1, keepdim=True)
    images = (images - grey) * (saturation * 2) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (contrast + 0.5) + mean


def translation(images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """Shifted by whole pixels, at most an eighth of the side; what comes in is 0; numbers [N, 2]."""
    count, _, height, width = images.shape
    tops, lefts = (
        _whole(each, 2 * _share(side, _SHIFT) + 1)
        for each, side in zip(numbers.unbind(dim=1), (height, width), strict=True)
    )
    down, right = _share(height, _SHIFT), _share(width, _SHIFT)
    padded = F.pad(images, (right, right, down, down))
    rows = tops[:, None] + torch.arange(height, device=images.device)
    columns = lefts[:, None] + torch.arange(width, device=images.device)
    chosen = torch.arange(count, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[chosen, rows[:, :, None], columns[:, None, :]]
    return moved.permute(0, 3, 1, 2).contiguous()


def cutout(images: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
    """A square of half the side set to 0, its middle anywhere; numbers [N, 2]."""
    inside = []
    for each, side in zip(numbers.unbind(dim=1), images.shape[2:], strict=True):
        cut = _share(side, _CUT)
        first = _whole(each, side + 1 - cut % 2) - cut // 2
        place = torch.arange(side, device=images.device)[None]
        inside.append((place >= first[:, None]) & (place < first[:, None] + cut))
    rows, columns = inside
    hidden = (rows[:, :, None] & columns[:, None, :])[:, None]
    return images.masked_fill(hidden, 0.0)


def _share(side: int, share: float) -> int:
    # A half goes up, as in the authors' code; round() takes it to the even number.
    return int(side * share + 0.5)


def _whole(numbers: torch.Tensor, count: int) -> torch.Tensor:
    """0..1 -> 0..count-1."""
    return (numbers * count).long().clamp(max=count - 1)


_FUNCTIONS: Mapping[Augmentation, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "colour": colour,
    "translation": translation,
    "cutout": cutout,
}
_NUMBERS: Mapping[Augmentation, int] = {"colour": 3, "translation": 2, "cutout": 2}
