"""Image files in a folder or a zip, found by name and read when asked for."""

from __future__ import annotations

import hashlib
import lzma
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

import torch

from benchbench.core.errors import DataError
from benchbench.data.collection import AHEAD, READERS, digest_of_contents
from benchbench.data.conversion import Conversion
from benchbench.data.decoding import codec_of, decode, load
from benchbench.data.labels import LABEL_FILES, labels_of_folders, read_labels
from benchbench.data.prefetch import read_ahead

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_UNREADABLE = (OSError, KeyError, ValueError, RuntimeError, EOFError,
               zipfile.BadZipFile, zlib.error, lzma.LZMAError)  # fmt: skip


class ImageFiles:
    """Files by name, sorted; `[i]` is decoded and converted as declared.

    Args:
        where: the folder or archive, for messages.
        names: of all files there, relative, with `/`.
        read: name -> the file's bytes; called from several threads.
        conversion: how they become RGB bytes.

    Raises:
        DataError: there are no files, none is an image by its name, labels do not fit, or, with
            `on_broken: skip`, none is an image by its content.
    """

    def __init__(
        self, where: Path, names: Sequence[str], *, read: Callable[[str], bytes], conversion: Conversion
    ) -> None:
        self.where, self.conversion, self._read = where, conversion, read
        images = {name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES}
        others = sorted(set(names) - images - set(LABEL_FILES))
        if not images:
            raise _no_images(where, sorted(names))
        self.names: Sequence[str] = tuple(sorted(images))
        self.left_out: Sequence[str] = ()
        if others:
            told = "1 file" if len(others) == 1 else f"{len(others)} files"
            self.left_out = (f"{where}: {told} with other suffixes than images have: {others[0]}",)
        if conversion.on_broken == "skip":
            self._leave_out_broken()
        self.labels: Sequence[int] | None = self._find_labels(names, passed_over=images)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> torch.Tensor:
        name = self.names[index]
        content = self._content(name)
        # Known already where features are to be kept under these hashes: another content is another image.
        known = self.__dict__.get("digests")
        if known is not None and hashlib.sha256(content).hexdigest() != known[index]:
            raise DataError(
                f"{self._told(name)}: it changed while it was read",
                expected="files that nobody writes to meanwhile",
                fix="run again when they are finished",
            )
        return decode(content, self._told(name), self.conversion)

    @cached_property
    def digests(self) -> Sequence[str]:
        """SHA-256 of each file's bytes."""
        return tuple(digest for digest, _ in self._contents)

    @cached_property
    def codecs(self) -> Sequence[str]:
        """What the files are by their first bytes, sorted."""
        return tuple(sorted({codec for _, codec in self._contents}))

    @cached_property
    def digest(self) -> str:
        """Of all files and the conversion, in any order."""
        return digest_of_contents(self.digests, self.conversion)

    @cached_property
    def _contents(self) -> tuple[tuple[str, str], ...]:
        def look(index: int) -> tuple[str, str]:
            content = self._content(self.names[index])
            return hashlib.sha256(content).hexdigest(), codec_of(content)

        return tuple(found for _, found in read_ahead(look, range(len(self)), workers=READERS, ahead=AHEAD))

    def _told(self, name: str) -> str:
        return f"{self.where}/{name}"

    def _content(self, name: str) -> bytes:
        try:
            return self._read(name)
        except _UNREADABLE as error:
            told = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise DataError(
                f"{self._told(name)}: cannot be read ({told})",
                expected="a file that stays as it is while it is used",
                fix="remove or replace the file, and run again",
            ) from None

    def _leave_out_broken(self) -> None:
        names = self.names

        def complaint(index: int) -> str | None:
            name = names[index]
            try:
                load(self._content(name), self._told(name), self.conversion)
            except DataError as error:
                return error.problem
            return None

        found = list(read_ahead(complaint, range(len(names)), workers=READERS, ahead=AHEAD))
        self.left_out = (*self.left_out, *(told for _, told in found if told))
        self.names = tuple(names[index] for index, told in found if not told)
        if not self.names:
            raise DataError(
                f"{self.where}: none of its {len(found)} image files can be read, {found[0][1]}",
                expected="whole pictures",
                fix="bring the files again",
            )

    def _find_labels(self, names: Sequence[str], *, passed_over: set[str]) -> Sequence[int] | None:
        for name in LABEL_FILES:
            if name in names:
                known = read_labels(self._content(name), self._told(name))
                if known is not None:
                    return known.match(self.names, passed_over=passed_over)
        return labels_of_folders(self.names)


def open_folder_of_images(folder: Path, conversion: Conversion) -> ImageFiles:
    """Every image below `folder`, links followed, hidden files aside.

    Raises:
        DataError: it cannot be read, is empty or holds no image.
    """
    names = list(_files_below(folder))
    return ImageFiles(folder, names, read=lambda name: (folder / name).read_bytes(), conversion=conversion)


def open_zip_of_images(archive: Path, conversion: Conversion) -> ImageFiles:
    """Every image in a zip, whatever its order; hidden files and __MACOSX aside.

    Raises:
        DataError: it is no zip, is damaged, or holds no image.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (*_UNREADABLE,) as error:
        raise DataError(
            f"{archive}: no readable zip ({error})", expected="a zip of images", fix="bring the file again"
        ) from None
    lock = threading.Lock()

    def read(name: str) -> bytes:
        # zipfile counts what is open without a lock; decoding, which is slower, needs none.
        with lock:
            return opened.read(name)

    names = [
        info.filename
        for info in opened.infolist()
        if not info.is_dir()
        and not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(info.filename).parts)
    ]
    return ImageFiles(archive, names, read=read, conversion=conversion)


def _files_below(folder: Path) -> Iterator[str]:
    def fail(error: OSError) -> None:
        raise DataError(
            f"{error.filename}: cannot be read ({error.strerror})",
            expected="a folder that may be listed",
            fix="change its permissions, or move it away",
        )

    seen: set[str] = set()
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            # A link back up, or a second way to the same folder, would count every image again.
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for name in files:
            path = Path(place, name)
            if not name.startswith(".") and (path.is_symlink() or path.is_file()):
                yield path.relative_to(folder).as_posix()


def _no_images(where: Path, others: Sequence[str]) -> DataError:
    if not others:
        return DataError(
            f"{where} is empty",
            expected="images in it, or in folders below",
            fix="name the folder that has the images",
        )
    return DataError(
        f"{where}: none of its {len(others)} files is an image by its name: {others[0]}",
        expected=f"files that end in {', '.join(SUFFIXES)}",
        fix="name the folder that has the images",
    )
