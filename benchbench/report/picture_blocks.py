"""Grids of pictures with the line above them."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.report.document import Block, Gallery, Paragraph
from benchbench.report.views.pictures import PictureGrid, Subject

# A search counts its images from 1, because index 0 is the grid of the training.
_SUBJECTS: dict[Subject, str] = {
    "content": "Content image {index}",
    "test": "Test image {number}",
    "tests": "Test images",
    "samples": "Samples of fixed latents",
    "search": "Test image {index}",
    "several": "Pictures {index}",
}


def picture_blocks(grids: Sequence[PictureGrid], indices: Sequence[int]) -> tuple[Block, ...]:
    """A gallery per grid; where not all of the run's pictures are shown, a sentence that says so."""
    galleries = tuple(picture_gallery(grid) for grid in grids)
    rows_left_out = sum(grid.rows_left_out for grid in grids)
    if len(grids) == len(indices) and not rows_left_out:
        return galleries
    count = sum(len(row.pictures) for grid in grids for row in grid.rows)
    lines = f" (of the first, {len(grids[0].rows):,} of {len(grids[0].rows) + rows_left_out:,} lines)"
    said = (
        f"Shown are the first {len(grids):,} of {len(indices):,} galleries{lines if rows_left_out else ''}, "
        f"{count:,} pictures: more would leave each of them only a few pixels of this file. "
        "The others lie in the run's folder."
    )
    return (Paragraph(said), *galleries)


def picture_gallery(grid: PictureGrid) -> Gallery:
    """The grid under a line that says what its pictures are of."""
    name = _SUBJECTS[grid.subject].format(index=grid.index, number=grid.index + 1)
    name += f" ({grid.caption})" if grid.caption else ""
    name += ", back-tracked" if grid.subject == "search" else ""
    headings = [picture.heading for row in grid.rows for picture in row.pictures]
    steps = " at the early and the final step" if any(each.startswith("early") for each in headings) else ""
    return Gallery(f"pictures-{grid.index}", f"{name}: every variant{steps}", grid)
