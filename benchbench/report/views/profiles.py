"""Profiles beside the cells whose networks they are of, by setting; none ever stands for another network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from benchbench.core.cell import Cell
from benchbench.core.explain import caution_of, explain
from benchbench.core.model import JsonValue, canonical_json
from benchbench.core.profile import CellProfile
from benchbench.core.profile_reading import ProfilesRead, StoredProfile
from benchbench.core.roof import FoundRoof
from benchbench.core.roofline import Limits, limits_of
from benchbench.report.views.lines import Line, reference_of
from benchbench.report.views.profile_match import (
    counted_otherwise,
    cut,
    line_label,
    namesakes,
    network_key,
    refusals,
)

_NAMED = 8
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ProfiledNetwork:
    """One network of the report with its profile.

    Attributes:
        label: of its first line, without the run.
        lines: all lines that have this network.
        profile: under the first line's name.
        sentence: why it is as fast as it is; "" of a baseline.
        cautions: what must be known before believing it.
    """

    label: str
    lines: tuple[Line, ...]
    profile: CellProfile
    stored: StoredProfile
    sentence: str = ""
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProfileGroup:
    """What was profiled at one setting of one machine, and may be compared.

    Attributes:
        setting: in words.
        found: the newest roof that was recorded, or why there is none; None: nothing was recorded.
    """

    setting: str
    found: FoundRoof | None
    networks: tuple[ProfiledNetwork, ...]

    @property
    def limits(self) -> Limits | None:
        """Of the roof; None where there is no whole one."""
        return None if self.found is None else limits_of(self.found.roof)


@dataclass(frozen=True, slots=True)
class ProfilesView:
    """Groups in the order of the report's lines; `notes`: what is not shown, and why."""

    groups: tuple[ProfileGroup, ...]
    notes: tuple[str, ...]


def view_profiles(lines: Sequence[Line], read: ProfilesRead | None) -> ProfilesView | None:
    """The profiles of these lines' networks; None where there is nothing to say."""
    if read is None:
        return None
    networks: dict[str, list[Line]] = {}
    for line in lines:
        networks.setdefault(network_key(line.results[0].cell), []).append(line)
    matched: dict[str, list[StoredProfile]] = {}
    others: list[StoredProfile] = []
    notes = list(read.notes)
    for each in read.profiles:
        key = network_key(each.profile.cell)
        if key not in networks:
            others.append(each)
        elif (counted := counted_otherwise(networks[key], each.profile)) is not None:
            notes.append(f"profile {each.folder}: not shown, because {counted}")
        else:
            matched.setdefault(key, []).append(each)
    groups = _groups(networks, matched)
    missing = [alike for key, alike in networks.items() if key not in matched]
    refused = [note for alike in missing for note in refusals(alike[0], others)]
    # What a note of its own tells of is told once: neither as foreign nor as missing again.
    told = {id(each) for alike in missing for each in namesakes(alike[0], others)}
    missing = [alike for alike in missing if not namesakes(alike[0], others)]
    others = [each for each in others if id(each) not in told]
    if read.asked == "told" and others:
        named = ", ".join(cut(each.profile.cell.label) for each in others[:_NAMED])
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        refused.append(f"profiles of networks that are not in this report: {named}{more}")
    if groups and missing:
        refused.append(f"not profiled: {', '.join(line_label(alike[0]) for alike in missing)}")
    if not groups and read.asked != "told":
        # What lies beside a run may be of other suites altogether.
        return None
    return ProfilesView(groups, (*notes, *refused))


def _groups(
    networks: Mapping[str, Sequence[Line]], matched: Mapping[str, Sequence[StoredProfile]]
) -> tuple[ProfileGroup, ...]:
    by_setting: dict[str, dict[str, StoredProfile]] = {}
    for key in networks:
        for each in matched.get(key, ()):
            there = by_setting.setdefault(_setting_key(each), {})
            # Of two at one setting the newer; of two that do not say, the last by name.
            if key not in there or _when(each) >= _when(there[key]):
                there[key] = each
    made = []
    for stored in by_setting.values():
        found = _newest_roof(stored.values())
        limits = None if found is None else limits_of(found.roof)
        profiled = {key: _profiled(networks[key], each) for key, each in stored.items()}
        first = next(iter(stored.values()))
        made.append(
            ProfileGroup(
                _setting_words(first),
                found,
                tuple(_explained(each, profiled.values(), networks, limits) for each in profiled.values()),
            )
        )
    return tuple(made)


def _profiled(lines: Sequence[Line], stored: StoredProfile) -> ProfiledNetwork:
    line = lines[0]
    named = Cell(variant=line.variant, settings=line.settings, architecture=line.results[0].cell.architecture)
    profile = stored.profile.model_copy(update={"cell": named})
    return ProfiledNetwork(line_label(line), tuple(lines), profile, stored)


def _explained(
    each: ProfiledNetwork,
    others: Iterable[ProfiledNetwork],
    networks: Mapping[str, Sequence[Line]],
    limits: Limits | None,
) -> ProfiledNetwork:
    line = each.lines[0]
    reference = reference_of(line, [other for alike in networks.values() for other in alike])
    if reference is None or reference in each.lines:
        return each
    first = next((other for other in others if reference in other.lines), None)
    if first is None:
        said = f"was profiled, but {reference.variant} was not at this setting, so that nothing is compared."
        return replace(each, sentence=said)
    # The label stands before it.
    said = explain(each.profile, first.profile, limits).removeprefix(f"{each.label} ")
    return replace(each, sentence=said, cautions=caution_of(each.profile, first.profile))


def _setting_key(each: StoredProfile) -> str:
    profile = each.profile
    machine = None if each.recorded is None else each.recorded.machine.model_dump(mode="json")
    same: list[JsonValue] = [
        machine, profile.device, profile.device_name, profile.threads, profile.torch_version,
        profile.clock, profile.batch,
    ]  # fmt: skip
    return canonical_json(same)


def _setting_words(each: StoredProfile) -> str:
    profile, recorded = each.profile, each.recorded
    threads = f"{profile.threads} thread{'' if profile.threads == 1 else 's'}"
    words = [profile.device_name or "cuda"] if profile.device == "cuda" else ["cpu", threads]
    if recorded is not None and recorded.machine.cpu_model is not None and profile.device == "cpu":
        words.append(recorded.machine.cpu_model)
    words += [f"torch {profile.torch_version}", f"batch {profile.batch}"]
    if recorded is not None:
        words.append(f"profiled {recorded.profiled_at:%Y-%m-%d}")
    return ", ".join(map(cut, words))


def _newest_roof(stored: Iterable[StoredProfile]) -> FoundRoof | None:
    found = [each.recorded.found for each in stored if each.recorded is not None]
    measured = [(each.roof.measured_at, at) for at, each in enumerate(found) if each.roof is not None]
    if measured:
        return found[max(measured)[1]]
    return found[0] if found else None


def _when(each: StoredProfile) -> datetime:
    return _NEVER if each.recorded is None else each.recorded.profiled_at
