"""Profile the cells of a suite, or an architecture: each in a fresh process, never in a run that is timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from benchbench.core.cell import Cell
from benchbench.core.errors import BenchbenchError, MeasurementError, StoreError, unknown_name
from benchbench.core.expand import expand_networks
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.profile import CellProfile
from benchbench.core.profile_reading import ROOF_FILE, RecordedRoof
from benchbench.core.roof import FoundRoof, Roof
from benchbench.core.store import cannot_write, fill_atomically, write_atomically
from benchbench.core.suite import Suite
from benchbench.profiling.markdown import profile_markdown
from benchbench.runner.devices import choose_device
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Job, ProfileJob
from benchbench.runner.lock import exclusive_latency
from benchbench.runner.roof import find_roof_of, read_machine

LIMIT_S = 1800.0
"""After this long a profile counts as hanging."""

SUMMARY = "profile.md"
ROOFLINES = ("roofline.svg", "roofline.png")

Draw: TypeAlias = Callable[[Sequence[CellProfile], Roof], Mapping[str, bytes]]
"""Profiles and the roof of their machine -> content of some of ROOFLINES, by name."""

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
        cache: where this machine's roof is looked for; None: nowhere.
        draw: makes the drawing of the roofline, where there is a roof.
    """

    out: Path
    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch: int | None = None
    steps: int = 5
    warmup: int = 3
    limit_s: float = LIMIT_S
    cache: Path | None = None
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class Profiled:
    """What became of one cell: a profile in its folder, or the error that there is instead.

    `found` is the roof of the machine that it was taken on; None: nobody looked.
    """

    cell: Cell
    folder: Path
    profile: CellProfile | None = None
    error: BenchbenchError | None = None
    found: FoundRoof | None = None


def select_cells(
    suite: Suite, *, variant: str | None, only: str | None, say: Callable[[str], None]
) -> tuple[Cell, ...]:
    """The cells of a suite to profile: of those that differ in seed, data and training alone, the first.

    Raises:
        UnknownNameError: no such variant, or no cell that matches.
    """
    cells = expand_networks(suite, only=only)
    if variant is not None:
        if variant not in suite.variants:
            raise unknown_name("variant", variant, suite.variants)
        cells = tuple(cell for cell in cells if cell.variant == variant)
        if not cells:
            raise unknown_name(
                "variant among these cells", variant, {cell.variant for cell in expand_networks(suite)}
            )
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
    device = choose_device(options.device)
    _check_writable(options.out)
    places = tuple(
        str(each) for each in dict.fromkeys(Path(each).resolve() for each in (*folders, Path.cwd()))
    )
    done: list[Profiled] = []
    found: FoundRoof | None = None
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
            if done[-1].profile is not None:
                if found is None and options.cache is not None:
                    found = find_roof_of(options.cache, done[-1].profile)
                # At once: who is interrupted keeps profiles that can be compared.
                write_atomically(done[-1].folder / ROOF_FILE, _record(done[-1].profile, found))
    whole = [(each.folder.name, each.profile) for each in done if each.profile is not None]
    if not whole:
        return tuple(done)
    profiles = [profile for _, profile in whole]
    plots = _draw(profiles, found, options)
    write_atomically(options.out / SUMMARY, profile_markdown(whole, found=found, plots=plots))
    return tuple(replace(each, found=found) for each in done)


def _record(profile: CellProfile, found: FoundRoof | None) -> str:
    # A report is made on another machine too, where no cache knows this one.
    if found is None:
        machine = read_machine(profile.device, profile.threads, profile.torch_version)
        found = FoundRoof(machine, why="it was not looked for")
    recorded = RecordedRoof(
        profiled_at=datetime.now(UTC).replace(microsecond=0),
        machine=found.machine,
        roof=found.roof,
        why=found.why,
    )
    return recorded.model_dump_json(indent=1)


def _draw(profiles: Sequence[CellProfile], found: FoundRoof | None, options: ProfileOptions) -> Sequence[str]:
    drawn: Mapping[str, bytes] = {}
    if found is not None and found.roof is not None and options.draw is not None:
        drawn = options.draw(profiles, found.roof)
    for name in ROOFLINES:
        path = options.out / name
        if name in drawn:
            fill_atomically(path, lambda temporary, name=name: temporary.write_bytes(drawn[name]))  # type: ignore[misc]
        else:
            # One of an earlier call would be of other networks.
            path.unlink(missing_ok=True)
    return [name for name in ROOFLINES if name in drawn]


def _profile(cell: Cell, options: ProfileOptions, job: ProfileJob) -> Profiled:
    folder = options.out / cell.id
    try:
        # That of an earlier profile says nothing of this one.
        (folder / ROOF_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
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


def _check_writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".benchbench-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(out, error) from error
