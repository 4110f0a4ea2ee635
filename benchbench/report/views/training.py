"""Curves over training and the pictures that it left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.measurement import ImageRecord, ResultTable
from benchbench.report.views.lines import Line

_FIRST = ("train/loss", "validation/loss", "learning_rate")
# What stands beside an output, and what is made once, at the end: each by its own name.
_GIVEN = ("content", "input", "reference", "target")
_ONCE = ("interpolation", "mixing", "walk")


@dataclass(frozen=True, slots=True)
class CurveLine:
    """One line's course over training, one per seed."""

    label: str
    colour: int
    seed: int
    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One quantity over training for every line."""

    name: str
    unit: str
    curves: tuple[CurveLine, ...]

    @property
    def is_main(self) -> bool:
        """Whether it is a score, a loss or the learning rate; the others are their parts."""
        return _rank(self.name) < _PART


_PART = len(_FIRST) + 2


def _rank(name: str) -> int:
    """Scores first, then the losses, the learning rate, the losses of several optimisers, and parts."""
    if name.startswith("score/"):
        return 0
    if name in _FIRST:
        return 1 + _FIRST.index(name)
    return len(_FIRST) + 1 if name.endswith("/loss") else _PART


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of the grid; `file` is None with the reason in `missing`."""

    heading: str
    caption: str
    file: Path | None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One line's pictures of one content image: content, style, early output, final output."""

    label: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class PictureGrid:
    """Every line's pictures of one content image."""

    index: int
    rows: tuple[PictureRow, ...]


def curve_panels(lines: Sequence[Line]) -> tuple[CurvePanel, ...]:
    """A panel per curve name: losses, learning rate, then every other one."""
    found: dict[str, list[CurveLine]] = {}
    units: dict[str, str] = {}
    for line in lines:
        for result in line.results:
            for curve in result.curves:
                units.setdefault(curve.name, curve.unit)
                found.setdefault(curve.name, []).append(
                    CurveLine(line.label, line.colour, result.cell.seed, curve.steps, curve.values)
                )
    names = sorted(found, key=lambda name: (_rank(name), name))
    return tuple(CurvePanel(name, units[name], tuple(found[name])) for name in names)


def picture_grids(tables: Sequence[ResultTable], lines: Sequence[Line]) -> tuple[PictureGrid, ...]:
    """A grid per content image; of a line with several seeds the first that has pictures is shown."""
    with_images = [
        (line, next(result.images for result in line.results if result.images))
        for line in lines
        if any(result.images for result in line.results)
    ]
    indices = sorted({image.index for _, images in with_images for image in images if image.role != "style"})
    return tuple(
        PictureGrid(
            index,
            tuple(
                PictureRow(line.label, tuple(_pictures(images, index, folder=tables[line.run].folder)))
                for line, images in with_images
            ),
        )
        for index in indices
    )


def _pictures(images: Sequence[ImageRecord], index: int, *, folder: str | None) -> Iterable[Picture]:
    for role in _GIVEN:
        yield from (
            _picture(role, image, folder) for image in images if image.role == role and image.index == index
        )
    styles = [image for image in images if image.role == "style"]
    if styles:
        yield _picture("style", next((image for image in styles if image.index == index), styles[0]), folder)
    outputs = [image for image in images if image.role in ("output", "grid") and image.index == index]
    outputs = sorted(outputs, key=lambda image: (image.step is not None, image.step or 0))
    if outputs:
        if len(outputs) > 1:
            yield _picture(_heading("early", outputs[0]), outputs[0], folder)
        yield _picture(_heading("final", outputs[-1]), outputs[-1], folder)
    for role in _ONCE:
        yield from (
            _picture(role, image, folder) for image in images if image.role == role and image.index == index
        )


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
