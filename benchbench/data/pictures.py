"""Picture files of one split, checked at start, kept in memory where they fit and shown as declared."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

import torch
from PIL import Image

from benchbench.core.errors import DataError
from benchbench.core.model import canonical_json
from benchbench.data.collection import AHEAD, READERS
from benchbench.data.image_files import SUFFIXES
from benchbench.data.images import decode_image, to_tensor
from benchbench.data.kept import Kept
from benchbench.data.prefetch import read_ahead
from benchbench.data.view import Extent, View, ViewOptions

Part = Literal["whole", "left", "right"]


class PictureFile(NamedTuple):
    """One picture: a file, or the left or right half of one; `name` is what it is told by."""

    path: Path
    name: str
    part: Part = "whole"


@dataclass(slots=True)
class PictureSet:
    """Pictures as an ImageSet; `[i]` is uint8 [3, H, W] of the view's size, from the middle, not turned.

    Attributes:
        is_training: examples are drawn: place and flip.
    """

    files: Sequence[PictureFile]
    view: View
    kept: Kept
    is_training: bool = False
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(file.name for file in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.view.show(self._loaded(index, self.view.size)).contiguous()

    def draw(self, index: int, seed: str) -> torch.Tensor:
        """The picture as an example; what is random in it depends on `seed` alone."""
        if not self.is_training:
            return self[index]
        return self.view.draw(self._loaded(index, self.view.load), seed)

    def admit(self, index: int, picture: Image.Image, on_small: Literal["error", "resize"]) -> None:
        """Checks a picture that was decoded, and keeps it for its first example if there is room.

        Raises:
            DataError: it is too small, or no two halves.
        """
        file = self.files[index]
        _check_halves(file, picture.size)
        self.check_size(index, _size_of(picture.size, file.part), on_small)
        extent = self.view.load if self.is_training else self.view.size
        if self.kept.has_room(3 * extent.height * extent.width):
            self.kept.take(self._key(index, extent), lambda: self._load(picture, file.part, extent))

    def check_size(self, index: int, size: tuple[int, int], on_small: Literal["error", "resize"]) -> None:
        """Whether a picture of that width and height is large enough.

        Raises:
            DataError: it is not.
        """
        cut, wanted = self.view.cut, self.view.size
        if self.view.is_covered(*size):
            return
        if cut is not None and min(size) < cut:
            expected, fix = f"both sides at least {cut}, which 'cut' takes of them", "lower 'cut'"
        elif on_small == "error":
            expected = f"at least {wanted.width} x {wanted.height}"
            fix = "lower 'size', or enlarge such images with on_small: resize"
        else:
            return
        raise DataError(f"{self._told(index)}: {size[0]} x {size[1]} pixels", expected=expected, fix=fix)

    def _told(self, index: int) -> str:
        file = self.files[index]
        return str(file.path) if file.part == "whole" else f"{file.path} ({file.part} half)"

    def _key(self, index: int, extent: Extent) -> tuple[Path, Part, Extent]:
        file = self.files[index]
        return file.path, file.part, extent

    def _loaded(self, index: int, extent: Extent) -> torch.Tensor:
        file = self.files[index]

        def load() -> torch.Tensor:
            picture = decode_image(read_bytes(file.path), str(file.path))
            return self._load(picture, file.part, extent)

        return self.kept.take(self._key(index, extent), load)

    def _load(self, picture: Image.Image, part: Part, extent: Extent) -> torch.Tensor:
        return to_tensor(self.view.load_picture(_part_of(picture, part), extent))


class Seen(NamedTuple):
    """What a file turned out to be: SHA-256 of its bytes, width and height."""

    sha256: str
    size: tuple[int, int]


# What was decoded once in this process is not decoded again to be checked: by path, size and time.
_seen: dict[tuple[Path, int, int], Seen] = {}
_MOST_SEEN = 500_000


def check_pictures(sets: Sequence[PictureSet], options: ViewOptions) -> dict[Path, Seen]:
    """Decodes every file of some sets once, and keeps what fits; what each is, in their order.

    Raises:
        DataError: the first in order that is missing, broken, too small or no two halves.
    """
    uses: dict[Path, list[tuple[PictureSet, int]]] = {}
    for each in sets:
        for index, file in enumerate(each.files):
            uses.setdefault(file.path, []).append((each, index))
    paths = list(uses)

    def look(number: int) -> Seen:
        return look_at(paths[number], uses[paths[number]], options.on_small)

    seen = read_ahead(look, range(len(paths)), workers=READERS, ahead=AHEAD)
    return {paths[number]: found for number, found in seen}


def digest_of_files(options: ViewOptions, sets: Sequence[PictureSet], seen: Mapping[Path, Seen]) -> str:
    """Sixteen hexadecimal digits over the options, and the names and content of each set's files.

    Where the files lie and how many are kept in memory are left out: neither changes a picture.
    """
    declared = options.model_dump(mode="json", exclude={"path", "memory_gib"})
    digest = hashlib.sha256(canonical_json(declared).encode())
    for number, each in enumerate(sets):
        for file in each.files:
            digest.update(f"{number}\0{file.name}\0{seen[file.path].sha256}\n".encode())
    return digest.hexdigest()[:16]


def look_at(path: Path, uses: Sequence[tuple[PictureSet, int]], on_small: Literal["error", "resize"]) -> Seen:
    """Decodes one file, unless this process has, and admits it to the sets that use it.

    Raises:
        DataError: it is missing, broken or too small.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    key = (path, status.st_size, status.st_mtime_ns)
    seen = _seen.get(key)
    if seen is not None:
        for each, index in uses:
            part = each.files[index].part
            _check_halves(each.files[index], seen.size)
            each.check_size(index, _size_of(seen.size, part), on_small)
        return seen
    content = read_bytes(path)
    picture = decode_image(content, str(path))
    for each, index in uses:
        each.admit(index, picture, on_small)
    if len(_seen) >= _MOST_SEEN:
        _seen.clear()
    return _seen.setdefault(key, Seen(hashlib.sha256(content).hexdigest(), picture.size))


