"""The pictures that trainings and measures left, one grid for each of their indices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchbench.core.measurement import ImageRecord, ResultTable
from benchbench.report.views.lines import Line, reference_of

# What stands beside an output, and what is made once, at the end: each by its own name.
GIVEN = ("content", "input", "reference", "target")
_ONCE = ("interpolation", "mixing", "walk")

# More than these cannot be looked through, and would leave each only a few pixels of the HTML file.
MOST_PICTURES, MOST_GALLERIES = 2000, 24

# What the pictures of an index have in common: `content` is restyled, `test` translated, of `tests` many
# are in one picture; `samples` are of latents, `search` of latents found for one image.
Subject = Literal["content", "test", "tests", "samples", "search", "several"]


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the grid; `file` is None with the reason in `missing`."""

    heading: str
    caption: str
    file: Path | None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One line's pictures of one index: what was given, early output, final output, what was made once.

    `baseline` is the label of the line that this one is compared with: its own, if it is the baseline.
    """

    label: str
    pictures: tuple[Picture, ...]
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class PictureGrid:
    """Every line's pictures of one index.

    Attributes:
        subject: what they are of; `several` where lines of different kinds have the same index.
        caption: of what was given to the networks; empty where nothing is said of it.
        rows_left_out: how many further lines have pictures of this index, and are not shown.
    """

    index: int
    rows: tuple[PictureRow, ...]
    subject: Subject = "content"
    caption: str = ""
    rows_left_out: int = 0


@dataclass(frozen=True, slots=True)
class _LinePictures:
    """The pictures of a line's first seed that has any, by index; a style is that of every index."""

    line: Line
    by_index: dict[int, list[ImageRecord]]
    styles: list[ImageRecord]


def picture_grids(
    tables: Sequence[ResultTable], lines: Sequence[Line], *, most: int = MOST_PICTURES
) -> tuple[PictureGrid, ...]:
    """A grid per index of pictures; of a line with several seeds the first that has pictures is shown.

    Grids follow one another while they are whole within `most` pictures, up to `MOST_GALLERIES`; of the
    first, the lines that fit.
    """
    of_lines = _of_lines(lines)
    grids: list[PictureGrid] = []
    left = most
    for index in picture_indices(lines)[:MOST_GALLERIES]:
        rows: list[PictureRow] = []
        for each in of_lines:
            pictures = tuple(_pictures(each, index, folder=tables[each.line.run].folder))
            if len(pictures) > left:
                break
            left -= len(pictures)
            rows.append(PictureRow(each.line.label, pictures, baseline=_baseline(each.line, lines)))
        if len(rows) < len(of_lines) and grids:
            break
        subject = _subject(of_lines, index)
        caption = _caption(of_lines, index) if subject != "several" else ""
        grids.append(PictureGrid(index, tuple(rows), subject, caption, len(of_lines) - len(rows)))
        if len(rows) < len(of_lines):
            break
    return tuple(grids)


def picture_indices(lines: Sequence[Line]) -> tuple[int, ...]:
    """Every index of which a line has pictures, ascending."""
    return tuple(sorted({index for each in _of_lines(lines) for index in each.by_index}))


def _of_lines(lines: Sequence[Line]) -> list[_LinePictures]:
    found = []
    for line in lines:
        images = next((result.images for result in line.results if result.images), ())
        by_index: dict[int, list[ImageRecord]] = {}
        for image in images:
            if image.role != "style":
                by_index.setdefault(image.index, []).append(image)
        if images:
            found.append(_LinePictures(line, by_index, [image for image in images if image.role == "style"]))
    return found


def _baseline(line: Line, lines: Sequence[Line]) -> str | None:
    reference = reference_of(line, lines)
    return None if reference is None else reference.label


def _subject(of_lines: Sequence[_LinePictures], index: int) -> Subject:
    found = [_subject_of(each, index) for each in of_lines]
    subjects = list(dict.fromkeys(each for each in found if each is not None))
    return subjects[0] if len(subjects) == 1 else "several"


def _subject_of(of_line: _LinePictures, index: int) -> Subject | None:
    here = of_line.by_index.get(index, [])
    roles = {image.role for image in here}
    if not roles:
        return None
    if "content" in roles or of_line.styles:
        return "content"
    if "input" in roles or "target" in roles:
        return "test"
    if "reference" in roles:
        return "search"
    if roles.isdisjoint(("grid", *_ONCE)):
        return "test"
    # StarGAN's grid begins with what it was given; that of latents is made of nothing to be seen.
    return "tests" if any(image.caption.startswith("input, ") for image in here) else "samples"


def _caption(of_lines: Sequence[_LinePictures], index: int) -> str:
    given = ("content", "input", "reference")
    captions = [
        image.caption
        for each in of_lines
        for image in each.by_index.get(index, [])
        if image.role in given or image.caption.startswith("input, ")
    ]
    return next((caption for caption in captions if caption), "")


def _pictures(of_line: _LinePictures, index: int, *, folder: str | None) -> Iterable[Picture]:
    images, styles = of_line.by_index.get(index, []), of_line.styles
    for role in GIVEN:
        yield from (_picture(role, image, folder) for image in images if image.role == role)
    if styles:
        yield _picture("style", next((image for image in styles if image.index == index), styles[0]), folder)
    outputs = [image for image in images if image.role in ("output", "grid")]
    outputs = sorted(outputs, key=lambda image: (image.step is not None, image.step or 0))
    if outputs:
        if len(outputs) > 1:
            yield _picture(_heading("early", outputs[0]), outputs[0], folder)
        yield _picture(_heading("final", outputs[-1]), outputs[-1], folder)
    for role in _ONCE:
        yield from (_picture(role, image, folder) for image in images if image.role == role)


def _heading(word: str, image: ImageRecord) -> str:
    return "output" if image.step is None else f"{word} (step {image.step:,})"


def _picture(heading: str, image: ImageRecord, folder: str | None) -> Picture:
    if folder is None:
        return Picture(heading, image.caption, None, f"{image.path}: the run's folder is not known")
    root = Path(folder).resolve()
    file = (root / image.path).resolve()
    # A result file may come from anybody; it must not make a report show other files of this machine.
    if not file.is_relative_to(root):
        return Picture(heading, image.caption, None, f"{image.path}: outside of the run's folder")
    if not file.is_file():
        return Picture(heading, image.caption, None, f"{image.path}: the file is missing")
    return Picture(heading, image.caption, file)
