from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchbench.core.errors import DataError
from benchbench.data.arrays import ArrayImages, open_npy, open_npz
from benchbench.data.conversion import Conversion

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
PLAIN = Conversion()


def same(images: ArrayImages) -> bool:
    return all(np.array_equal(images[index].permute(1, 2, 0).numpy(), PIXELS[index]) for index in range(5))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_in_adms_form(tmp_path, save):
    save(tmp_path / "a.npz", PIXELS, np.arange(5))
    images = open_npz(tmp_path / "a.npz", PLAIN)
    assert same(images)
    assert len(images) == 5
    assert images.labels == (0, 1, 2, 3, 4)
    assert images.codecs == ("raw",)
    assert isinstance(images._pixels, np.memmap) == (save is np.savez)


def test_labels_may_be_missing(tmp_path):
    np.savez(tmp_path / "a.npz", PIXELS)
    assert open_npz(tmp_path / "a.npz", PLAIN).labels is None


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_mapped_array_may_lie_in_either_order(tmp_path, order):
    np.savez(tmp_path / "a.npz", np.array(PIXELS, order=order))
    assert same(open_npz(tmp_path / "a.npz", PLAIN))


def test_one_content_has_one_digest_however_it_is_stored(tmp_path):
    np.savez(tmp_path / "a.npz", PIXELS)
    np.savez_compressed(tmp_path / "b.npz", PIXELS[::-1])
    np.save(tmp_path / "a.npy", PIXELS)
    np.save(tmp_path / "b.npy", PIXELS.transpose(0, 3, 1, 2))
    found = {open_npz(tmp_path / f"{name}.npz", PLAIN).digest for name in "ab"}
    found |= {open_npy(tmp_path / f"{name}.npy", PLAIN).digest for name in "ab"}
    found.add(ArrayImages(torch.from_numpy(PIXELS), "x", conversion=PLAIN).digest)
    assert len(found) == 1


def test_npy_stays_on_disk(tmp_path):
    np.save(tmp_path / "a.npy", PIXELS)
    images = open_npy(tmp_path / "a.npy", PLAIN)
    assert isinstance(images._pixels, np.memmap)
    assert same(images)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
def test_floats_of_a_declared_range(tmp_path, dtype):
    np.save(tmp_path / "a.npy", (PIXELS / 127.5 - 1).astype(dtype))
    assert same(open_npy(tmp_path / "a.npy", Conversion(range="signed")))
    with pytest.raises(DataError, match=r"a\.npy: float pixels, and nothing says their range"):
        open_npy(tmp_path / "a.npy", PLAIN)


def test_nan_names_its_image():
    pixels = torch.zeros(4, 3, 6, 6)
    pixels[2, 0, 0, 0] = float("nan")
    images = ArrayImages(pixels, "tensor", conversion=Conversion(range="unit"))
    assert images[1].max() == 0
    with pytest.raises(DataError, match=r"^tensor\[2\]: pixels that are NaN"):
        _ = images.digests


@pytest.mark.parametrize("shape", [(5, 6, 8), (5, 6, 8, 2), (5, 3, 8), (0, 6, 8, 3), (5, 0, 8, 3), (5,)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match=r"^x: "):
        ArrayImages(np.zeros(shape, dtype=np.uint8), "x", conversion=PLAIN)


def test_where_the_channels_are_is_never_guessed():
    small = np.zeros((5, 3, 6, 4), dtype=np.uint8)
    with pytest.raises(DataError, match="does not tell where its channels are"):
        ArrayImages(small, "x", conversion=PLAIN)
    assert ArrayImages(small, "x", conversion=PLAIN, layout="channels_first")[0].shape == (3, 6, 4)
    assert ArrayImages(small, "x", conversion=PLAIN, layout="channels_last")[0].shape == (3, 3, 6)
    with pytest.raises(DataError, match=r"images of shape \[6, 8, 3\]") as caught:
        ArrayImages(PIXELS, "x", conversion=PLAIN, layout="channels_first")
    assert caught.value.expected == "[3, height, width]"


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.bool_, np.complex64, "U1"])
def test_other_kinds_of_pixels_are_refused_before_any_is_read(dtype):
    with pytest.raises(DataError, match=r"^x: pixels of"):
        ArrayImages(np.zeros((5, 6, 8, 3), dtype=dtype), "x", conversion=Conversion(range="byte"))


def test_grey_and_alpha_are_converted_as_declared():
    assert ArrayImages(PIXELS[..., :1], "x", conversion=PLAIN)[0].shape == (3, 6, 8)
    four = np.concatenate([PIXELS, np.zeros_like(PIXELS[..., :1])], axis=3)
    assert same(ArrayImages(four, "x", conversion=PLAIN))
    assert ArrayImages(four, "x", conversion=Conversion(alpha="white"))[0].min() == 255
    with pytest.raises(DataError, match=r"x\[0\]: a picture greyscale"):
        ArrayImages(PIXELS[..., :1], "x", conversion=Conversion(grey="error"))[0]


def write_text(path: Path) -> None:
    path.write_text("nothing")


def write_objects(path: Path) -> None:
    np.savez(path, np.array([{"a": 1}, None], dtype=object))


def write_halved(path: Path) -> None:
    np.savez(path, PIXELS)
    path.write_bytes(path.read_bytes()[:400])


def write_statistics(path: Path) -> None:
    np.savez(path, mu=np.zeros(3), sigma=np.eye(3))


def write_few_labels(path: Path) -> None:
    np.savez(path, PIXELS, np.arange(4))


def write_float_labels(path: Path) -> None:
    np.savez(path, PIXELS, np.arange(5) / 2)


def write_no_images(path: Path) -> None:
    np.savez(path, PIXELS[:0])


def write_bad_checksum(path: Path) -> None:
    np.savez_compressed(path, PIXELS)
    content = bytearray(path.read_bytes())
    content[200:220] = b"\xff" * 20
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (write_text, "it is no npz archive"),
        (write_objects, "cannot be read"),
        (write_halved, "it is no npz archive"),
        (write_statistics, "it holds mu, sigma, and no arr_0"),
        (write_few_labels, "4 labels for 5 images"),
        (write_float_labels, "arr_1 is float64"),
        (write_no_images, "it holds no images"),
        (write_bad_checksum, "cannot be read"),
    ],
)
def test_an_archive_that_cannot_be_used_is_named(tmp_path, make, told):
    path = tmp_path / "a.npz"
    make(path)
    with pytest.raises(DataError, match=rf"a\.npz: .*{told}") as caught:
        open_npz(path, PLAIN)
    assert caught.value.expected


def test_an_npy_that_cannot_be_used_is_named(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, PIXELS)
    whole = path.read_bytes()
    for content in (b"", b"hello world", whole[:90], whole[:500]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npy: cannot be read"):
            open_npy(path, PLAIN)
