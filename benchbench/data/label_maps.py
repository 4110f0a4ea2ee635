"""Reading label maps: pictures whose values are classes, not colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from benchbench.core.errors import DataError

_EXPECTED = "an 8-bit picture of one channel, grey or with a palette, whose values are class numbers"


def read_label_map(path: Path) -> NDArray[np.uint8]:
    """The values of a label map as they stand in the file, uint8 [H, W].

    A palette's colours are for people to look at: its indices are the classes. Nothing is turned, scaled
    or converted.

    Raises:
        DataError: the file is missing, broken, coloured, of 16 bits or of one bit, or a lossy JPEG.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            mode, kind = picture.mode, picture.format
            values = np.array(picture) if mode in ("L", "P") else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UnidentifiedImageError):
            reason = "not an image"
        elif isinstance(error, OSError) and error.strerror:
            reason = f"cannot be read ({error.strerror})"
        else:
            reason = f"broken image ({error})"
        raise DataError(f"{path}: {reason}", expected=_EXPECTED) from None
    if kind == "JPEG":
        raise DataError(
            f"{path}: a JPEG, whose values are no longer those that were written",
            expected=_EXPECTED,
            fix="give label maps as PNG",
        )
    if values is None:
        raise DataError(
            f"{path}: {_told(mode)}",
            expected=_EXPECTED,
            fix="16-bit instance maps and coloured pictures are other files of a data set: give the label "
            "maps (Cityscapes: *_gtFine_labelIds.png or *_gtFine_trainIds.png)",
        )
    return values.astype(np.uint8)


def _told(mode: str) -> str:
    if mode.startswith("I"):
        return "16-bit values"
    return {
        "1": "values of one bit",
        "F": "values that are no whole numbers",
        "LA": "grey with transparency",
        "PA": "a palette with transparency",
    }.get(mode, f"a coloured picture ({mode})")
