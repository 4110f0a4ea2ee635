"""One sentence per network: its speed-up against its MAC reduction, from two profiles' figures alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchbench.core.profile import CellProfile
from benchbench.core.roofline import ClassWork, Limits, Placed, list_classes, place
from benchbench.core.units import format_quantity, significant

# Passes, or ratios, that differ by more than this are told: on a quiet machine passes do by a few percent.
NOISY = 1.3
# From this share of the roof on, the roof is what limits; below it something else does.
REACHED = 0.5
# What takes less of the time than this explains nothing.
_LEAST_SHARE = 0.1
_MOST_CLASSES = 2
# Ratios of times that differ by less are told as equal, as are counts by much less.
_SAME_TIME = 0.03
_SAME_MACS = 0.005
_FOLLOWS = 0.9

_PLURALS = {
    "depthwise": "depthwise convolutions",
    "pointwise": "pointwise convolutions",
    "dense convolution": "dense convolutions",
    "grouped convolution": "grouped convolutions",
    "transposed convolution": "transposed convolutions",
    "norm": "norms",
    "activation": "activations",
    "upsampling": "upsampling",
    "linear": "linear layers",
    "other": "other modules",
}
_SINGULAR = frozenset({"upsampling"})


def explain(
    profile: CellProfile,
    first: CellProfile,
    limits: Limits | None,
    *,
    escape: Callable[[str], str] = str,
) -> str:
    """Why `profile`'s network is as much faster, or slower, than `first`'s as it is.

    Named are the classes of layers that take most beyond what they would if time had gone down as MACs did,
    each with its share of the time and of the MACs, what of the roof it reaches and what limits it. All
    figures are of the profiled pass, which the profiler lengthens: most where layers are small and many.

    Args:
        profile: the network in question.
        first: the one it is compared with, profiled at the same setting.
        limits: the machine's roof; None where it is not known: the achieved rates are told without it.
        escape: makes a network's name safe for where the sentence goes.
    """
    fewer = first.macs / profile.macs if first.macs and profile.macs else None
    faster = first.time_s / profile.time_s if first.time_s > 0 and profile.time_s > 0 else None
    name, other = escape(profile.cell.label), escape(first.cell.label)
    head = f"{name} {_macs(fewer)} {_pace_words(fewer, faster, other)}{_bare(profile, first)}"
    named = _name_classes(profile, first, fewer)
    if not named:
        return f"{head}."
    does = ", and ".join(_class_words(each, profile, limits) for each in named)
    return f"{head}: {does}."


def caution_of(profile: CellProfile, first: CellProfile) -> tuple[str, ...]:
    """Why the sentence says little, a line each: passes that differ, a profiler that costs too much."""
    said = []
    for each in (profile, first):
        low, high = min(each.passes_s, default=0.0), max(each.passes_s, default=0.0)
        if high > low * NOISY > 0:
            span = f"{format_quantity(low, 's')} and {format_quantity(high, 's')}"
            said.append(f"noisy machine: passes of {each.cell.label} took between {span}; profile again")
    if min(profile.time_s, profile.unprofiled_s, first.time_s, first.unprofiled_s) <= 0:
        return tuple(said)
    ratios = (first.time_s / profile.time_s, first.unprofiled_s / profile.unprofiled_s)
    if max(ratios) > NOISY * min(ratios):
        said.append("the ratio with the profiler is far from that without: go by the latter")
    return tuple(said)


def follows_macs(fewer: float, faster: float) -> bool:
    """Whether a speed-up is at least nine tenths of the MAC reduction."""
    return faster >= _FOLLOWS * fewer


def _macs(fewer: float | None) -> str:
    if fewer is None:
        return "cannot be compared by MACs, of which one of the two does none,"
    if abs(fewer - 1) <= _SAME_MACS:
        return "does as many MACs"
    if fewer > 1:
        return f"does {_times(fewer)} fewer MACs"
    return f"does {_times(1 / fewer)} as many MACs"


def _pace_words(fewer: float | None, faster: float | None, other: str) -> str:
    if faster is None:
        return "and took no time that was seen"
    pace, than = _pace(faster)
    falls_short = fewer is not None and fewer > 1 and not follows_macs(fewer, faster)
    verb = "but is" if falls_short else "and is"
    only = " only" if falls_short and faster > 1 - _SAME_TIME else ""
    return f"{verb}{only} {pace} {than} {other} in the profiled pass"


def _bare(profile: CellProfile, first: CellProfile) -> str:
    if min(profile.unprofiled_s, first.unprofiled_s) <= 0:
        return ""
    return f" ({_pace(first.unprofiled_s / profile.unprofiled_s)[0]} without the profiler)"


def _pace(faster: float) -> tuple[str, str]:
    if abs(faster - 1) <= _SAME_TIME:
        return "as fast", "as"
    return (f"{_times(faster)} faster" if faster > 1 else f"{_times(1 / faster)} slower"), "than"


def _name_classes(profile: CellProfile, first: CellProfile, fewer: float | None) -> Sequence[ClassWork]:
    """At most two classes with a tenth of the time and more, those that explain most of it first."""
    works = list_classes(first.layers)
    before = {each.name: each.own_s for each in works}
    # Without a reduction, or where time followed it, whatever takes the time explains it.
    scale = 1 / fewer if fewer is not None and fewer > 1 else 0.0
    rate = sum(each.macs for each in works) / (sum(each.own_s for each in works if each.macs) or 1.0)

    def excess_s(each: ClassWork) -> float:
        if not scale:
            return each.own_s
        # A class that is new has no time of its own to go down from: its MACs are due at the old rate.
        due_s = each.macs / rate if each.macs and rate else before.get(each.name, 0.0) * scale
        return each.own_s - due_s

    found = [each for each in list_classes(profile.layers) if each.share >= _LEAST_SHARE]
    return sorted(found, key=lambda each: (-excess_s(each), each.name))[:_MOST_CLASSES]


def _class_words(work: ClassWork, profile: CellProfile, limits: Limits | None) -> str:
    verb = "takes" if work.name in _SINGULAR else "take"
    part = f"{_percent(work.macs / profile.macs)} of the MACs" if work.macs and profile.macs else "no MACs"
    told = f"its {_PLURALS.get(work.name, work.name)} {verb} {_percent(work.share)} of the time for {part}"
    placed = None if limits is None else place(work, limits)
    said = _rates(work) if placed is None else _place_words(placed)
    return f"{told} ({said})" if said else told


def _place_words(placed: Placed) -> str:
    peak = "" if placed.peak_share is None else f"{_percent(placed.peak_share)} of the peak, "
    is_limit = placed.share >= REACHED
    if placed.bound == "arithmetic":
        return f"{peak}{'limited by arithmetic' if is_limit else 'not limited by memory'}"
    name = "memory" if placed.bound == "memory" else "a cache"
    under = f"limited by {name}" if is_limit else f"under the roof of {name}"
    return f"{peak}{under}: {_percent(placed.share)} of its bandwidth"


def _rates(work: ClassWork) -> str:
    said: Mapping[str, float | None] = {"GMAC/s": work.macs_per_s, "GB/s": work.bytes_per_s}
    return " and ".join(
        f"{significant(rate / 1e9)} {unit}" for unit, rate in said.items() if rate is not None
    )


def _times(ratio: float) -> str:
    # 1.0x faster would say nothing.
    return f"{significant(ratio, 2 if 1.1 <= ratio < 10 else 3)}x"


def _percent(share: float) -> str:
    percent = share * 100
    return f"{significant(percent, 2) if percent < 10 else f'{percent:.0f}'} %"
