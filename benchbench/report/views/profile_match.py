"""Which network a profile is of: what was declared, and not what it was called."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from benchbench.core.cell import Cell, Setting
from benchbench.core.model import JsonValue, canonical_json, dump_declared
from benchbench.core.profile import CellProfile
from benchbench.core.profile_reading import StoredProfile
from benchbench.report.views.lines import Line

_LONGEST = 60


def network_key(cell: Cell) -> str:
    """What determines the generator: architecture, options, input and what is replaced in it."""
    replaced: list[JsonValue] = [
        dump_declared(each) for each in cell.replace if each.network != "discriminator"
    ]
    return canonical_json({"architecture": dump_declared(cell.architecture), "replace": replaced})


def counted_otherwise(lines: Sequence[Line], profile: CellProfile) -> str | None:
    """Why a profile of the same declaration is of another network: its code changed in between."""
    if any("folded" in note for note in profile.notes) or profile.macs <= 0 or profile.batch < 1:
        return None
    for line in lines:
        for result in line.results:
            counted = next((each.value for each in result.measurements if each.name == "macs"), None)
            # The run may have counted another batch.
            if counted is None or not math.isfinite(counted):
                continue
            if (int(counted) * profile.batch) % profile.macs:
                return (
                    f"it counts {profile.macs:,} MACs at batch {profile.batch} and the run "
                    f"{int(counted):,}: the network has changed in between"
                )
    return None


def refusals(line: Line, others: Sequence[StoredProfile]) -> list[str]:
    """A line for each of `others` that is called as `line` and is of another network."""
    cell = line.results[0].cell
    return [
        f"profile {each.folder}: of another declaration than {line_label(line)} here, and not shown "
        f"({_difference(each.profile.cell, cell)})"
        for each in namesakes(line, others)
    ]


def namesakes(line: Line, others: Sequence[StoredProfile]) -> list[StoredProfile]:
    """Those of `others` that are called as `line`."""
    called = (line.variant, line.settings)
    return [
        each
        for each in others
        if (each.profile.cell.variant, _unseeded(each.profile.cell.settings)) == called
    ]


def _difference(theirs: Cell, ours: Cell) -> str:
    mine, other = dump_declared(ours.architecture), dump_declared(theirs.architecture)
    for key in dict.fromkeys((*other, *mine)):
        if mine.get(key) != other.get(key):
            return f"{cut(key)} {_value(other, key)} there, {_value(mine, key)} here"
    return "other layers are replaced"


def _value(declared: Mapping[str, JsonValue], key: str) -> str:
    if key not in declared:
        return "left to its default"
    value = declared[key]
    return cut(value if isinstance(value, str) else canonical_json(value))


def _unseeded(settings: Sequence[Setting]) -> tuple[Setting, ...]:
    return tuple(each for each in settings if each.key.rsplit(".", 1)[-1] != "seed")


def line_label(line: Line) -> str:
    """The variant and what was swept, without the run."""
    return " ".join([line.variant, *map(str, line.settings)])


def cut(text: str) -> str:
    """What a file or a machine says, not longer than a line takes."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
