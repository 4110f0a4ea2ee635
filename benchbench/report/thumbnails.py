"""The pictures inside the HTML file: as large and as faithful as a budget of bytes allows."""

from __future__ import annotations

import base64
import io
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from PIL import Image

from benchbench.report.picture_files import LARGEST_SIDE, PictureFiles
from benchbench.report.views.pictures import Picture

LEFT_OUT = "left out: the file would be too large"
_HEAD = "data:image/webp;base64,"
# How many pictures tell how large all of them will be.
_TRIED = 12
# A few pictures are not all of them.
_ESTIMATE_MARGIN = 1.05


class Grade(NamedTuple):
    """The most pixels in width and height, and WebP's quality; None is lossless."""

    side: int
    quality: int | None

    def __str__(self) -> str:
        how = "without loss" if self.quality is None else f"at quality {self.quality}"
        return f"at most {self.side} pixels wide and high, WebP {how}"


# Dots of a pixel and the grid of an upsampling must outlive it: resolution is given up after quality.
GRADES = (
    Grade(LARGEST_SIDE, None),
    Grade(512, 95),
    Grade(512, 85),
    Grade(384, 85),
    Grade(320, 80),
    Grade(256, 80),
    Grade(256, 60),
    Grade(256, 40),
    Grade(224, 40),
    Grade(192, 40),
    Grade(160, 40),
    Grade(128, 40),
    Grade(96, 40),
    Grade(80, 30),
    Grade(64, 20),
)


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A data URI, or None with the reason; `digest` is equal for files of the same bytes."""

    uri: str | None
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Thumbnails:
    """What every picture became, all of them at one grade; None where there was no picture."""

    grade: Grade | None
    made: dict[Picture, Thumbnail]


def encode_thumbnails(
    pictures: Iterable[Picture], *, budget_bytes: int, files: PictureFiles | None = None
) -> Thumbnails:
    """All pictures at the best grade at which they fit into `budget_bytes`, counted as base64.

    A file that stands in several places counts in each. Where even the last grade is too large, the
    pictures that no longer fit are left out, and say so.
    """
    wanted, files = list(pictures), files or PictureFiles()
    digests = {picture: files.digest(picture) for picture in wanted}
    # One file often stands in every row: it is encoded once.
    unique: dict[str, Picture] = {}
    for picture, digest in digests.items():
        if digest:
            unique.setdefault(digest, picture)
    places = [digests[picture] for picture in wanted if digests[picture]]
    for grade in GRADES[_first_to_try(places, unique, budget_bytes, files) :]:
        encoded = {digest: _encode(picture, grade, files) for digest, picture in unique.items()}
        total = sum(len(encoded[digest].uri or "") for digest in places)
        if total <= budget_bytes or grade == GRADES[-1]:
            return Thumbnails(grade if places else None, _fill(wanted, digests, encoded, budget_bytes))
    raise AssertionError("the last grade is always taken")


def _first_to_try(
    places: list[str], unique: dict[str, Picture], budget_bytes: int, files: PictureFiles
) -> int:
    """Index of the best grade at which a few of the pictures promise that all of them fit."""

    def fits(at: int) -> bool:
        return _estimate(places, unique, GRADES[at], files) <= budget_bytes

    if fits(0):
        return 0
    # Below lossless each grade is smaller than the one before it.
    below = range(1, len(GRADES) - 1)
    return 1 + bisect_left(below, True, key=fits)


def _fill(
    wanted: list[Picture], digests: dict[Picture, str], encoded: dict[str, Thumbnail], budget_bytes: int
) -> dict[Picture, Thumbnail]:
    made: dict[Picture, Thumbnail] = {}
    left = budget_bytes
    for picture in wanted:
        digest = digests[picture]
        if not digest:
            made[picture] = Thumbnail(None, picture.missing or "missing")
            continue
        found = encoded[digest]
        size = len(found.uri or "")
        fits = size <= left
        made[picture] = replace(found if fits else Thumbnail(None, LEFT_OUT), digest=digest)
        left -= size if fits else 0
    return made


def _estimate(places: list[str], unique: dict[str, Picture], grade: Grade, files: PictureFiles) -> float:
    if not places:
        return 0.0
    step = max(1, len(places) // _TRIED)
    sizes = [len(_encode(unique[digest], grade, files).uri or "") for digest in places[::step][:_TRIED]]
    margin = _ESTIMATE_MARGIN if len(sizes) < len(places) else 1.0
    return margin * sum(sizes) / len(sizes) * len(places)


def _encode(picture: Picture, grade: Grade, files: PictureFiles) -> Thumbnail:
    found = files.load(picture, side=grade.side)
    return Thumbnail(None, found) if isinstance(found, str) else Thumbnail(_uri(found, grade))


def _uri(image: Image.Image, grade: Grade) -> str:
    buffer = io.BytesIO()
    if grade.quality is None:
        image.save(buffer, format="WEBP", lossless=True, quality=50, method=2)
    else:
        image.save(buffer, format="WEBP", quality=grade.quality, method=4)
    return _HEAD + base64.b64encode(buffer.getvalue()).decode("ascii")
