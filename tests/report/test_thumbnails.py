"""Pictures within a budget of bytes, told apart by content, and never silently missing."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from benchbench.core.cell import Setting
from benchbench.report.document import Gallery, Plots
from benchbench.report.gallery_page import gallery_page
from benchbench.report.html import LARGEST_BYTES, write_html
from benchbench.report.sections import compose
from benchbench.report.thumbnails import GRADES, LEFT_OUT, encode_thumbnails
from benchbench.report.views.pictures import Picture, PictureGrid, PictureRow
from benchbench.report.views.report import view_report


def noise(path, *, seed, side=64):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)
    return Picture("output", "", path)


def opened(uri):
    head, _, data = uri.partition(",")
    assert head == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def test_with_room_enough_nothing_is_lost(tmp_path):
    picture = noise(tmp_path / "a.png", seed=0)
    made = encode_thumbnails([picture], budget_bytes=1_000_000)
    assert made.grade == GRADES[0]
    with Image.open(picture.file) as original:
        assert np.array_equal(np.asarray(opened(made.made[picture].uri)), np.asarray(original))


@pytest.mark.parametrize("budget", [400_000, 120_000, 40_000])
def test_the_best_grade_that_fits(tmp_path, budget):
    pictures = [noise(tmp_path / f"{at}.png", seed=at, side=128) for at in range(6)]
    made = encode_thumbnails(pictures, budget_bytes=budget)
    total = sum(len(each.uri) for each in made.made.values())
    assert total <= budget
    # Not the smallest of all: half of the budget is used, or nothing better was to be had.
    better = GRADES[GRADES.index(made.grade) - 1] if made.grade != GRADES[0] else None
    assert better is None or total > budget / 4


def test_what_does_not_fit_at_all_says_so(tmp_path):
    pictures = [noise(tmp_path / f"{at}.png", seed=at, side=128) for at in range(4)]
    one = encode_thumbnails(pictures[:1], budget_bytes=0)
    assert one.made[pictures[0]].reason == LEFT_OUT
    size = 8_000
    while smaller := encode_thumbnails(pictures[:1], budget_bytes=size - 1).made[pictures[0]].uri:
        size = len(smaller)
    made = encode_thumbnails(pictures, budget_bytes=size + 10)
    kept = [each for each in made.made.values() if each.uri]
    assert len(kept) == 1
    assert [each.reason for each in made.made.values() if not each.uri] == [LEFT_OUT] * 3


def test_missing_and_broken_pictures_keep_their_reasons(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG then nothing")
    broken = Picture("output", "", tmp_path / "broken.png")
    gone = Picture("output", "", None, "gone.png: the file is missing")
    made = encode_thumbnails([broken, gone], budget_bytes=1000).made
    assert made[broken].reason == "broken.png: not a readable image"
    assert made[gone].reason == "gone.png: the file is missing"


def test_no_pictures_have_no_grade():
    assert encode_thumbnails([], budget_bytes=1000).grade is None


def test_what_every_line_was_given_stands_once(tmp_path):
    noise(tmp_path / "0" / "content.png", seed=1)
    noise(tmp_path / "1" / "content.png", seed=1)
    rows = []
    for at in (0, 1):
        content = Picture("content", "cat", tmp_path / str(at) / "content.png")
        output = Picture(f"final (step {at})", "", noise(tmp_path / str(at) / "out.png", seed=2).file)
        rows.append(PictureRow(f"v{at}", (content, output), baseline="v0"))
    pictures = [picture for row in rows for picture in row.pictures]
    gallery = Gallery("pictures-0", "Pictures", PictureGrid(0, tuple(rows)))
    page = gallery_page(gallery, encode_thumbnails(pictures, budget_bytes=1_000_000))
    assert [tile.heading for tile in page.given] == ["content"]
    # Outputs are each line's own, though these two happen to be equal.
    assert [[tile.heading for tile in row.tiles] for row in page.rows] == [
        ["final (step 0)"],
        ["final (step 1)"],
    ]
    assert {tile.kind for row in page.rows for tile in row.tiles} == {"final"}


def test_other_contents_stay_in_their_rows(tmp_path):
    rows = tuple(
        PictureRow(f"v{at}", (Picture("content", "", noise(tmp_path / f"{at}.png", seed=at).file),))
        for at in (0, 1)
    )
    pictures = [picture for row in rows for picture in row.pictures]
    gallery = Gallery("pictures-0", "Pictures", PictureGrid(0, rows))
    page = gallery_page(gallery, encode_thumbnails(pictures, budget_bytes=1_000_000))
    assert page.given == ()
    assert [len(row.tiles) for row in page.rows] == [1, 1]


def test_thirty_cells_of_noise_are_below_five_megabytes(factory, tmp_path):
    # Noise is what compresses worst. Few pictures are drawn, and stand in the places of many.
    sources = [noise(tmp_path / f"{seed}.png", seed=seed, side=256).file for seed in range(8)]
    results = []
    for at in range(30):
        setting = Setting(key="train.batch", value=at // 2)
        made = factory.make_result(("baseline", "v1")[at % 2], settings=(setting,))
        images = [image for image in made.images if image.role != "style"]
        images = [image.model_copy(update={"path": f"{at}/{image.path}"}) for image in images]
        for number, image in enumerate(images):
            file = tmp_path / "run" / image.path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.hardlink_to(sources[(at + number) % len(sources)])
        bare = factory.without_drawings(made)
        results.append(bare.model_copy(update={"images": tuple(images)}))
    table = factory.make_table(results=results).model_copy(update={"folder": str(tmp_path / "run")})
    document = compose(view_report([table]))
    names = [
        plot.name
        for section in document.sections
        for block in section.blocks
        if isinstance(block, Plots)
        for plot in block.plots
    ]
    drawings = dict.fromkeys(names, "<svg>" + 60_000 * " " + "</svg>")
    text = write_html(document, drawings=drawings, foot="")
    assert 3_000_000 < len(text.encode("utf-8")) <= LARGEST_BYTES
    # Content, early and final of two indices.
    assert text.count("<img ") == 30 * 6
    assert LEFT_OUT not in text
