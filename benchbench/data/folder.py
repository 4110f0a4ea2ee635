"""A folder of images, COCO and the like: recursive, checked before anything is trained (image).

Together (`layout: together`), every file below the folder counts and the splits are drawn. Laid out in splits
(`layout: split`), as AFHQ is, `below` names a folder in each of them:

    <path>/train/dog/1.jpg ...      <path>/val/dog/1.jpg ...      [<path>/test/dog/1.jpg ...]

Where only one of val/ and test/ is there, it is the test split, and validation images are held out of the
training ones, if any are asked for.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator

from benchbench.core.errors import DataError
from benchbench.core.examples import Batch, Source, Splits
from benchbench.core.model import canonical_json
from benchbench.data.example_sets import Examples
from benchbench.data.images import decode_image, to_tensor
from benchbench.data.kept import Kept
from benchbench.data.pictures import PictureFile, PictureSet, look_at, read_bytes
from benchbench.data.splitting import Origin, SplitOptions, divide, split_folders
from benchbench.data.view import Extent, Filter, View


class FolderOptions(SplitOptions):
    """Options of an image folder.

    Attributes:
        path: the folder; every file below it counts but hidden ones.
        layout: `split` where the folder has train/ and val/ or test/ in it; `together` draws the splits.
        below: with `layout: split`, the folder in each of them that counts: AFHQ's dog.
        size: side of the squares that images become, pixels.
        how: `resize_crop` makes the shorter side `size` and cuts the middle out; `resize` makes both sides
            `size` and the ratio what it may (FastGAN); `random_crop` cuts a square at a place that is fixed
            for each training image by the cell's seed, and makes the others as `resize_crop` does.
        filter: of Pillow, antialiased.
        flip: half of the training examples, by draw, are turned over left to right.
        memory_gib: so much memory holds decoded images, GiB; the rest is decoded whenever it is needed.
        on_broken: `skip` leaves out files that are truncated or no image.
        on_small: `resize` enlarges images smaller than `size`.
    """

    path: str
    layout: Literal["together", "split"] = "together"
    below: str | None = None
    size: Annotated[int, Field(ge=8, le=4096)] = 256
    how: Literal["resize_crop", "resize", "random_crop"] = "resize_crop"
    filter: Filter = "bicubic"
    flip: bool = False
    memory_gib: Annotated[float, Field(ge=0, le=1024)] = 1.0
    on_broken: Literal["error", "skip"] = "error"
    on_small: Literal["error", "resize"] = "error"

    @model_validator(mode="after")
    def _below_a_split(self) -> Self:
        if self.below is not None and self.layout == "together":
            raise ValueError(f"below: {self.below} is a folder in each split; expected layout: split with it")
        return self


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one file turned out to be; `broken` says why it is no picture."""

    path: Path
    sha256: str
    width: int = 0
    height: int = 0
    broken: str | None = None


class FolderSet(Examples):
    """Images of one split; `[i]` is uint8 [3, size, size].

    Args:
        pictures: the files, and how they are shown.
        crop_seed: cuts squares at random places, fixed by it and the name; None: as `pictures` shows them.
    """

    fields = ("image",)

    def __init__(self, pictures: PictureSet, crop_seed: int | None) -> None:
        super().__init__(pictures)
        self._pictures, self._crop_seed = pictures, crop_seed

    def __getitem__(self, index: int) -> torch.Tensor:
        if self._crop_seed is None:
            return self._pictures[index]
        key = (self._pictures.files[index].path, "fixed")
        return self._pictures.kept.take(
            key, lambda: self._cut(index, f"{self._crop_seed}/{self.names[index]}")
        )

    def example(self, index: int, draw: int) -> Batch:
        """The field image; see ExampleSet."""
        seed = f"{draw}/{index}/view"
        if self._crop_seed is None:
            return {"image": self._pictures.draw(index, seed)}
        is_flipped = self._pictures.view.flip and random.Random(seed).random() < 0.5
        return {"image": self[index].flip(-1) if is_flipped else self[index]}

    def _cut(self, index: int, seed: str) -> torch.Tensor:
        path, size = self._pictures.files[index].path, self._pictures.view.size.height
        image = to_tensor(decode_image(read_bytes(path), str(path)))
        if min(image.shape[-2:]) < size:
            return self._pictures[index]
        rng = random.Random(seed)
        top, left = (rng.randint(0, side - size) for side in image.shape[-2:])
        return image[:, top : top + size, left : left + size].contiguous()


