"""Profile the cells of a suite, or an architecture: each in a fresh process, never in a run that is timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchbench.core.cell import Cell
from benchbench.core.errors import BenchbenchError, MeasurementError, OptionError, StoreError, unknown_name
from benchbench.core.expand import expand
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.profile import CellProfile
from benchbench.core.store import cannot_write, write_atomically
from benchbench.core.suite import Suite
from benchbench.profiling.markdown import profile_markdown
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Job, ProfileJob
from benchbench.runner.lock import exclusive_latency

LIMIT_S = 1800.0
"""After this long a profile counts as hanging."""

SUMMARY = "profile.md"
# Kineto tells every start and stop on standard error.
_ENVIRONMENT = {**KEEP_MEMORY, "KINETO_LOG_LEVEL": "99"}


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """How to profile.

    Attributes:
        out: one folder per cell is made in it, and `profile.md` beside them.
        device: cpu or cuda; auto is the GPU where there is one.
        batch: in the place of the inputs' own.
        steps: passes that are recorded, after `warmup` ones that are not.
        limit_s: after this long a cell counts as hanging.
    """

    out: Path
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch: int | None = None
    steps: int = 5
    warmup: int = 3
    limit_s: float = LIMIT_S


@dataclass(frozen=True, slots=True)
class Profiled:
    """What became of one cell: a profile in its folder, or the error that there is instead."""

    cell: Cell
    folder: Path
    profile: CellProfile | None = None
    error: BenchbenchError | None = None


def select_cells(
    suite: Suite, *, variant: str | None, only: str | None, say: Callable[[str], None]
) -> tuple[Cell, ...]:
    """The cells of a suite to profile: of those that differ in seed, data and training alone, the first.

    Raises:
        UnknownNameError: no such variant, or no cell that matches.
    """
    cells = expand(suite, only=only)
    if variant is not None:
        if variant not in suite.variants:
            raise unknown_name("variant", variant, suite.variants)
        cells = tuple(cell for cell in cells if cell.variant == variant)
        if not cells:
            raise unknown_name("variant among these cells", variant, {cell.variant for cell in expand(suite)})
    first: dict[str, Cell] = {}
    for cell in cells:
        first.setdefault(cell.model_dump_json(by_alias=True, include={"architecture", "replace"}), cell)
    if len(first) < len(cells):
        left = len(cells) - len(first)
        say(f"{left} of {len(cells)} cells have a network that another has too, and are not profiled again")
    return tuple(first.values())


def profile_cells(
    cells: Sequence[Cell],
    options: ProfileOptions,
    *,
    folders: Sequence[Path] = (),
    say: Callable[[str], None],
) -> tuple[Profiled, ...]:
    """Profile each cell in a process of its own, while no latency is measured on this machine.

    One that fails does not stop the others. Weights are random: what a pass costs does not depend on them.

    Args:
        cells: their networks are built anew, untrained.
        options: where to, and how.
        folders: where an imported module is looked for before the working directory.
        say: shows one line of progress.

    Raises:
        OptionError: the device is not here.
        StoreError: `out` cannot be written.
        LockedError: another process has measured latency for very long.
    """
    device = _choose_device(options.device)
    _check_writable(options.out)
    places = tuple(
        str(each) for each in dict.fromkeys(Path(each).resolve() for each in (*folders, Path.cwd()))
    )
    done: list[Profiled] = []
    with exclusive_latency(f"profile in {options.out}", say=say):
        for number, cell in enumerate(cells, start=1):
            say(f"[{number}/{len(cells)}] {cell.label}: profiling on {device} ...")
            job = ProfileJob(
                cell=cell,
                folder=str((options.out / cell.id).resolve()),
                device=device,
                batch=options.batch,
                warmup=options.warmup,
                steps=options.steps,
                import_folders=places,
            )
            done.append(_profile(cell, options, job))
    whole = [(each.folder.name, each.profile) for each in done if each.profile is not None]
    if whole:
        write_atomically(options.out / SUMMARY, profile_markdown(whole))
    return tuple(done)


def _profile(cell: Cell, options: ProfileOptions, job: ProfileJob) -> Profiled:
    folder = options.out / cell.id
    try:
        answer = run_isolated(Job(profile=job), environment=_ENVIRONMENT, limit_s=options.limit_s)
    except StoreError:
        # No other cell could be written either.
        raise
    except BenchbenchError as error:
        return Profiled(cell, folder, error=error)
    if answer.profile is not None:
        return Profiled(cell, folder, profile=answer.profile)
    assert answer.failure is not None
    reason = answer.failure.reason.splitlines()[0]
    return Profiled(
        cell,
        folder,
        error=MeasurementError(f"no profile of '{cell.label}': {reason}", fix=answer.failure.fix),
    )


def _choose_device(asked: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    if asked == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise OptionError("device 'cuda': there is no usable GPU here", fix="--device cpu")
    return "cpu"


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".benchbench-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(out, error) from error
