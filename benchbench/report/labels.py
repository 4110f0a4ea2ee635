"""Labels beside points, where they hide neither each other nor what is drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import Any

from matplotlib.transforms import Bbox

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
        axes: matplotlib axes, its limits final.
        points: one per text.
        texts: what to write.
        obstacles: boxes in display coordinates that a label must not cover.
    """
    figure = axes.figure
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    inside = axes.get_window_extent(renderer)
    centres = axes.transData.transform(list(points)) if points else []
    taken = [*obstacles, *(Bbox.from_extents(x - 6, y - 6, x + 6, y + 6) for x, y in centres)]
    for (x, y), text in zip(points, texts, strict=True):
        best: tuple[float, int] | None = None
        for rank, offset in enumerate(_OFFSETS):
            label = _write(axes, x, y, text, offset)
            box = label.get_window_extent(renderer)
            label.remove()
            cost = sum(_overlap(box, other) for other in taken) + 4 * _outside(box, inside)
            if best is None or cost < best[0] - 1e-6:
                best = (cost, rank)
        assert best is not None
        label = _write(axes, x, y, text, _OFFSETS[best[1]])
        taken.append(label.get_window_extent(renderer))


def write_at_ends(axes: Any, words: Sequence[tuple[float, float, str]]) -> None:
    """Write (x, y, text) to the right of bar ends, and make the x axis long enough for all of them."""
    texts = [
        axes.annotate(text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=8.5)
        for x, y, text in words
    ]
    for text in texts:
        # Otherwise the layout would shrink the axes to make room, instead of the axis growing.
        text.set_in_layout(False)
    figure = axes.figure
    figure.canvas.draw()
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


def _write(axes: Any, x: float, y: float, text: str, offset: tuple[int, int, str, str]) -> Any:
    right, up, horizontal, vertical = offset
    return axes.annotate(
        text,
        (x, y),
        xytext=(right, up),
        textcoords="offset points",
        ha=horizontal,
        va=vertical,
        fontsize=9.5,
        annotation_clip=False,
    )


def _overlap(one: Bbox, other: Bbox) -> float:
    width = min(one.x1, other.x1) - max(one.x0, other.x0)
    height = min(one.y1, other.y1) - max(one.y0, other.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0


def _outside(box: Bbox, inside: Bbox) -> float:
    covered = _overlap(box, inside)
    return float(box.width * box.height) - covered
