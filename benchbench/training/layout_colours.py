"""Layouts as pictures that people can look at."""

from __future__ import annotations

import colorsys

import torch

# A turn of the hue by the golden ratio keeps neighbours apart, however many classes there are.
_TURN = 0.618033988749895


def colour_layout(layout: torch.Tensor, *, classes: int) -> torch.Tensor:
    """One colour per class, the last of several where it holds; edges white, empty pixels black.

    Args:
        layout: [C, H, W] of 0 and 1: one channel per class, then edges.
        classes: how many of the channels are classes.

    Returns:
        float32 [3, H, W] in 0..1.
    """
    palette = torch.tensor([_colour(number) for number in range(classes)], device=layout.device)
    picture = torch.zeros(3, *layout.shape[1:], device=layout.device)
    for number in range(classes):
        picture = torch.where(layout[number] > 0, palette[number][:, None, None], picture)
    for edges in layout[classes:]:
        picture = torch.where(edges > 0, torch.ones_like(picture), picture)
    return picture


def _colour(number: int) -> tuple[float, float, float]:
    return colorsys.hsv_to_rgb(number * _TURN % 1, 0.55 + 0.35 * (number % 2), 0.95 - 0.25 * (number % 3))
