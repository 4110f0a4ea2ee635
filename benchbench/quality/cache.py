"""Features on disk: a folder per set of images and extractor, complete or not there.

<folder>/features/<key>/   quality/feature_table.py says what lies in it

An entry is written in a folder of its own and renamed when it is whole: two processes that fill one
entry at once both succeed, and the first one's is kept. The key is made from contents alone.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path

from benchbench.core.errors import FeatureError
from benchbench.core.model import JsonValue, canonical_json
from benchbench.core.store import cannot_write
from benchbench.quality.feature_table import (
    FEATURES_FILE,
    FLOAT,
    LOGITS_FILE,
    EntryMeta,
    FeatureTable,
    TableWriter,
)

CACHE_FOLDER = "BENCHBENCH_CACHE"
# Raised whenever resizing, decoding, or the layout below changes: older entries are then made anew.
FORMAT = 2
FILLING = ".filling-"
ROOFS = "roofs"
"""Where `benchbench roofline` keeps what it measured, below the cache's folder."""


def default_cache_folder() -> Path:
    """`BENCHBENCH_CACHE`, or `benchbench` below the user's cache folder."""
    named = os.environ.get(CACHE_FOLDER)
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "benchbench"


class FeatureCache:
    """All entries below one folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.folder = folder / "features"

    def find(self, source: dict[str, JsonValue]) -> FeatureTable | None:
        """The whole entry of that source, or None; a damaged or older one is removed."""
        folder = self.folder / key_of(source)
        if not folder.is_dir():
            return None
        meta = read_meta(folder)
        if meta is None or meta.format != FORMAT or meta.source != source or not _is_whole(folder, meta):
            shutil.rmtree(folder, ignore_errors=True)
            return None
        # For `prune`, which goes by the last use; a cache that may be read alone is as good.
        with suppress(OSError):
            os.utime(folder / "meta.json")
        return FeatureTable(folder, meta)

    @contextmanager
    def writing(self, source: dict[str, JsonValue], *, label: str, count: int) -> Iterator[TableWriter]:
        """A writer of `count` rows; the entry exists once the block has ended well.

        Raises:
            StoreError: the folder cannot be written.
            FeatureError: fewer rows were written than promised.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=self.folder, prefix=FILLING))
        except OSError as error:
            raise cannot_write(self.folder, error) from error
        try:
            writer = TableWriter(temporary)
            try:
                yield writer
            finally:
                writer.close()
            self._finish(writer, source, label=label, count=count)
        except OSError as error:
            raise cannot_write(temporary, error) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _finish(self, writer: TableWriter, source: dict[str, JsonValue], *, label: str, count: int) -> None:
        if writer.count != count or writer.shape is None:
            raise FeatureError(f"features of {writer.count} images came, of {count}", expected="one each")
        members, dimensions = writer.shape
        meta = EntryMeta(
            format=FORMAT,
            source=source,
            label=label,
            count=count,
            members=members,
            dimensions=dimensions,
            classes=writer.classes,
            created=time.time(),
            sha256={
                name: _hash_of(writer.folder / name)
                for name in (FEATURES_FILE, *([LOGITS_FILE] if writer.classes else []))
            },
        )
        if not writer.classes:
            (writer.folder / LOGITS_FILE).unlink()
        for file in writer.folder.iterdir():
            with file.open("rb") as opened:
                os.fsync(opened.fileno())
        (writer.folder / "meta.json").write_text(meta.model_dump_json(indent=1), encoding="utf-8")
        target = self.folder / key_of(source)
        try:
            os.rename(writer.folder, target)
        except OSError:
            # Another process was first: its entry has the same contents.
            if not target.is_dir():
                raise


def key_of(source: dict[str, JsonValue]) -> str:
    """The name of an entry: 24 hexadecimal digits over the format and what the features are made from."""
    return sha256(canonical_json({"format": FORMAT, "source": source}).encode()).hexdigest()[:24]


def read_meta(folder: Path) -> EntryMeta | None:
    """What an entry says of itself; None where it cannot be read."""
    try:
        return EntryMeta.model_validate(json.loads((folder / "meta.json").read_bytes()))
    except (OSError, ValueError):
        return None


def _is_whole(folder: Path, meta: EntryMeta) -> bool:
    sizes = {FEATURES_FILE: meta.count * meta.members * meta.dimensions}
    if meta.classes:
        sizes[LOGITS_FILE] = meta.count * meta.classes
    return all(
        (folder / name).is_file()
        and (folder / name).stat().st_size == size * FLOAT.itemsize
        and _hash_of(folder / name) == meta.sha256.get(name)
        for name, size in sizes.items()
    )


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
