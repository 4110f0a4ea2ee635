"""A folder of images, COCO and the like: recursive, checked before anything is trained."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field

from benchbench.core.contracts import Source, Splits
from benchbench.core.errors import DataError
from benchbench.core.model import Options, canonical_json
from benchbench.data.images import centre_crop, decode_image, resize_shorter, to_tensor

Amount = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]


class FolderOptions(Options):
    """Options of an image folder.

    Attributes:
        path: the folder; every file below it counts but hidden ones.
        size: side of the squares that images become, pixels.
        how: `resize_crop` makes the shorter side `size` (Pillow's antialiased bicubic) and cuts the
            middle out; `random_crop` cuts a square at a place that is fixed for each training image
            by the cell's seed, and the middle of the others.
        train, validation, test: how many images: a number, or a fraction of all (with a point, 0.9).
        fraction: how much of the training images is kept.
        subset_seed: which ones.
        split_seed: which images are training, validation and test.
        on_broken: `skip` leaves out files that are truncated or no image.
        on_small: `resize` enlarges images smaller than `size`.
    """

    path: str
    size: Annotated[int, Field(ge=8, le=4096)] = 256
    how: Literal["resize_crop", "random_crop"] = "resize_crop"
    train: Amount = 0.9
    validation: Amount = 0.05
    test: Amount = 0.05
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: int = 0
    split_seed: int = 0
    on_broken: Literal["error", "skip"] = "error"
    on_small: Literal["error", "resize"] = "error"


@dataclass(frozen=True, slots=True)
class Inspected:
    """What one file turned out to be; `broken` says why it is no picture."""

    path: Path
    sha256: str
    width: int = 0
    height: int = 0
    broken: str | None = None


@dataclass(slots=True)
class FolderSet:
    """Images of one split, read when asked for; `[i]` is uint8 [3, size, size]."""

    paths: Sequence[Path]
    root: Path
    size: int
    crop_seed: int | None
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(path.relative_to(self.root).as_posix() for path in self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        path = self.paths[index]
        image = _read(path)
        if self.crop_seed is None or min(image.shape[-2:]) < self.size:
            return centre_crop(resize_shorter(image, self.size), self.size).contiguous()
        rng = random.Random(f"{self.crop_seed}/{self.names[index]}")
        top, left = (rng.randint(0, side - self.size) for side in image.shape[-2:])
        return image[:, top : top + self.size, left : left + self.size].contiguous()


def _read(path: Path) -> torch.Tensor:
    try:
        return to_tensor(decode_image(path.read_bytes(), str(path)))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror})", fix="the folder changed: run again"
        ) from None


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
    sound, broken = _sound_files(root, options)
    digest = hashlib.sha256(
        canonical_json([options.model_dump(mode="json", exclude={"path"}), seed]).encode()
    )
    for each in sound:
        digest.update(f"{each.path.relative_to(root).as_posix()}\0{each.sha256}\n".encode())
    order = [each.path for each in sound]
    random.Random(f"{options.split_seed}/split").shuffle(order)
    wanted = {name: _count(getattr(options, name), len(order)) for name in ("train", "validation", "test")}
    if sum(wanted.values()) > len(order):
        raise DataError(
            f"{root}: {' + '.join(f'{count} {name}' for name, count in wanted.items())} images asked for, "
            f"{len(order)} are there",
            expected=f"at most {len(order)} in all",
            fix="ask for fewer, or for fractions: train: 0.9",
        )
    ends = (wanted["train"], wanted["train"] + wanted["validation"], sum(wanted.values()))
    train = order[: ends[0]]
    if options.fraction < 1:
        random.Random(f"{options.subset_seed}/subset").shuffle(train)
        train = train[: max(1, round(options.fraction * len(train)))]

    def images(paths: list[Path], crop_seed: int | None) -> FolderSet:
        return FolderSet(sorted(paths), root, options.size, crop_seed)

    return Splits(
        train=images(train, seed if options.how == "random_crop" else None),
        validation=images(order[ends[0] : ends[1]], None),
        test=images(order[ends[1] : ends[2]], None),
        digest=digest.hexdigest()[:16],
        left_out=tuple(f"{each.path}: {each.broken}" for each in broken),
    )


def _count(amount: float, total: int) -> int:
    return amount if isinstance(amount, int) else int(amount * total + 1e-9)


def _sound_files(root: Path, options: FolderOptions) -> tuple[list[Inspected], list[Inspected]]:
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="a folder of images", fix="correct data.path in the suite"
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
        inspected = list(pool.map(_inspect, files))
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


def _inspect(path: Path) -> Inspected:
    status = path.stat()
    return _inspect_content(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=100_000)
def _inspect_content(path: Path, size: int, mtime_ns: int) -> Inspected:
    try:
        content = path.read_bytes()
    except OSError as error:
        return Inspected(path, "", broken=f"cannot be read ({error.strerror})")
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        picture = decode_image(content, str(path))
    except DataError as error:
        return Inspected(path, sha256, broken=error.problem.removeprefix(f"{path}: "))
    return Inspected(path, sha256, picture.width, picture.height)


source = Source(options=FolderOptions, open=open_folder)
