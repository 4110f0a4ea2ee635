"""The report as one HTML file that loads nothing: drawings, pictures and scripts are inside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from benchbench.core.visible import show_controls
from benchbench.report.document import Block, Document, Fold, Gallery, Grid, Item
from benchbench.report.embed import PAIRS_FILE, content_policy, dump_island, read_charts, read_own
from benchbench.report.explorer_data import explorer_data
from benchbench.report.gallery_page import GalleryPage, gallery_page
from benchbench.report.picture_files import PictureFiles
from benchbench.report.text import keep_units
from benchbench.report.thumbnails import Thumbnail, Thumbnails, encode_thumbnails
from benchbench.report.views.pictures import Picture

LARGEST_BYTES = 5_000_000
# For the reasons why pictures are not there, and the line that says how large they are.
_SPARE_BYTES = 60_000
_TEMPLATES = Path(__file__).parent / "templates"


def write_html(
    document: Document, *, drawings: Mapping[str, str], foot: str, files: PictureFiles | None = None
) -> str:
    """The whole document; pictures are made smaller until the file is below `LARGEST_BYTES`.

    Args:
        document: what to print; every text of it is escaped.
        drawings: plot name -> its `<svg>` element, made by `embed_svg`.
        foot: the last line of the page.
        files: what has opened pictures of the document before.

    Raises:
        StoreError: the charting library of this installation is not the one that was published.
    """
    page = _Page(document, drawings, foot)
    galleries = list(_galleries(block for section in document.sections for block in section.blocks))
    pictures = [picture for each in galleries for picture in _pictures(each)]
    files = files or PictureFiles()
    # As long as the page with its pictures, but for what is in them.
    empty = Thumbnails(None, {each: Thumbnail("", digest=files.digest(each)) for each in pictures})
    bare = page.render({each.name: gallery_page(each, empty) for each in galleries}, empty)
    budget = LARGEST_BYTES - len(bare.encode("utf-8")) - _SPARE_BYTES
    thumbnails = encode_thumbnails(pictures, budget_bytes=max(budget, 0), files=files)
    return page.render({each.name: gallery_page(each, thumbnails) for each in galleries}, thumbnails)


class _Page:
    """The template with everything but its pictures."""

    def __init__(self, document: Document, drawings: Mapping[str, str], foot: str) -> None:
        environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._template = environment.get_template("report.html")
        self._document = document
        style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
        has_pairs = any(each.is_of_pairs for section in document.sections for each in _grids(section.blocks))
        own = read_own(PAIRS_FILE) if has_pairs else read_own()
        scripts = (*((read_charts(),) if document.explorer else ()), own)
        self._constant = {
            "document": document,
            "foot": foot,
            "policy": content_policy(scripts=scripts, styles=(style,)),
            # Our own style sheet, scripts and drawings; what users named was escaped when drawn.
            "style": Markup(style),  # noqa: S704
            "scripts": [Markup(script) for script in scripts],  # noqa: S704
            "drawings": {plot: Markup(drawing) for plot, drawing in drawings.items()},  # noqa: S704
            "kind": lambda block: type(block).__name__.lower(),
            "sort_value": _sort_value,
            "keep_units": keep_units,
        }

    def render(self, galleries: Mapping[str, GalleryPage], thumbnails: Thumbnails | None) -> str:
        """The page with these pictures; galleries that are not given are left out."""
        explorer = self._document.explorer
        data = None if explorer is None else dump_island(explorer_data(explorer, galleries.values()))
        grade = None if thumbnails is None or thumbnails.grade is None else str(thumbnails.grade)
        return self._template.render(**self._constant, galleries=galleries, data=data, grade=grade)


def finalize(value: object) -> object:
    """What a template prints for a value: controls in a text are visible."""
    # Markup is ours, and was looked through where it was made.
    return show_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _sort_value(item: Item) -> float | None:
    # NaN is beyond sorting; it is last, as what is missing.
    return item.value if item.value is not None and math.isfinite(item.value) else None


def _galleries(blocks: Iterator[Block]) -> Iterator[Gallery]:
    for block in blocks:
        if isinstance(block, Gallery):
            yield block
        elif isinstance(block, Fold):
            yield from _galleries(iter(block.blocks))


def _grids(blocks: Iterable[Block]) -> Iterator[Grid]:
    for block in blocks:
        if isinstance(block, Grid):
            yield block
        elif isinstance(block, Fold):
            yield from _grids(block.blocks)


def _pictures(gallery: Gallery) -> Sequence[Picture]:
    return [picture for row in gallery.grid.rows for picture in row.pictures]
