"""Profiles from their folders: what is whole of them, and a line for what is not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import AwareDatetime, JsonValue, ValidationError

from benchbench.core.errors import StoreError
from benchbench.core.measurement import ResultTable
from benchbench.core.model import Frozen
from benchbench.core.profile import PROFILE_SCHEMA, CellProfile
from benchbench.core.roof import FoundRoof, Roof, RoofMachine

PROFILE_FILE = "profile.json"
ROOF_FILE = "roof.json"
RECORD_SCHEMA = 1
# A profile of 1,000 modules has 2 MB.
_LARGEST_BYTES = 64 * 2**20
# No count, time or rate of a network comes near; larger ones would be infinite somewhere.
_LARGEST_NUMBER = 1e21
_ADDS_UP = 0.05

RecordT = TypeVar("RecordT", bound=Frozen)


class RecordedRoof(Frozen):
    """`roof.json` beside a profile: the machine that it was taken on, and its roof as it was known then.

    Attributes:
        profiled_at: in UTC.
        why: there is no roof; None where there is one.
    """

    schema_version: int = RECORD_SCHEMA
    profiled_at: AwareDatetime
    machine: RoofMachine
    roof: Roof | None = None
    why: str | None = None

    @property
    def found(self) -> FoundRoof:
        """The roof as `benchbench profile` found it."""
        return FoundRoof(self.machine, self.roof, self.why)


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """One profile on disk.

    Attributes:
        folder: its folder below the one that was read; "." for that one itself.
        recorded: its machine and roof; None where that was not recorded or cannot be read.
        flame: the flame graph's text, not looked into; None where there is none.
    """

    folder: str
    profile: CellProfile
    recorded: RecordedRoof | None = None
    flame: str | None = None


@dataclass(frozen=True, slots=True)
class ProfilesRead:
    """What could be read; `notes` say in a line each what could not.

    `asked` is "told" where a user named the folders, so that a profile of no network of the report is worth a
    line; "found" where they lay beside the run.
    """

    profiles: tuple[StoredProfile, ...]
    notes: tuple[str, ...] = ()
    asked: str = "told"


def profile_folders(tables: Sequence[ResultTable]) -> tuple[Path, ...]:
    """Where profiles lie beside these runs: per run the first of three folders that is there.

    `profiles` in the run's own folder, in the suite's, and beside the results folder, where
    `benchbench profile` puts them unless told otherwise.
    """
    found: dict[Path, None] = {}
    for table in tables:
        if table.folder is None:
            continue
        run = Path(table.folder)
        places = [run]
        if run.parent.name == table.suite.name:
            places += [run.parent, run.parent.parent.parent]
        folder = next((each / "profiles" for each in places if (each / "profiles").is_dir()), None)
        if folder is not None:
            found[folder] = None
    return tuple(found)


def read_profiles(folders: Sequence[str | Path], *, asked: str = "told") -> ProfilesRead:
    """Every profile below the folders, in the order of their names.

    Raises:
        StoreError: a folder is not there, or holds no profile.
    """
    profiles: list[StoredProfile] = []
    notes: list[str] = []
    for folder in map(Path, folders):
        files = sorted(folder.rglob(PROFILE_FILE)) if folder.is_dir() else []
        if not files and asked == "told":
            raise StoreError(
                f"no profile below {folder}" if folder.is_dir() else f"no folder {folder}",
                expected=f"a folder in which `benchbench profile` left {PROFILE_FILE}",
                fix="benchbench profile SUITE",
            )
        for file in files:
            name = file.parent.relative_to(folder).as_posix()
            try:
                profiles.append(_read_one(file, name, notes))
            except StoreError as error:
                notes.append(f"profile {name}: {error.problem}")
    return ProfilesRead(tuple(profiles), tuple(notes), asked)


def _read_one(file: Path, name: str, notes: list[str]) -> StoredProfile:
    profile = _read_record(file, CellProfile, PROFILE_SCHEMA)
    parts_s = sum(layer.own_s for layer in profile.layers)
    short = profile.clock == "host" and parts_s < profile.time_s * (1 - _ADDS_UP)
    # On a GPU there are gaps between what its layers do.
    if short or parts_s > profile.time_s * (1 + _ADDS_UP):
        raise StoreError(f"{file.name} is damaged: its layers' own times do not add up to the whole")
    recorded = None
    roof_file = file.with_name(ROOF_FILE)
    if roof_file.exists():
        try:
            recorded = _read_record(roof_file, RecordedRoof, RECORD_SCHEMA)
        except StoreError as error:
            notes.append(f"profile {name}: {error.problem}")
    if recorded is not None and not _belongs(recorded.machine, profile):
        notes.append(f"profile {name}: {ROOF_FILE} is of another setting, and is left out")
        recorded = None
    return StoredProfile(name, profile, recorded, _read_flame(file.parent, profile.flame))


def _belongs(machine: RoofMachine, profile: CellProfile) -> bool:
    ours = (machine.device, machine.threads, machine.torch_version)
    return ours == (profile.device, profile.threads, profile.torch_version)


def _read_flame(folder: Path, name: str) -> str | None:
    # The name comes from a file, and must not lead elsewhere.
    file = folder / Path(name).name
    if not name or Path(name).name != name or file.is_symlink() or not file.is_file():
        return None
    try:
        return file.read_text(encoding="utf-8") if file.stat().st_size <= _LARGEST_BYTES else None
    except (OSError, ValueError):
        return None


def _read_record(file: Path, model: type[RecordT], newest: int) -> RecordT:
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise StoreError(f"{file.name} is too large to be one")
        content = file.read_bytes()
        document: JsonValue = json.loads(content)
    except OSError as error:
        raise StoreError(f"cannot read {file.name}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{file.name} is damaged: it is no JSON") from error
    version = document.get("schema_version", 1) if isinstance(document, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError(f"{file.name} is damaged: it says no schema version")
    if version > newest:
        raise StoreError(f"{file.name} has schema version {version}; update benchbench to read it")
    if not all(abs(each) <= _LARGEST_NUMBER for each in _numbers(document)):
        raise StoreError(f"{file.name} is damaged: a number in it is not finite")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{file.name} is damaged: {key}: {first['msg']}"[:200]) from error


def _numbers(value: JsonValue) -> Iterator[float]:
    # A stack, because a hostile document may be nested deeper than Python calls.
    waiting: list[JsonValue] = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, (int, float)):
            yield each
