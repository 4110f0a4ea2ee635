"""Results on disk: written whole and renamed, one file per finished thing, every old version readable.

results/<suite>/<run>/run.json            suite as resolved, environment, schema version
results/<suite>/<run>/cells/<id>.json     one CellResult, as soon as the cell ends
results/<suite>/<run>/comparisons/<id>/replicate-<n>.json   raw samples of one fresh process
results/<suite>/<run>/comparisons/<id>.json                 what they add to each cell
results/<suite>/<run>/{checkpoints,samples,traces}/
results/<suite>/latest                    a link to the newest run
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from benchbench.core.contracts import Replicate
from benchbench.core.environment import Environment
from benchbench.core.errors import StoreError
from benchbench.core.measurement import CellResult, ResultTable, RunRecord
from benchbench.core.model import Frozen
from benchbench.core.plan_order import place_in_plan
from benchbench.core.result_file import dump_result, read_result
from benchbench.core.suite import Suite

FrozenT = TypeVar("FrozenT", bound=Frozen)
Tell: TypeAlias = Callable[[StoreError], None]

# Nothing more can be written, whoever tries.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


class Addenda(Frozen):
    """What one comparison adds to the results of the cells that took part in it."""

    results: tuple[CellResult, ...]


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that a reader sees the old file or the whole new one, also after a power cut.

    Raises:
        StoreError: the folder cannot be written or the disk is full; what was there is intact.
    """
    fill_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def fill_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file, sync it to disk and put it in the place of `path`.

    Raises:
        StoreError: the folder cannot be written or the disk is full; an older file is intact.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> StoreError:
    """The error for a file that could not be written, with what to do about its cause."""
    fixes = {
        errno.ENOSPC: "free some disk space, then run again with --resume",
        errno.EDQUOT: "free some of your disk quota, then run again with --resume",
        errno.EFBIG: "raise the file-size limit (`ulimit -f`), then run again with --resume",
        errno.EROFS: "choose another folder with --out",
        errno.EACCES: "choose another folder with --out, or make this one writable",
        errno.EPERM: "choose another folder with --out, or make this one writable",
        errno.ENOTDIR: "a file is in the way: choose another folder with --out",
        errno.EEXIST: "a file is in the way: choose another folder with --out",
        errno.ENOENT: "choose another folder with --out",
    }
    return StoreError(
        f"cannot write {path}: {error.strerror or error}",
        expected="a writable folder with free space; results that were finished are intact",
        fix=fixes.get(error.errno or 0, "free some disk space, or choose another folder with --out"),
    )


