"""Pictures composed to one grid, for Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchbench.report.picture_files import PictureFiles
from benchbench.report.views.pictures import PictureGrid

SIDE = 256
_SIDES = (SIDE, 224, 192, 160, 128, 112, 96, 80, 64)
# Of all composed grids of a report together: a PNG takes a tenth of a second and a megabyte for each million.
MOST_PIXELS = 20_000_000
_GAP, _HEAD, _LABEL = 8, 22, 130
_INK, _MUTED, _EMPTY = (31, 35, 40), (89, 99, 110), (240, 242, 244)


def choose_side(grids: Sequence[PictureGrid], *, most_pixels: int = MOST_PIXELS) -> int:
    """The largest side at which the composed grids together have at most `most_pixels`; at least the last."""
    for side in _SIDES:
        if sum(math.prod(_size(grid, side)) for grid in grids) <= most_pixels:
            return side
    return _SIDES[-1]


def compose_grid(grid: PictureGrid, *, side: int = SIDE, files: PictureFiles | None = None) -> Image.Image:
    """One picture of the whole grid: a row per line, headings above the columns."""
    columns = _columns(grid)
    canvas = Image.new("RGB", _size(grid, side), "white")
    draw = ImageDraw.Draw(canvas)
    font = _font(15 if side >= 128 else 11)
    for at, column in enumerate(columns):
        draw.text((_LABEL + at * (side + _GAP), 2), column, fill=_MUTED, font=font)
    files = files or PictureFiles()
    for number, row in enumerate(grid.rows):
        top = _HEAD + number * (side + _GAP)
        draw.multiline_text((4, top + 4), _wrap(row.label, 14), fill=_INK, font=font)
        for picture in row.pictures:
            left = _LABEL + columns.index(picture.heading) * (side + _GAP)
            _paste(canvas, draw, files.load(picture, side=side), (left, top), side)
    return canvas


def _columns(grid: PictureGrid) -> list[str]:
    return list(dict.fromkeys(picture.heading for row in grid.rows for picture in row.pictures))


def _size(grid: PictureGrid, side: int) -> tuple[int, int]:
    return _LABEL + len(_columns(grid)) * (side + _GAP), _HEAD + len(grid.rows) * (side + _GAP)


def _paste(
    canvas: Image.Image,
    draw: ImageDraw.ImageDraw,
    found: Image.Image | str,
    corner: tuple[int, int],
    side: int,
) -> None:
    left, top = corner
    if isinstance(found, str):
        draw.rectangle((left, top, left + side - 1, top + side - 1), fill=_EMPTY)
        draw.multiline_text((left + 8, top + 8), _wrap(found, side // 8), fill=_MUTED, font=_font(13))
        return
    # Small samples are shown as large as the others, or nothing could be compared.
    fitted = ImageOps.contain(found, (side, side), Image.Resampling.BICUBIC)
    canvas.paste(fitted, (left + (side - fitted.width) // 2, top + (side - fitted.height) // 2))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _wrap(text: str, width: int) -> str:
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))
