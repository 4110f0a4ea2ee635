"""How plots look: one palette, colour-blind safe, and one colour per variant everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, RULE = "#1f2328", "#59636e", "#d1d9e0"
WIDTH_IN = 4.8

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    # A variant's name may hold a dollar sign; it is a name, not a formula.
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    # The same report twice is the same bytes.
    "svg.hashsalt": "benchbench",
    "svg.fonttype": "none",
}

_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "h", "<", ">")


@contextmanager
def plot_style() -> Iterator[None]:
    """The settings of every plot, within the block only."""
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        yield


def new_figure(height_in: float) -> Figure:
    """A figure of the common width that no global state knows."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def variant_colour(index: int) -> tuple[float, float, float]:
    """The colour of the variant with that index."""
    palette = sns.color_palette("colorblind")
    # Yellow and light blue are too faint for a line on white.
    order = [0, 1, 2, 3, 4, 5, 6, 7]
    red, green, blue = palette[order[index % len(order)]]
    return red, green, blue


def variant_marker(index: int) -> str:
    """A marker beside the colour, so that colour is never the only sign."""
    return _MARKERS[index % len(_MARKERS)]


def stage_colours(stages: Sequence[str]) -> dict[str, tuple[float, float, float]]:
    """A sequence of one hue, dark to light: stages have an order, and are not variants."""
    shades = sns.color_palette("crest_r", n_colors=max(len(stages), 2))
    return {stage: (shade[0], shade[1], shade[2]) for stage, shade in zip(stages, shades, strict=False)}