class RunStore:
    """The folder of one run. `create` starts one, `find_run` finds one to resume."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def create(cls, out: Path, suite: Suite, run: RunRecord, environment: Environment) -> RunStore:
        """A new folder below `out`, with its run.json.

        Raises:
            StoreError: it cannot be written.
        """
        store = cls(out / suite.name / run.id)
        if store._run_file.exists():
            raise StoreError(f"{store.folder} exists already", fix="run again: a run is named by its second")
        link = out / suite.name / "latest"
        try:
            store.folder.mkdir(parents=True, exist_ok=True)
            temporary = link.with_name(f".latest.{run.id}")
            temporary.symlink_to(run.id, target_is_directory=True)
            os.replace(temporary, link)
        except OSError as error:
            raise cannot_write(link, error) from error
        # After the link, so that a run which was begun is the newest, whenever its process is killed.
        store.write_header(suite, run, environment)
        return store

    @property
    def _run_file(self) -> Path:
        return self.folder / "run.json"

    def write_header(self, suite: Suite, run: RunRecord, environment: Environment) -> None:
        """Write run.json; the cells stay in files of their own."""
        table = ResultTable(suite=suite, run=run, environment=environment)
        write_atomically(self._run_file, dump_result(table, indent=1))

    def cell_file(self, cell_id: str) -> Path:
        """Where a finished cell lies."""
        return self.folder / "cells" / f"{cell_id}.json"

    def write_cell(self, result: CellResult) -> None:
        """Keep a finished cell."""
        write_atomically(self.cell_file(result.cell.id), dump_result(result))

    def read_cell(self, cell_id: str) -> CellResult | None:
        """A finished cell, or None."""
        return _read_if_there(self.cell_file(cell_id), CellResult)

    def replicate_file(self, comparison_id: str, index: int) -> Path:
        """Where the raw samples of one fresh process lie."""
        return self.folder / "comparisons" / comparison_id / f"replicate-{index}.json"

    def write_replicate(self, comparison_id: str, index: int, replicate: Replicate) -> None:
        """Keep the raw samples of one fresh process."""
        write_atomically(self.replicate_file(comparison_id, index), dump_result(replicate))

    def read_replicate(self, comparison_id: str, index: int) -> Replicate | None:
        """The raw samples of one fresh process, or None."""
        return _read_if_there(self.replicate_file(comparison_id, index), Replicate)

    def comparison_file(self, comparison_id: str) -> Path:
        """Where what a comparison found lies."""
        return self.folder / "comparisons" / f"{comparison_id}.json"

    def write_comparison(self, comparison_id: str, results: Iterable[CellResult]) -> None:
        """Keep what a comparison adds to its cells."""
        write_atomically(self.comparison_file(comparison_id), dump_result(Addenda(results=tuple(results))))

    def read_comparison(self, comparison_id: str) -> tuple[CellResult, ...] | None:
        """What a comparison added to its cells, or None."""
        addenda = _read_if_there(self.comparison_file(comparison_id), Addenda)
        return None if addenda is None else addenda.results

    def check_file(self, path: Path) -> None:
        """Read a cell, a comparison or a replicate of this run.

        Raises:
            DamagedResultError: it is not whole.
            StoreError: it cannot be opened, or is of a newer version.
        """
        if path.parent == self.folder / "cells":
            read_result(path, CellResult)
        else:
            read_result(path, Addenda if path.parent == self.folder / "comparisons" else Replicate)

    def read_header(self) -> ResultTable:
        """What run.json says: the suite, the run and its machine; no results.

        Raises:
            StoreError: it is missing, damaged or of a newer version.
        """
        if not self._run_file.is_file():
            raise StoreError(f"no run at {self.folder}", expected="a folder that holds run.json")
        return read_result(self._run_file, ResultTable)

    def read_table(self, *, tell: Tell | None = None) -> ResultTable:
        """Everything in the folder, comparisons merged into their cells.

        Args:
            tell: is given what is wrong with a cell or a comparison, which is then left out; without it
                that is raised.

        Raises:
            StoreError: run.json is missing, or a file is damaged or of a newer version.
        """
        table = self.read_header()
        results: dict[str, CellResult] = {}
        for path in sorted((self.folder / "cells").glob("*.json")):
            if (result := _parse_or_tell(path, CellResult, tell)) is not None:
                results[result.cell.id] = result
        for path in sorted((self.folder / "comparisons").glob("*.json")):
            addenda = _parse_or_tell(path, Addenda, tell)
            for addendum in addenda.results if addenda is not None else ():
                known = results.get(addendum.cell.id)
                results[addendum.cell.id] = known.merged(addendum) if known else addendum
        ordered = sorted(results.values(), key=lambda each: place_in_plan(each.cell, table.suite))
        return table.model_copy(update={"results": tuple(ordered), "folder": str(self.folder), "unread": ()})


def new_run_id(now: datetime | None = None) -> str:
    """A name that sorts by time: 20261121-014412."""
    return (now or datetime.now(UTC)).strftime("%Y%m%d-%H%M%S")


def find_run(path: str | Path) -> Path:
    """The run folder that `path` means: itself, or the newest below a suite's folder.

    Raises:
        StoreError: there is none.
    """
    folder = Path(path)
    if (folder / "run.json").is_file():
        return folder.resolve()
    if folder.is_file() and folder.name == "run.json":
        return folder.parent.resolve()
    if folder.name == "latest":
        # A copy of a results folder may have lost its link; a run killed at once has left no run.json.
        folder = folder.parent
    runs = sorted(folder.glob("*/run.json")) if folder.is_dir() else []
    if runs:
        newest = folder / "latest" / "run.json"
        return (newest if newest.is_file() else runs[-1]).parent.resolve()
    raise StoreError(
        f"no run at {path}",
        expected="a run's folder (it holds run.json), or a suite's folder below results/",
        fix="`benchbench run SUITE` makes one",
    )


def read_run(path: str | Path, *, tell: Tell | None = None) -> ResultTable:
    """The results of a run, from its folder, `results/<suite>/latest` or `results/<suite>`.

    Raises:
        StoreError: no run is there, or a file is damaged or of a newer version and `tell` is not given it.
    """
    return RunStore(find_run(path)).read_table(tell=tell)


def _read_if_there(path: Path, model: type[FrozenT]) -> FrozenT | None:
    return read_result(path, model) if path.is_file() else None


def _parse_or_tell(path: Path, model: type[FrozenT], tell: Tell | None) -> FrozenT | None:
    try:
        return read_result(path, model)
    except StoreError as error:
        if tell is None:
            raise
        tell(error)
        return None
