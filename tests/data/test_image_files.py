from __future__ import annotations

import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.data.conversion import Conversion
from benchbench.data.image_files import ImageFiles, open_folder_of_images, open_zip_of_images


def write(path: Path, seed: int, **save: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **save)
    return path


def zipped(folder: Path, archive: Path, *, turned: bool = False, method: int = zipfile.ZIP_STORED) -> Path:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(archive, "w", method) as opened:
        for path in reversed(files) if turned else files:
            opened.write(path, path.relative_to(folder).as_posix())
    return archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(6):
        write(tmp_path / "images" / ("cat" if index % 2 else "dog/deep") / f"{index}.png", index)
    return tmp_path / "images"


def opened(folder: Path, **changes: object) -> ImageFiles:
    return open_folder_of_images(folder, Conversion(**changes))


def test_a_folder_is_read_to_its_bottom_by_name(folder):
    images = opened(folder)
    assert list(images.names) == sorted(images.names)
    assert images.names[0] == "cat/1.png"
    assert "dog/deep/0.png" in images.names
    assert images[0].shape == (3, 8, 10)
    assert images[0].dtype == torch.uint8
    assert images.codecs == ("png",)
    assert images.labels == (0, 0, 0, 1, 1, 1)
    assert images.left_out == ()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("turned", [False, True])
def test_a_zip_equals_its_folder(folder, tmp_path, method, turned):
    plain = opened(folder)
    images = open_zip_of_images(
        zipped(folder, tmp_path / "a.zip", turned=turned, method=method), Conversion()
    )
    assert images.names == plain.names
    assert images.digests == plain.digests
    assert images.digest == plain.digest
    assert images.labels == plain.labels
    assert torch.equal(images[3], plain[3])


def test_hashes_are_looked_up_and_not_collected_anew(folder):
    images = opened(folder)
    assert images.digests is images.digests
    assert images.codecs is images.codecs


def test_names_and_places_do_not_count_but_contents_do(folder, tmp_path):
    before = opened(folder).digest
    names = sorted(folder.rglob("*.png"))
    for index, path in enumerate(names):
        path.rename(folder / f"renamed-{9 - index}.png")
    assert opened(folder).digest == before
    write(folder / "renamed-9.png", 77)
    assert opened(folder).digest != before


def test_the_conversion_is_part_of_the_digest(folder):
    assert opened(folder, alpha="white").digest != opened(folder).digest
    assert opened(folder, alpha="white").digests == opened(folder).digests


def test_copies_have_one_digest_and_count_twice(folder):
    (folder / "copy.png").write_bytes((folder / "cat/1.png").read_bytes())
    images = opened(folder)
    assert len(images) == 7
    assert len(set(images.digests)) == 6


def test_codecs_are_those_of_the_contents_and_not_of_the_names(folder, tmp_path):
    for index in range(2):
        write(tmp_path / "lossy" / f"{index}.png", index, format="JPEG")
    write(tmp_path / "lossy/2.JPEG", 2)
    assert opened(tmp_path / "lossy").codecs == ("jpeg",)
    write(tmp_path / "lossy/3.png", 3)
    assert opened(tmp_path / "lossy").codecs == ("jpeg", "png")


def test_hidden_files_are_no_images(folder, tmp_path):
    write(folder / ".hidden.png", 8)
    write(folder / ".cache" / "1.png", 9)
    write(folder / "__MACOSX" / "._1.png", 9)
    assert len(opened(folder)) == 6
    write(folder / "__MACOSX" / "1.png", 9)
    assert len(open_zip_of_images(zipped(folder, tmp_path / "a.zip"), Conversion())) == 6


def test_other_files_are_counted_and_named_once(folder):
    for name in ("notes.txt", "model.pt", "labels.csv.bak"):
        (folder / name).write_text("x")
    images = opened(folder)
    assert len(images) == 6
    assert images.left_out == (f"{folder}: 3 files with other suffixes than images have: labels.csv.bak",)


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
    write(tmp_path / "elsewhere/x.png", 40)
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "one.png").symlink_to(tmp_path / "elsewhere/x.png")
    (folder / "cat" / "up").symlink_to(folder)
    images = opened(folder)
    assert len(images) == 8
    assert {"linked/x.png", "one.png"} <= set(images.names)


def test_a_link_to_nowhere_is_named_when_it_is_read(folder):
    (folder / "gone.png").symlink_to(folder / "nothing")
    images = opened(folder)
    with pytest.raises(DataError, match=r"gone\.png: cannot be read \(No such file"):
        images[images.names.index("gone.png")]


def test_nothing_but_regular_files_is_opened(folder):
    os.mkfifo(folder / "pipe.png")
    assert len(opened(folder)) == 6


