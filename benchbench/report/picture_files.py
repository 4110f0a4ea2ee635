"""The files of a report's pictures: told apart by content, each opened once."""

from __future__ import annotations

import hashlib

from PIL import Image

from benchbench.report.views.pictures import Picture

# Nothing in a report is shown larger.
LARGEST_SIDE = 512
# Of opened pictures, as RGB; what is beyond is opened again each time.
_KEPT_BYTES = 256 * 2**20


class PictureFiles:
    """Opens pictures, and keeps them while there is room: the same ones stand in several places."""

    def __init__(self) -> None:
        self._digests: dict[Picture, str] = {}
        self._opened: dict[str, Image.Image | str] = {}
        self._room_bytes = _KEPT_BYTES

    def digest(self, picture: Picture) -> str:
        """Equal for files of the same bytes; empty where there is no file."""
        if picture not in self._digests:
            self._digests[picture] = _digest(picture)
        return self._digests[picture]

    def load(self, picture: Picture, *, side: int) -> Image.Image | str:
        """The picture in RGB, at most `side` pixels wide and high, or the reason why it cannot be shown."""
        if picture.file is None:
            return picture.missing or "missing"
        found = self._open(picture)
        if isinstance(found, str):
            # Of another file of the same bytes, perhaps.
            return f"{picture.file.name}: {found}"
        return _within(found, side)

    def _open(self, picture: Picture) -> Image.Image | str:
        digest = self.digest(picture)
        if digest in self._opened:
            return self._opened[digest]
        found = _open(picture)
        size = 3 * found.width * found.height if isinstance(found, Image.Image) else 0
        if size <= self._room_bytes:
            self._opened[digest] = found
            self._room_bytes -= size
        return found


def _open(picture: Picture) -> Image.Image | str:
    assert picture.file is not None
    try:
        with Image.open(picture.file) as image:
            return _within(image.convert("RGB"), LARGEST_SIDE)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "not a readable image"


def _within(image: Image.Image, side: int) -> Image.Image:
    if max(image.size) <= side:
        return image
    small = image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _digest(picture: Picture) -> str:
    if picture.file is None:
        return ""
    try:
        with picture.file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        # Told as not readable when it is opened as an image.
        return f"unread: {picture.file}"