def open_folder(options: FolderOptions, seed: int) -> Splits:
    """The three splits; files are told apart by path, so a picture that is there twice counts twice.

    Every file is decoded once, so that a broken one is found before training and not in it.

    Args:
        seed: places the crops of `how: random_crop`.

    Raises:
        DataError: the folder is missing or empty, a file is broken, no image or too small, or
            fewer images are there than are asked for.
    """
    root = Path(options.path).expanduser()
    extent = Extent(options.size, options.size)
    is_fixed = options.how == "random_crop"
    how: Literal["resize", "resize_crop"] = "resize" if options.how == "resize" else "resize_crop"
    view, kept = (
        View(extent, extent, how, None, options.filter, options.flip),
        Kept(int(options.memory_gib * 2**30)),
    )
    found: dict[Origin, list[Inspected]] = {}
    broken: list[Inspected] = []
    for origin, folder in _places(root, options).items():
        # Crops that are fixed by the seed are made of training images alone, once it is known which they are.
        found[origin], left_out = _sound_files(folder, options, None if is_fixed else (view, kept))
        broken += left_out
    excluded = {"path", "memory_gib"}
    digest = hashlib.sha256(
        canonical_json([options.model_dump(mode="json", exclude=excluded), seed if is_fixed else 0]).encode()
    )
    for each in (each for files in found.values() for each in files):
        digest.update(f"{each.path.relative_to(root).as_posix()}\0{each.sha256}\n".encode())
    chosen = divide(found, options, where=root)

    def images(files: Sequence[Inspected], crop_seed: int | None, *, is_training: bool) -> FolderSet:
        named = [PictureFile(each.path, each.path.relative_to(root).as_posix()) for each in files]
        return FolderSet(PictureSet(named, view, kept, is_training), crop_seed)

    return Splits(
        train=images(chosen["train"], seed if is_fixed else None, is_training=True),
        validation=images(chosen["validation"], None, is_training=False),
        test=images(chosen["test"], None, is_training=False),
        digest=digest.hexdigest()[:16],
        left_out=tuple(f"{each.path}: {each.broken}" for each in broken),
    )


def _places(root: Path, options: FolderOptions) -> dict[Origin, Path]:
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="a folder of images", fix="correct data.path in the suite"
        )
    if options.layout == "together":
        return {"all": root}
    places = split_folders(root)
    if "train" not in places:
        raise DataError(
            f"{root} is not laid out in splits",
            expected="train/, and val/ or test/, in it",
            fix="correct data.path, or set layout: together",
        )
    return {origin: place / (options.below or "") for origin, place in places.items()}


def _sound_files(
    root: Path, options: FolderOptions, shown: tuple[View, Kept] | None
) -> tuple[list[Inspected], list[Inspected]]:
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="one in every split", fix="correct data.below in the suite"
        )
    files = sorted(
        path
        for path in root.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not files:
        raise DataError(
            f"{root} is empty", expected="images in it, or in folders below", fix="correct data.path"
        )
    with ThreadPoolExecutor(max_workers=4) as pool:
        inspected = list(pool.map(_inspect, files, itertools.repeat(shown)))
    broken = [each for each in inspected if each.broken]
    if broken and options.on_broken == "error":
        raise DataError(
            f"{broken[0].path}: {broken[0].broken}"
            + (f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""),
            expected="every file below the folder to be a whole picture",
            fix="remove it, or leave such files out with on_broken: skip",
        )
    sound = [each for each in inspected if not each.broken]
    if not sound:
        raise DataError(f"{root}: none of its {len(files)} files is a picture", fix="correct data.path")
    small = [each for each in sound if min(each.width, each.height) < options.size]
    if small and options.on_small == "error":
        raise DataError(
            f"{small[0].path}: {small[0].width} x {small[0].height} pixels"
            + (f" (and {len(small) - 1} more too small)" if len(small) > 1 else ""),
            expected=f"both sides at least {options.size}",
            fix="lower 'size', or enlarge such images with on_small: resize",
        )
    return sound, broken


def _inspect(path: Path, shown: tuple[View, Kept] | None) -> Inspected:
    uses = [] if shown is None else [(PictureSet([PictureFile(path, path.name)], *shown), 0)]
    try:
        # What is too small is told of all files at once, below.
        seen = look_at(path, uses, "resize")
    except DataError as error:
        return Inspected(path, "", broken=error.problem.removeprefix(f"{path}: "))
    return Inspected(path, seen.sha256, *seen.size)


source = Source(options=FolderOptions, open=open_folder, fields=("image",))