def test_an_empty_folder_and_one_without_images(tmp_path):
    with pytest.raises(DataError, match="is empty"):
        opened(tmp_path)
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=r"none of its 1 files is an image by its name: a\.txt"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_truncated_file_is_found_when_it_is_read_and_named(folder, tmp_path, kind):
    path = folder / "cat/3.png"
    path.write_bytes(path.read_bytes()[:80])
    (folder / "cat/5.png").write_text("no image")
    images = (
        opened(folder)
        if kind == "folder"
        else open_zip_of_images(zipped(folder, tmp_path / "a.zip"), Conversion())
    )
    assert len(images.digests) == 6
    with pytest.raises(DataError, match=r"(images|a\.zip)/cat/3\.png: broken image"):
        images[1]
    with pytest.raises(DataError, match=r"(images|a\.zip)/cat/5\.png: not an image"):
        images[2]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_broken_files_are_left_out_where_that_is_declared(folder, tmp_path, kind):
    sound = opened(folder, on_broken="skip")
    assert len(sound) == 6
    path = folder / "cat/3.png"
    path.write_bytes(path.read_bytes()[:80])
    (folder / "labels.csv").write_text("".join(f"{name},{index}\n" for index, name in enumerate(sound.names)))
    skip = Conversion(on_broken="skip")
    images = (
        opened(folder, on_broken="skip")
        if kind == "folder"
        else open_zip_of_images(zipped(folder, tmp_path / "a.zip"), skip)
    )
    assert list(images.names) == [name for name in sound.names if name != "cat/3.png"]
    assert images.labels == (0, 2, 3, 4, 5)
    assert len(images.digests) == len(images) == 5
    assert len(images.left_out) == 1
    assert "cat/3.png: broken image" in images.left_out[0]


def test_what_a_conversion_refuses_is_not_broken(folder):
    Image.new("L", (8, 8)).save(folder / "a-grey.png")
    images = opened(folder, on_broken="skip", grey="error")
    assert len(images) == 7
    with pytest.raises(DataError, match="greyscale"):
        images[0]


def test_broken_files_alone_are_no_collection(tmp_path):
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(DataError, match="none of its 1 image files can be read"):
        opened(tmp_path, on_broken="skip")


def test_a_zip_that_is_none(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match=r"a\.zip: no readable zip"):
        open_zip_of_images(path, Conversion())
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(DataError, match="is empty"):
        open_zip_of_images(path, Conversion())


@pytest.mark.parametrize(
    ("method", "start", "damage"),
    [
        (zipfile.ZIP_STORED, 60, b"\xff" * 30),
        (zipfile.ZIP_DEFLATED, 60, b"\xff" * 30),
        # A kind of block that deflate does not have.
        (zipfile.ZIP_DEFLATED, 30 + len("cat/1.png"), b"\x07"),
        (zipfile.ZIP_STORED, 0, b"none"),
    ],
)
def test_a_damaged_member_of_a_zip_is_named(folder, tmp_path, method, start, damage):
    path = zipped(folder, tmp_path / "a.zip", method=method)
    content = bytearray(path.read_bytes())
    content[start : start + len(damage)] = damage
    path.write_bytes(content)
    images = open_zip_of_images(path, Conversion())
    with pytest.raises(DataError, match=r"a\.zip/cat/1\.png: cannot be read"):
        images[0]
    with pytest.raises(DataError, match=r"a\.zip/cat/1\.png: cannot be read"):
        _ = images.digests


def test_a_name_that_is_twice_in_a_zip_counts_once(folder, tmp_path):
    path = zipped(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.write(folder / "cat/1.png", "cat/1.png")
    assert len(open_zip_of_images(path, Conversion())) == 6


@pytest.mark.parametrize("source", ["folder", "zip"])
def test_label_files_are_found(folder, tmp_path, source):
    names = opened(folder).names
    (folder / "dataset.json").write_text(
        '{"labels": [' + ", ".join(f'["{name}", {9 - index}]' for index, name in enumerate(names)) + "]}"
    )

    def look() -> ImageFiles:
        if source == "folder":
            return opened(folder)
        return open_zip_of_images(zipped(folder, tmp_path / "a.zip"), Conversion())

    assert look().labels == (9, 8, 7, 6, 5, 4)
    assert look().left_out == ()
    (folder / "dataset.json").write_text('{"labels": [["cat/1.png", 0]]}')
    with pytest.raises(DataError, match=r"(images|a\.zip)/dataset\.json: 5 of 6 images have no label"):
        look()


def test_files_that_change_are_told(folder):
    images = opened(folder)
    (folder / "cat/1.png").unlink()
    with pytest.raises(DataError, match=r"cat/1\.png: cannot be read"):
        _ = images.digests


def test_many_threads_may_read_one_zip(folder, tmp_path):
    images = open_zip_of_images(zipped(folder, tmp_path / "a.zip"), Conversion())
    plain = opened(folder)
    order = [*range(6)] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(images.__getitem__, order))
    assert all(torch.equal(image, plain[index]) for index, image in zip(order, found, strict=True))
