"""Grids of pictures with the line above them."""

from __future__ import annotations

from benchbench.report.document import Gallery
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


def picture_gallery(grid: PictureGrid) -> Gallery:
    """The grid under a line that says what its pictures are of."""
    name = _SUBJECTS[grid.subject].format(index=grid.index, number=grid.index + 1)
    name += f" ({grid.caption})" if grid.caption else ""
    name += ", back-tracked" if grid.subject == "search" else ""
    headings = [picture.heading for row in grid.rows for picture in row.pictures]
    steps = " at the early and the final step" if any(each.startswith("early") for each in headings) else ""
    return Gallery(f"pictures-{grid.index}", f"{name}: every variant{steps}", grid)