def find_pictures(folder: Path, *, what: str) -> list[PictureFile]:
    """Every picture below a folder, sorted by path; other files and hidden ones are passed over.

    Args:
        what: what the folder is, for messages: "folder of inputs".

    Raises:
        DataError: it is not there, or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(
            f"no {what}: {folder} is not there", expected="a folder of images", fix="correct the path"
        )
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
    if not found:
        raise DataError(
            f"{folder} ({what}) holds no images",
            expected=f"files that end in {', '.join(SUFFIXES)}, or folders of them",
            fix="bring them, or correct the path",
        )
    return [PictureFile(path, path.relative_to(folder).as_posix()) for path in found]


def match_files(
    first: list[PictureFile], second: list[PictureFile], *, where: tuple[Path, Path]
) -> list[tuple[PictureFile, PictureFile]]:
    """Files of the same name, suffixes aside, in the order of the first.

    Raises:
        DataError: one is alone; both counts and the first such file are named.
    """
    stems = {_stem(file.name): file for file in second}
    ours = {_stem(file.name): file for file in first}
    alone = [file.path for stem, file in ours.items() if stem not in stems]
    alone += [file.path for stem, file in stems.items() if stem not in ours]
    if alone or len(ours) != len(first) or len(stems) != len(second):
        told = f"{alone[0]} has no partner" if alone else "two files differ in their suffix only"
        raise DataError(
            f"{len(first)} images in {where[0]} and {len(second)} in {where[1]} are no pairs: {told}",
            expected="the same names on either side, suffixes aside",
            fix="bring what is missing, or remove what is alone",
        )
    return [(file, stems[stem]) for stem, file in ours.items()]


def _stem(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"{path}: cannot be read ({error.strerror})",
        expected="a file that stays where it is while it is used",
        fix="bring it back, or correct the path",
    )


def _check_halves(file: PictureFile, size: tuple[int, int]) -> None:
    if file.part != "whole" and (size[0] % 2 or size[0] < 2):
        raise DataError(
            f"{file.path}: {size[0]} x {size[1]} pixels are no two pictures side by side",
            expected="an even width: A on the left, B on the right",
            fix="replace the file, or name two folders with 'folders'",
        )


def _size_of(size: tuple[int, int], part: Part) -> tuple[int, int]:
    return size if part == "whole" else (size[0] // 2, size[1])


def _part_of(picture: Image.Image, part: Part) -> Image.Image:
    if part == "whole":
        return picture
    half = picture.width // 2
    left = 0 if part == "left" else half
    return picture.crop((left, 0, left + half, picture.height))
