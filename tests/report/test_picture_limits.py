"""A run with very many pictures: what is shown is bounded, and a sentence says what is not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchbench.core.cell import Cell
from benchbench.core.measurement import ImageRecord
from benchbench.core.suite import ArchitectureSpec
from benchbench.report.document import Gallery, Paragraph
from benchbench.report.gallery import MOST_PIXELS, SIDE, choose_side, compose_grid
from benchbench.report.html import LARGEST_BYTES
from benchbench.report.picture_blocks import picture_blocks
from benchbench.report.picture_files import PictureFiles
from benchbench.report.thumbnails import LEFT_OUT
from benchbench.report.views import pictures
from benchbench.report.views.lines import group_lines
from benchbench.report.views.pictures import (
    MOST_GALLERIES,
    MOST_PICTURES,
    Picture,
    PictureGrid,
    PictureRow,
    picture_grids,
    picture_indices,
)
from benchbench.report.write import write_report


@pytest.fixture
def make_many(factory, tmp_path):
    """A run of so many lines, each with so many outputs, which stand in the folder as links to a few."""

    def make(lines, outputs, *, files=0):
        sources = []
        for seed in range(files):
            source = tmp_path / f"{seed}.png"
            pixels = np.random.default_rng(seed).integers(0, 256, (96, 96, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(source)
            sources.append(source)
        results = []
        for at in range(lines):
            name = f"v{at}" if at else "baseline"
            images = []
            for index in range(outputs):
                path = f"samples/{name}/{index}.png"
                images.append(ImageRecord(path=path, role="output", index=index, step=1000))
                if sources:
                    place = tmp_path / "run" / path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.hardlink_to(sources[(at + index) % files])
            made = factory.without_drawings(factory.make_result("v1" if at else "baseline"))
            cell = Cell(variant=name, architecture=ArchitectureSpec(name=f"net_{at}"))
            results.append(made.model_copy(update={"cell": cell, "images": tuple(images)}))
        table = factory.make_table(results=results)
        return table.model_copy(update={"folder": str(tmp_path / "run")})

    return make


def blocks_of(table):
    lines = group_lines([table])
    return picture_blocks(picture_grids([table], lines), picture_indices(lines))


def test_two_hundred_pictures_in_each_of_a_hundred_cells(make_many):
    said, *galleries = blocks_of(make_many(100, 200))
    shown = sum(len(row.pictures) for gallery in galleries for row in gallery.grid.rows)
    assert shown == MOST_PICTURES == 2000
    assert [gallery.grid.index for gallery in galleries] == list(range(20))
    assert all(len(gallery.grid.rows) == 100 for gallery in galleries)
    assert said.text.startswith("Shown are the first 20 of 200 galleries, 2,000 pictures:")
    assert said.text.endswith("The others lie in the run's folder.")


def test_files_that_are_not_shown_are_not_looked_for(make_many, monkeypatch):
    asked = []
    real = pictures._picture
    monkeypatch.setattr(pictures, "_picture", lambda *given: asked.append(given) or real(*given))
    blocks_of(make_many(10, 300))
    assert len(asked) == 10 * MOST_GALLERIES


def test_more_lines_than_fit_are_counted(make_many):
    said, gallery = blocks_of(make_many(2002, 2))
    assert isinstance(gallery, Gallery)
    assert len(gallery.grid.rows) == 2000
    assert "the first 1 of 2 galleries (of the first, 2,000 of 2,002 lines), 2,000 pictures" in said.text


def test_where_all_are_shown_nothing_is_said(make_many):
    blocks = blocks_of(make_many(3, 2))
    assert not any(isinstance(block, Paragraph) for block in blocks)
    assert len(blocks) == 2


def test_a_report_of_very_many_pictures_is_bounded(make_many, tmp_path):
    files = write_report(make_many(40, 60, files=12), out=tmp_path / "out")
    text = files.html.read_text(encoding="utf-8")
    assert 2_000_000 < len(text.encode("utf-8")) <= LARGEST_BYTES
    assert text.count("<img ") == 40 * MOST_GALLERIES
    assert LEFT_OUT not in text
    assert "Shown are the first 24 of 60 galleries, 960 pictures" in text
    assert "Shown are the first 24 of 60 galleries, 960 pictures" in files.markdown.read_text(
        encoding="utf-8"
    )
    drawn = [file for file in files.plots if file.name.startswith("pictures-")]
    assert len(drawn) == MOST_GALLERIES
    pixels = 0
    for file in drawn:
        with Image.open(file) as image:
            pixels += image.width * image.height
    assert pixels <= MOST_PIXELS


def test_composed_grids_shrink_until_they_fit():
    row = PictureRow("v", tuple(Picture(heading, "", None, "gone") for heading in ("content", "final")))
    few, many = (PictureGrid(0, (row,) * count) for count in (4, 400))
    assert choose_side([few]) == SIDE
    side = choose_side([many])
    assert side < SIDE
    assert compose_grid(many, side=side).size == (130 + 2 * (side + 8), 22 + 400 * (side + 8))
    # The most that a report shows fits at the smallest side, whatever its shape.
    largest = PictureGrid(0, (PictureRow("v", row.pictures[:1]),) * MOST_PICTURES)
    width, height = compose_grid(largest, side=choose_side([largest])).size
    assert width * height <= 1.6 * MOST_PIXELS


def test_a_file_is_opened_once_while_there_is_room(tmp_path, monkeypatch):
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *given: opened.append(given) or real(*given))
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 64), "red").save(tmp_path / name)
    one, same = (Picture("content", "", tmp_path / name) for name in ("a.png", "b.png"))
    files = PictureFiles()
    assert files.load(one, side=32).size == (32, 32)
    # Another file of the same bytes is the same picture, and its copy above is not made smaller.
    assert files.load(same, side=64).size == (64, 64)
    assert len(opened) == 1
    monkeypatch.setattr("benchbench.report.picture_files._KEPT_BYTES", 0)
    files = PictureFiles()
    for _ in range(2):
        assert files.load(one, side=32).size == (32, 32)
    assert len(opened) == 3
