"""Pictures made smaller, and one composed grid of them for Markdown."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchbench.report.views.pictures import Picture, PictureGrid

SIDE = 256
_GAP, _HEAD, _LABEL = 8, 22, 130
_INK, _MUTED, _EMPTY = (31, 35, 40), (89, 99, 110), (240, 242, 244)


def load_thumbnail(picture: Picture, *, side: int = SIDE) -> Image.Image | str:
    """The picture in RGB, at most `side` pixels wide and high, or the reason why it cannot be shown."""
    if picture.file is None:
        return picture.missing or "missing"
    try:
        with Image.open(picture.file) as image:
            small = image.convert("RGB")
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
            return small
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return f"{picture.file.name}: not a readable image"


def compose_grid(grid: PictureGrid) -> Image.Image:
    """One picture of the whole grid: a row per line, headings above the columns."""
    columns = list(dict.fromkeys(picture.heading for row in grid.rows for picture in row.pictures))
    width = _LABEL + len(columns) * (SIDE + _GAP)
    height = _HEAD + len(grid.rows) * (SIDE + _GAP)
    canvas = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(canvas)
    font = _font(15)
    for at, column in enumerate(columns):
        draw.text((_LABEL + at * (SIDE + _GAP), 2), column, fill=_MUTED, font=font)
    for number, row in enumerate(grid.rows):
        top = _HEAD + number * (SIDE + _GAP)
        draw.multiline_text((4, top + 4), _wrap(row.label, 14), fill=_INK, font=font)
        for picture in row.pictures:
            left = _LABEL + columns.index(picture.heading) * (SIDE + _GAP)
            _paste(canvas, draw, picture, (left, top))
    return canvas


def _paste(canvas: Image.Image, draw: ImageDraw.ImageDraw, picture: Picture, corner: tuple[int, int]) -> None:
    left, top = corner
    found = load_thumbnail(picture)
    if isinstance(found, str):
        draw.rectangle((left, top, left + SIDE - 1, top + SIDE - 1), fill=_EMPTY)
        draw.multiline_text((left + 8, top + 8), _wrap(found, 32), fill=_MUTED, font=_font(13))
        return
    # Small samples are shown as large as the others, or nothing could be compared.
    fitted = ImageOps.contain(found, (SIDE, SIDE), Image.Resampling.BICUBIC)
    canvas.paste(fitted, (left + (SIDE - fitted.width) // 2, top + (SIDE - fitted.height) // 2))


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _wrap(text: str, width: int) -> str:
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))
