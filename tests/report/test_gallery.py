from __future__ import annotations

from PIL import Image

from benchbench.report.gallery import SIDE, compose_grid
from benchbench.report.picture_files import PictureFiles
from benchbench.report.views.pictures import Picture, PictureGrid, PictureRow


def saved(path, size, colour):
    Image.new("RGB", size, colour).save(path)
    return Picture("content", "", path)


def test_a_large_picture_becomes_small_and_keeps_its_shape(tmp_path):
    found = PictureFiles().load(saved(tmp_path / "a.png", (1024, 512), "red"), side=SIDE)
    assert not isinstance(found, str)
    assert found.size == (SIDE, SIDE // 2)


def test_a_palette_picture_and_one_with_transparency_are_shown(tmp_path):
    for mode in ("P", "RGBA", "L", "I;16"):
        path = tmp_path / f"{mode[0]}.png"
        Image.new(mode, (8, 8)).save(path)
        assert not isinstance(PictureFiles().load(Picture("content", "", path), side=SIDE), str)


def test_a_broken_picture_is_a_reason(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n then nothing")
    assert PictureFiles().load(Picture("content", "", path), side=SIDE) == "broken.png: not a readable image"


def test_the_grid_has_each_picture_in_its_place_and_small_ones_enlarged(tmp_path):
    red = saved(tmp_path / "r.png", (16, 16), (255, 0, 0))
    final = Picture("final", "", saved(tmp_path / "g.png", (16, 16), (0, 255, 0)).file)
    gone = Picture("final", "", None, "gone.png: the file is missing")
    rows = (PictureRow("baseline", (red, final)), PictureRow("v1", (red, gone)))
    image = compose_grid(PictureGrid(0, rows))
    step = SIDE + 8
    left, top = image.width - 2 * step, image.height - 2 * step
    centre = SIDE // 2
    assert image.getpixel((left + centre, top + centre)) == (255, 0, 0)
    assert image.getpixel((left + 4, top + 4)) == (255, 0, 0)
    assert image.getpixel((left + step + centre, top + centre)) == (0, 255, 0)
    assert image.getpixel((left + step + centre, top + step + centre)) == (240, 242, 244)
