"""Labels beside points, where they hide neither each other nor what is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

# [N, 4]: left, bottom, right, top
_Corners: TypeAlias = NDArray[np.float64]

_OFFSETS = (
    (8, 6, "left", "bottom"),
    (-8, 6, "right", "bottom"),
    (8, -6, "left", "top"),
    (-8, -6, "right", "top"),
    (0, 11, "center", "bottom"),
    (0, -11, "center", "top"),
    (18, 16, "left", "bottom"),
    (-18, 16, "right", "bottom"),
    (18, -16, "left", "top"),
    (-18, -16, "right", "top"),
    (0, 26, "center", "bottom"),
    (0, -26, "center", "top"),
)


def place_labels(
    axes: Any, points: Sequence[tuple[float, float]], texts: Sequence[str], obstacles: Sequence[Bbox]
) -> None:
    """Write each text beside its point (data coordinates), at the least crowded of twelve places.

    Args:
        axes: matplotlib axes, its limits final and its figure laid out (`draw_without_rendering`).
        points: one per text.
        texts: what to write.
        obstacles: boxes in display coordinates that a label must not cover.
    """
    renderer = axes.figure.canvas.get_renderer()
    inside = _corners([axes.get_window_extent(renderer)])
    centres = axes.transData.transform(list(points)) if points else []
    around = (Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres)
    taken = _corners([*obstacles, *around])
    for (x, y), text in zip(points, texts, strict=True):
        label = _write(axes, x, y, text)
        boxes = []
        for offset in _OFFSETS:
            _move(label, offset)
            boxes.append(label.get_window_extent(renderer))
        corners = _corners(boxes)
        areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
        outside = areas - _overlaps(corners, inside).sum(axis=1)
        costs = _overlaps(corners, taken).sum(axis=1) + 4 * outside
        # Of places that are as free as one another the first, whatever the last digits say.
        best = int(np.flatnonzero(costs <= costs.min() + 1e-6)[0])
        _move(label, _OFFSETS[best])
        taken = np.vstack([taken, corners[best]])


def write_at_ends(axes: Any, words: Sequence[tuple[float, float, str]]) -> None:
    """Write (x, y, text) to the right of bar ends, and make the x axis long enough for all of them."""
    figure = axes.figure
    figure.draw_without_rendering()
    texts = [
        axes.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5)
        for x, y, text in words
    ]
    for text in texts:
        # Otherwise the layout would shrink the axes to make room, instead of the axis growing.
        text.set_in_layout(False)
    renderer = figure.canvas.get_renderer()
    width = axes.get_window_extent(renderer).width
    limit = max((x for x, _, _ in words), default=0.0)
    for (x, _, _), text in zip(words, texts, strict=True):
        free = max(width - text.get_window_extent(renderer).width - 14, 0.12 * width)
        limit = max(limit, x * width / free)
    axes.set_xlim(0, limit or 1.0)


def legend_columns(labels: Collection[str]) -> int:
    """How many legend entries fit side by side."""
    longest = max((len(label) for label in labels), default=1)
    return max(1, min(4, len(labels), 56 // (longest + 5)))


def wrap_name(name: str) -> str:
    """A long name on several lines of at most 18 characters, for the side of a bar chart."""
    return "\n".join(textwrap.wrap(name, 18)) or name


def _write(axes: Any, x: float, y: float, text: str) -> Any:
    return axes.annotate(
        text, (x, y), xytext=(0, 0), textcoords="offset points", fontsize=9.5, annotation_clip=False
    )


def _move(label: Any, offset: tuple[int, int, str, str]) -> None:
    right, up, horizontal, vertical = offset
    label.set(position=(right, up), ha=horizontal, va=vertical)


def _corners(boxes: Sequence[Bbox]) -> _Corners:
    # A box may have been given from right to left.
    return np.array([[box.xmin, box.ymin, box.xmax, box.ymax] for box in boxes], dtype=float).reshape(-1, 4)


def _overlaps(ones: _Corners, others: _Corners) -> _Corners:
    """The area that each of `ones` shares with each of `others`: [ones, others]."""
    low = np.maximum(ones[:, None, :2], others[None, :, :2])
    high = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    sides = np.clip(high - low, 0.0, None)
    area: _Corners = sides[..., 0] * sides[..., 1]
    return area
