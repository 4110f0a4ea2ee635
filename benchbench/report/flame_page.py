"""A flame graph read from its file bar by bar, so that nothing else of the file comes into a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape, unescape

MOST_BARS = 5_000
WIDTH, ROW = 1200.0, 22.0
_NUMBER = r"([0-9]{1,7}(?:\.[0-9]{1,4})?)"
_BAR = re.compile(
    r'<g tabindex="0" role="img" aria-label="[^"<>]*"><title>([^<>]*)</title>'
    rf'<rect x="{_NUMBER}" y="{_NUMBER}" width="{_NUMBER}" height="[0-9.]+" fill="(#[0-9a-f]{{6}})"/>'
    rf'<text x="[0-9.]+" y="[0-9.]+">([^<>]*)</text></g>'
)
_STYLE = "text{font:12px ui-monospace,Consolas,monospace;fill:#111}rect{stroke:#fff;stroke-width:.6}"


@dataclass(frozen=True, slots=True)
class FlameBar:
    """One call: what is told of it, its place, its colour, and what is written on it."""

    told: str
    x: float
    y: float
    width: float
    colour: str
    label: str


def read_flame(text: str | None) -> tuple[FlameBar, ...]:
    """The bars of a flame graph as `benchbench profile` draws it; none where it is anything else."""
    bars: list[FlameBar] = []
    for found in _BAR.finditer(text or ""):
        told, x, y, width, colour, label = found.groups()
        bar = FlameBar(_plain(told), float(x), float(y), float(width), colour, _plain(label))
        if bar.x + bar.width > WIDTH + 1 or len(bars) == MOST_BARS:
            return ()
        bars.append(bar)
    top = min((bar.y for bar in bars), default=0.0)
    return tuple(FlameBar(bar.told, bar.x, bar.y - top, bar.width, bar.colour, bar.label) for bar in bars)


def flame_height(bars: Sequence[FlameBar]) -> float:
    """Of the whole drawing."""
    return max((bar.y for bar in bars), default=0.0) + ROW


def draw_flame(bars: Sequence[FlameBar], *, title: str) -> str:
    """The bars as a file of their own."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {flame_height(bars):g}">',
        f"<title>{escape(_clean(title))}</title>",
        f"<style>{_STYLE}</style>",
    ]
    for bar in bars:
        lines.append(
            f'<g><title>{escape(bar.told)}</title><rect x="{bar.x:g}" y="{bar.y:g}" width="{bar.width:g}" '
            f'height="{ROW:g}" fill="{bar.colour}"/><text x="{bar.x + 3:g}" y="{bar.y + 15:g}">'
            f"{escape(bar.label)}</text></g>"
        )
    return "\n".join([*lines, "</svg>", ""])


def _plain(text: str) -> str:
    return _clean(unescape(text))


def _clean(text: str) -> str:
    # What cannot be printed has no place in XML.
    return "".join(char if char.isprintable() else "\ufffd" for char in text)
