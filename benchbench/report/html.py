"""The report as one HTML file that loads nothing: drawings inlined, pictures embedded, no script."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchbench.report.document import Block, Document
from benchbench.report.gallery import encode_thumbnail, load_thumbnail
from benchbench.report.views.pictures import Picture

_TEMPLATES = Path(__file__).parent / "templates"


def write_html(document: Document, *, drawings: Mapping[str, str], foot: str) -> str:
    """The whole document.

    Args:
        document: what to print; every text of it is escaped.
        drawings: plot name -> its `<svg>` element, made by `draw_svg`.
        foot: the last line of the page.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html")
    return template.render(
        document=document,
        foot=foot,
        # Our own style sheet and our own drawings; what users named was escaped when drawn.
        style=Markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),  # noqa: S704
        drawings={name: Markup(drawing) for name, drawing in drawings.items()},  # noqa: S704
        kind=_kind,
        show=_show,
    )


def _kind(block: Block) -> str:
    return type(block).__name__.lower()


def _show(picture: Picture) -> tuple[str | None, str]:
    """(data URI, "") or (None, why there is none)."""
    found = load_thumbnail(picture)
    return (None, found) if isinstance(found, str) else (encode_thumbnail(found), "")
