"""Where a run keeps the weights and the deployed files of a cell."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from benchbench.core.store import RunStore


def checkpoint_of(store: RunStore, cell_id: str) -> str | None:
    """The file of a cell's weights; None where it has none."""
    result = store.read_cell(cell_id)
    if result is None or result.checkpoint is None:
        return None
    path = Path(result.checkpoint)
    # A trained checkpoint lies in the run's folder; a loaded one is where the suite said.
    return str(path if path.is_absolute() else _resolve(store.folder, path))


def artefact_of(store: RunStore, cell_id: str) -> str | None:
    """The file that a cell's backend opens; None where it has none."""
    result = store.read_cell(cell_id)
    if result is None or result.deployment is None or result.deployment.artefact is None:
        return None
    return str(store.folder.resolve() / result.deployment.artefact)


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_files(files: Sequence[Path]) -> str:
    """SHA-256 over the name and the bytes of each, 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:16]


def _resolve(folder: Path, path: Path) -> Path:
    return folder / path if (folder / path).is_file() else path.resolve()
