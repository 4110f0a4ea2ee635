"""What lies in the cache, and its removal: features, networks trained on references, measured roofs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.errors import StoreError
from benchbench.quality.cache import FILLING, ROOFS, read_meta
from benchbench.quality.feature_table import FEATURES_FILE

# What a killed process left; one that is being filled is written to all the time.
_ABANDONED_S = 3600.0


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """One entry; `count` images (0 of what has none), `bytes` on disk, `used` in seconds since the epoch."""

    path: Path
    label: str
    count: int
    bytes: int
    used: float


def cache_entries(root: Path) -> list[CacheEntry]:
    """Every entry below the cache's folder, the last used first; none where there is no folder.

    Raises:
        StoreError: a file is in its place.
    """
    if root.exists() and not root.is_dir():
        raise StoreError(f"{root} is a file", expected="the cache's folder", fix="correct --cache")
    return sorted([*_feature_entries(root), *_networks(root), *_roofs(root)], key=lambda entry: -entry.used)


def prune_cache(root: Path, *, unused_s: float = 0.0, now: float | None = None) -> list[CacheEntry]:
    """Remove what was not used for `unused_s` seconds, and what killed processes left.

    Returns:
        The entries that are gone.

    Raises:
        StoreError: one cannot be removed.
    """
    moment = time.time() if now is None else now
    # Everything is asked for where no time is: clocks of file servers differ.
    gone = [entry for entry in cache_entries(root) if not unused_s or moment - entry.used >= unused_s]
    try:
        for path in (*(entry.path for entry in gone), *_abandoned(root, moment)):
            # Another process may have removed it meanwhile.
            with suppress(FileNotFoundError):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
    except OSError as error:
        raise StoreError(
            f"cannot remove {error.filename}: {error.strerror}", fix="make the cache's folder writable"
        ) from error
    return gone


def _abandoned(root: Path, moment: float) -> Iterator[Path]:
    for left in (root / "features").glob(f"{FILLING}*"):
        # One that is gone by now was renamed or removed by its own process.
        with suppress(FileNotFoundError):
            if (
                left.is_dir()
                and moment - max(file.stat().st_mtime for file in (left, *left.iterdir())) >= _ABANDONED_S
            ):
                yield left


def _feature_entries(root: Path) -> Iterator[CacheEntry]:
    for folder in (root / "features").glob("[0-9a-f]*"):
        # One that another process removes meanwhile is none.
        with suppress(FileNotFoundError, NotADirectoryError):
            meta = read_meta(folder)
            size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
            if meta is None or not (folder / FEATURES_FILE).is_file():
                yield CacheEntry(folder, "damaged", 0, size, 0.0)
            else:
                used = (folder / "meta.json").stat().st_mtime
                yield CacheEntry(folder, meta.label, meta.count, size, used)


def _networks(root: Path) -> Iterator[CacheEntry]:
    for kind in ("encoders", "segmenters"):
        for path in (root / kind).glob("*.safetensors"):
            with suppress(FileNotFoundError):
                status = path.stat()
                label = f"a trained {kind.removesuffix('s')}"
                yield CacheEntry(path, label, 0, status.st_size, status.st_mtime)


def _roofs(root: Path) -> Iterator[CacheEntry]:
    for path in (root / ROOFS).glob("*.json"):
        with suppress(FileNotFoundError):
            status = path.stat()
            yield CacheEntry(path, "a machine's roof", 0, status.st_size, status.st_mtime)
