"""Result files of a run that are not whole, put aside so that what they held is measured anew."""

from __future__ import annotations

import os
from pathlib import Path

from benchbench.core.errors import DamagedResultError
from benchbench.core.store import RunStore, cannot_write

SUFFIX = ".damaged"


def damaged_files(store: RunStore) -> tuple[Path, ...]:
    """Cells, comparisons and replicates that were half written, or changed since.

    Raises:
        StoreError: one cannot be opened, or is of a newer version: those are whole, and not put aside.
    """
    found: list[Path] = []
    for pattern in ("cells/*.json", "comparisons/*.json", "comparisons/*/replicate-*.json"):
        for path in sorted(store.folder.glob(pattern)):
            try:
                store.check_file(path)
            except DamagedResultError:
                found.append(path)
    return tuple(found)


def put_aside(path: Path) -> Path:
    """Rename the file so that no reader takes it for a result; what it holds is kept.

    Raises:
        StoreError: the folder cannot be written.
    """
    aside = path.with_name(path.name + SUFFIX)
    try:
        os.replace(path, aside)
    except OSError as error:
        raise cannot_write(aside, error) from error
    return aside
