"""A gallery as the HTML file shows it: what was given stands once, above the outputs of every line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.report.document import Gallery
from benchbench.report.text import file_stem
from benchbench.report.thumbnails import Thumbnail, Thumbnails
from benchbench.report.views.pictures import GIVEN, Picture, PictureRow


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture in its place: `kind` is equal for pictures to be compared, `id` is that of the image."""

    id: str
    kind: str
    heading: str
    alt: str
    uri: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class TileRow:
    """One line's pictures; `baseline` is the label of the line that it is compared with."""

    label: str
    baseline: str | None
    tiles: tuple[Tile, ...]


@dataclass(frozen=True, slots=True)
class GalleryPage:
    """The rows of one gallery; `given` holds what every line was given alike, and the rows hold the rest."""

    index: int
    given: tuple[Tile, ...]
    rows: tuple[TileRow, ...]


def gallery_page(gallery: Gallery, thumbnails: Thumbnails) -> GalleryPage:
    """The gallery with its pictures; those that are the same file in every row are taken out of the rows."""
    rows = gallery.grid.rows
    stem = f"picture-{file_stem(gallery.name)}"
    shared = _shared(rows, thumbnails)
    given = tuple(
        _tile(picture, thumbnails, f"{stem}-given-{at}", "given")
        for at, picture in enumerate(shared.values())
    )
    return GalleryPage(
        gallery.grid.index,
        given,
        tuple(
            TileRow(
                row.label,
                row.baseline,
                tuple(
                    _tile(picture, thumbnails, f"{stem}-{number}-{at}", row.label)
                    for at, picture in enumerate(row.pictures)
                    # A line whose copy is missing or broken says so in its own row.
                    if picture.heading not in shared or thumbnails.made[picture].uri is None
                ),
            )
            for number, row in enumerate(rows)
        ),
    )


def _shared(rows: Sequence[PictureRow], thumbnails: Thumbnails) -> dict[str, Picture]:
    if len(rows) < 2:
        return {}
    shared: dict[str, Picture] = {}
    given = (*GIVEN, "style")
    for heading in dict.fromkeys(picture.heading for row in rows for picture in row.pictures):
        alike = [picture for row in rows for picture in row.pictures if picture.heading == heading]
        shown = [picture for picture in alike if thumbnails.made[picture].uri is not None]
        digests = {thumbnails.made[picture].digest for picture in shown}
        if heading in given and len(shown) > 1 and len(digests) == 1:
            shared[heading] = shown[0]
    return shared


def _tile(picture: Picture, thumbnails: Thumbnails, name: str, label: str) -> Tile:
    found: Thumbnail = thumbnails.made[picture]
    alt = f"{label}, {picture.heading}" + (f": {picture.caption}" if picture.caption else "")
    # `final (step 900)` of one line and `final (step 800)` of another are looked at side by side.
    kind = picture.heading.partition(" (")[0]
    return Tile(name, kind, picture.heading, alt, found.uri, found.reason)
