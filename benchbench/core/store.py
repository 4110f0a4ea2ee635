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
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError

from benchbench.core.contracts import Replicate
from benchbench.core.environment import Environment
from benchbench.core.errors import Location, StoreError
from benchbench.core.measurement import SCHEMA_VERSION, CellResult, ResultTable, RunRecord
from benchbench.core.model import Frozen
from benchbench.core.plan_order import place_in_plan
from benchbench.core.suite import Suite

FrozenT = TypeVar("FrozenT", bound=Frozen)
Document: TypeAlias = dict[str, JsonValue]
Tell: TypeAlias = Callable[[StoreError], None]

# version -> what turns a document of that version into one of the next; it is given the kind of document
# (ResultTable, CellResult, Addenda or Replicate) and its content.
MIGRATIONS: dict[int, Callable[[str, Document], Document]] = {}


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
        write_atomically(self._run_file, _dump(table, indent=1))

    def cell_file(self, cell_id: str) -> Path:
        """Where a finished cell lies."""
        return self.folder / "cells" / f"{cell_id}.json"

    def write_cell(self, result: CellResult) -> None:
        """Keep a finished cell."""
        write_atomically(self.cell_file(result.cell.id), _dump(result))

    def read_cell(self, cell_id: str) -> CellResult | None:
        """A finished cell, or None."""
        return _read_if_there(self.cell_file(cell_id), CellResult)

    def replicate_file(self, comparison_id: str, index: int) -> Path:
        """Where the raw samples of one fresh process lie."""
        return self.folder / "comparisons" / comparison_id / f"replicate-{index}.json"

    def write_replicate(self, comparison_id: str, index: int, replicate: Replicate) -> None:
        """Keep the raw samples of one fresh process."""
        write_atomically(self.replicate_file(comparison_id, index), _dump(replicate))

    def read_replicate(self, comparison_id: str, index: int) -> Replicate | None:
        """The raw samples of one fresh process, or None."""
        return _read_if_there(self.replicate_file(comparison_id, index), Replicate)

    def comparison_file(self, comparison_id: str) -> Path:
        """Where what a comparison found lies."""
        return self.folder / "comparisons" / f"{comparison_id}.json"

    def write_comparison(self, comparison_id: str, results: Iterable[CellResult]) -> None:
        """Keep what a comparison adds to its cells."""
        write_atomically(self.comparison_file(comparison_id), _dump(Addenda(results=tuple(results))))

    def read_comparison(self, comparison_id: str) -> tuple[CellResult, ...] | None:
        """What a comparison added to its cells, or None."""
        addenda = _read_if_there(self.comparison_file(comparison_id), Addenda)
        return None if addenda is None else addenda.results

    def read_table(self, *, tell: Tell | None = None) -> ResultTable:
        """Everything in the folder, comparisons merged into their cells.

        Args:
            tell: is given what is wrong with a cell or a comparison, which is then left out; without it
                that is raised.

        Raises:
            StoreError: run.json is missing, or a file is damaged or of a newer version.
        """
        if not self._run_file.is_file():
            raise StoreError(f"no run at {self.folder}", expected="a folder that holds run.json")
        table = _parse(self._run_file, ResultTable)
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
        return table.model_copy(update={"results": tuple(ordered), "folder": str(self.folder)})


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


def _dump(content: Frozen, *, indent: int | None = None) -> str:
    # Every file says its version: a run that an older benchbench began may be finished by a newer one.
    document = content.model_dump(mode="json", by_alias=True)
    if isinstance(content, ResultTable):
        del document["results"]
    return json.dumps({**document, "schema_version": SCHEMA_VERSION}, indent=indent, ensure_ascii=False)


def _read_if_there(path: Path, model: type[FrozenT]) -> FrozenT | None:
    return _parse(path, model) if path.is_file() else None


def _parse_or_tell(path: Path, model: type[FrozenT], tell: Tell | None) -> FrozenT | None:
    try:
        return _parse(path, model)
    except StoreError as error:
        if tell is None:
            raise
        tell(error)
        return None


def _parse(path: Path, model: type[FrozenT]) -> FrozenT:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(path, str(error), model) from error
    if not isinstance(document, dict):
        raise _damaged(path, f"it holds a {type(document).__name__}", model)
    version = document.pop("schema_version", 1)
    if not isinstance(version, int) or version < 1:
        raise _damaged(path, f"schema_version is {version!r}", model, key="schema_version")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version}",
            expected=f"a version up to {SCHEMA_VERSION}",
            fix="update benchbench",
        )
    for older in range(version, SCHEMA_VERSION):
        document = MIGRATIONS[older](model.__name__, document)
    try:
        # Through JSON, because strict fields take a list for a tuple from there alone.
        return model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, first["msg"], model, key=key) from error


def _damaged(path: Path, what: str, model: type[Frozen], *, key: str = "") -> StoreError:
    if model is ResultTable:
        fix = "restore it, or run the suite anew, without --resume"
    else:
        fix = "delete the file and run again with --resume: what it held is measured anew"
    return StoreError(
        f"damaged result file: {what}",
        expected=f"a {model.__name__} as benchbench writes it",
        fix=fix,
        where=Location(str(path), key=key or None),
    )
