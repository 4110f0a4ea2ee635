"""A figure as SVG: a file of its own, and what can stand inside an HTML page with others beside it."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from benchbench.core.visible import show_controls
from benchbench.report.style import INK, MUTED, RULE, plot_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TAG = re.compile(r"<[^<>]*>")
_VARIABLES = {INK: "var(--ink)", MUTED: "var(--muted)", RULE: "var(--rule)"}
_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


def draw_svg(figure: Figure) -> str:
    """The whole file, with nothing behind the drawing."""
    buffer = io.StringIO()
    with plot_style():
        figure.savefig(buffer, format="svg", metadata=_NO_METADATA)
    return show_controls(buffer.getvalue())


def embed_svg(drawn: str, *, name: str, alt: str) -> str:
    """The `<svg>` element of `draw_svg` alone: ids prefixed with `name`, inks following the page's theme."""
    text = drawn[drawn.index("<svg") :]
    # Its style sheet would hold for the whole page, which has the same rule for drawings.
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style\b.*?</style>", "", text, flags=re.DOTALL)
    text = _TAG.sub(lambda tag: _adapt(tag.group(), name), text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{_attribute(alt)}" ', 1).strip()


def _adapt(tag: str, name: str) -> str:
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    tag = tag.replace("url(#", f"url(#{name}-").replace('xlink:href="#', f'href="#{name}-')
    tag = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", tag)
    if tag.startswith("<svg"):
        tag = re.sub(r'\s(width|height)="[^"]*"', "", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, variable)
    return tag.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")


def _attribute(text: str) -> str:
    return (
        show_controls(text)
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
    )
