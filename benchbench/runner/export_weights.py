"""Where the weights of an exported model come from: a run, the suite's `load`, or the seed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.errors import CheckpointError, StoreError
from benchbench.core.measurement import CellResult, ResultTable
from benchbench.core.model import parse_options
from benchbench.core.reading import one_line
from benchbench.core.registry import RECIPES
from benchbench.core.store import RunStore, find_run
from benchbench.runner.export_facts import Weights
from benchbench.runner.files import checkpoint_of, digest_of_file
from benchbench.runner.subjects import check_file, declared_checkpoint


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run that holds the network of a cell, finished.

    Attributes:
        table: what of it could be read; `unread` says what could not.
        network: the result of the network in eager float32.
    """

    store: RunStore
    table: ResultTable
    network: CellResult


def find_weights_run(
    suite: str, cell: Cell, *, run: str | Path | None, results: Path, command: str
) -> FoundRun | None:
    """The run that was named, or the newest of the suite; None where none was named and it lacks the cell.

    Args:
        suite: its name.
        cell: its network is looked for.
        command: what makes such a run, for messages.

    Raises:
        StoreError: no run is where one was named, or it, or the cell's file, is damaged.
        CheckpointError: the cell failed in it, or a run that was named does not hold it.
    """
    try:
        folder = find_run(results / suite if run is None else run)
    except StoreError:
        if run is not None:
            raise
        return None
    store = RunStore(folder)
    header = store.read_header()
    wanted = cell.network
    network = store.read_cell(wanted.id)
    if network is None:
        if run is None:
            return None
        raise CheckpointError(
            f"the run {folder} does not hold '{wanted.label}' ({wanted.id})",
            expected=_what_it_holds(store, cell) or f"a run of the suite '{suite}'",
            fix=f"give the --set and --profile of that run ({header.run.command}), or another --run",
        )
    if network.failure is not None:
        raise CheckpointError(
            f"'{wanted.label}' failed in the run {folder}: {network.failure.kind}: "
            f"{network.failure.reason.splitlines()[0]}",
            expected="a cell that finished",
            fix=network.failure.fix or command,
        )
    unread: list[str] = []
    table = store.read_table(tell=lambda error: unread.append(one_line(error)))
    return FoundRun(store, table.model_copy(update={"unread": tuple(unread)}), network)


def weights_of(
    suite: str, cell: Cell, found: FoundRun | None, *, results: Path, command: str
) -> tuple[Weights, Path | None]:
    """The weights to export and their file: a run's, else what `load` names, else those of the seed.

    Raises:
        CheckpointError: the suite trains and there is no run, or the file is missing.
    """
    declared = cell.train
    if found is not None and found.network.checkpoint is not None:
        path = Path(checkpoint_of(found.store, cell.network.id) or "")
        if not path.is_file():
            raise CheckpointError(
                f"the run {found.store.folder} has lost the weights of '{cell.network.label}' ({path})",
                fix=f"{command} --resume",
            )
        if declared is not None and declared.recipe is not None:
            return _trained(cell, found, path), path
        return _loaded(cell, path), path
    path_or_none = declared_checkpoint(cell)
    if path_or_none is not None:
        check_file(path_or_none, cell)
        return _loaded(cell, path_or_none), path_or_none.resolve()
    if declared is not None:
        raise _untrained(suite, cell, results=results, command=command)
    return Weights(origin="random", seed=cell.seed), None


def _digest(path: Path) -> str:
    try:
        return digest_of_file(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _loaded(cell: Cell, path: Path) -> Weights:
    # The name alone: a card goes to others, whom folders of this machine do not concern.
    return Weights(origin="loaded", file=path.name, sha256=_digest(path), seed=cell.seed)


def _trained(cell: Cell, found: FoundRun, path: Path) -> Weights:
    assert cell.train is not None
    assert cell.train.recipe is not None
    recipe = RECIPES.load(cell.train.recipe)
    options = parse_options("recipe", cell.train.recipe, recipe.options, cell.train.options)
    folder = found.store.folder
    time_figure = found.network.measurement("training_time")
    return Weights(
        origin="trained",
        file=str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name,
        sha256=_digest(path),
        run=found.table.run.id,
        recipe=cell.train.recipe,
        steps=getattr(options, "steps", None),
        options=dict(cell.train.options),
        seed=cell.seed,
        notes=() if time_figure is None else time_figure.flags,
    )


def _untrained(suite: str, cell: Cell, *, results: Path, command: str) -> CheckpointError:
    wanted = cell.network
    folder = results / suite
    elsewhere = [
        path.parent.parent
        for path in sorted(folder.glob(f"*/cells/{wanted.id}.json"), reverse=True)
        if not path.parent.parent.is_symlink()
    ]
    if elsewhere:
        return CheckpointError(
            f"the newest run below {folder} has no trained weights of '{wanted.label}' ({wanted.id})",
            expected="a run that holds it",
            fix=f"--run {shlex.quote(str(elsewhere[0]))}, which does",
        )
    held = None
    try:
        held = _what_it_holds(RunStore(find_run(folder)), cell)
    except StoreError:
        held = None
    return CheckpointError(
        f"no trained weights of '{wanted.label}' ({wanted.id}) below {folder}",
        expected=held or "a run of this suite that holds the cell, finished; or `train: {load: ...}`",
        fix=f"{command} makes them; or name a run with --run, or load: --set 'train={{load: FILE}}'",
    )


def _what_it_holds(store: RunStore, cell: Cell) -> str | None:
    """Cells of the same variant, which differ in what was declared of them."""
    # Ids are made of the variant's name where it can be part of a file's name.
    start = cell.network.id.rpartition("-")[0]
    names = [path.stem for path in sorted((store.folder / "cells").glob(f"{start}-*.json"))]
    own = [each for each in names if each.rpartition("-")[0] == start]
    if not own:
        return None
    header = store.read_header()
    said = header.run.command or "another declaration"
    return f"what the run was of: {store.folder} holds {', '.join(own)} ({said})"
