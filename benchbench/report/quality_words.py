"""What must be said beside a quality figure, so that it is not taken for another one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from benchbench.core.measurement import Protocol, Yardstick
from benchbench.core.model import JsonValue
from benchbench.report.text import choose_scale, heading, short
from benchbench.report.views.quality import BASELINE_OUTPUTS, Difference, QualityColumn
from benchbench.report.views.vocabulary import explain_flag, title

_LONGEST_VALUE = 24
_MOST_DIFFERENCES = 8
_ABROAD = "not comparable to the literature"


def column_title(column: QualityColumn) -> str:
    """`FD [rand-conv-128] ↓`, `PSNR, dB ↑`."""
    _, unit = choose_scale([], column.unit)
    # The arrow stays with its word where a heading is broken into lines.
    arrow = "↓" if column.direction == "lower" else "↑"
    return f"{heading(title(column.key.name), unit)}\N{NO-BREAK SPACE}{arrow}"


def told_apart(column: QualityColumn) -> str:
    """What tells the column from others of its name: `against the test images`, `tile 64`."""
    told = []
    for key, value in column.key.declared:
        said = _reference(value) if key == "reference" and isinstance(value, str) else None
        told.append(f"against {said}" if said else f"{key.replace('_', ' ')} {_plain(value)}")
    return ", ".join(told)


def column_name(column: QualityColumn) -> str:
    """`FD [rand-conv-128]`, with what tells it from others of its name."""
    told = told_apart(column)
    return f"{title(column.key.name)}{f' {told}' if told else ''}"


def stick_name(protocol: Protocol) -> str:
    """What real against real is called where the reference may be the baseline's outputs."""
    return "half-vs-half" if protocol.settings.get("reference") == BASELINE_OUTPUTS else "real-vs-real"


def ratio_text(stick: Yardstick, protocol: Protocol) -> str:
    """`4.25x real-vs-real`; why there is none where there is none."""
    name = stick_name(protocol)
    return f"no ratio to {name}" if stick.ratio is None else f"{short(stick.ratio)}x {name}"


def column_notes(column: QualityColumn) -> tuple[str, ...]:
    """The footnotes of a column's title: what was compared with what, then what is this measure's own."""
    declared = (_sides(column), _own(column)) if column.is_declared else ()
    return tuple(text for text in (*declared, _comparability(column)) if text)


def odd_note(differences: Sequence[Difference]) -> str:
    """Why one figure is not compared with those it stands beside."""
    told = [f"{key} {_plain(one)}, theirs {_plain(other)}" for key, one, other in differences]
    more = f", and {len(told) - _MOST_DIFFERENCES} more" if len(told) > _MOST_DIFFERENCES else ""
    said = "; ".join(told[:_MOST_DIFFERENCES]) + more
    return f"not compared with the other rows of its column, which were measured otherwise: {said}"


def is_abroad(column: QualityColumn) -> bool:
    """Whether its figures are not comparable to the literature, or do not say that they are."""
    return any(each.settings.get("comparable_to_literature") is False for each in column.protocols) or any(
        _ABROAD in flag for flag in column.common_flags
    )


def counts_text(protocol: Protocol) -> str:
    """`208 against 208`; `208` where nothing is compared with."""
    settings = protocol.settings
    generated = _count(settings.get("generated_count"))
    return (
        f"{generated} against {_count(settings['reference_count'])}"
        if "reference_count" in settings
        else generated
    )


def smallest_count(protocols: Iterable[Protocol]) -> float | None:
    """The fewest images that one of the figures was made of, where they say so."""
    counts = (protocol.settings.get("generated_count") for protocol in protocols)
    return min((count for count in counts if isinstance(count, int)), default=None)


def own_flags(flags: Iterable[str], column: QualityColumn) -> tuple[str, ...]:
    """The flags of one figure that its column does not tell already."""
    return tuple(flag for flag in flags if _ABROAD not in flag and flag not in _shared_flags(column))


def _shared_flags(column: QualityColumn) -> tuple[str, ...]:
    # The members of a mean are one figure's own, even where there is but one figure.
    return tuple(
        flag for flag in column.common_flags if _ABROAD not in flag and not flag.startswith("mean of ")
    )


def _sides(column: QualityColumn) -> str:
    counts = _joined(counts_text(each) for each in column.protocols)
    what = "images"
    if tiles := _values(column, "tile"):
        what = f"tiles of {_joined(f'{tile} x {tile}' for tile in tiles)} pixels"
    against = ""
    if kinds := _values(column, "reference"):
        against = f" (generated against {_joined(_reference(kind) for kind in kinds)})"
    parts = [f"N = {counts} {what}{against}"]
    if labels := _values(column, "extractor"):
        members = _values(column, "members")
        several = f", mean of {_joined(members)} networks" if members != ("1",) else ""
        parts.append(
            f"features of {_joined(labels)} (weights {_hashes(column)}, "
            f"resize {_joined(_values(column, 'resize'))}{several})"
        )
    elif _values(column, "weights_hash"):
        parts.append(f"weights {_hashes(column)}")
    for name in _values(column, "named"):
        departures = _values(column, "departures")
        other = f" except for {_joined(departures)}" if any(each != "none" for each in departures) else ""
        parts.append(f"protocol {name}{other}")
    if is_abroad(column):
        parts.append(f"{_ABROAD}: compare within this report only")
    return "; ".join(parts)


def _own(column: QualityColumn) -> str:
    parts = [f"estimator: {_joined(_values(column, 'estimator'))}"]
    is_distance = _values(column, "reference") == (BASELINE_OUTPUTS,)
    if is_distance:
        parts.append(
            "how far from the baseline's outputs, not how much worse; 0 is no difference"
            if column.direction == "lower"
            else "how near the baseline's outputs, not how good"
        )
    if column.yardsticks:
        values = list(dict.fromkeys(short(each.value) for each in column.yardsticks))
        counts = _joined(f"{each.count:,}" for each in column.yardsticks)
        halves = "the baseline's own outputs" if is_distance else "the reference"
        stick = "half-vs-half" if is_distance else "real-vs-real"
        apart = (
            f"{values[0]} apart" if len(values) == 1 else f"{_joined(values)} apart, each for its own rows"
        )
        parts.append(f"{stick}: two halves of {halves} (N = {counts} each) are {apart}")
        if any(each.ratio is not None for each in column.yardsticks):
            parts.append(f'"x {stick}" is the figure at that N, as a multiple of it')
        if any(each.ratio is None for each in column.yardsticks):
            parts.append("of a value that is not above 0 there is no ratio")
    parts += map(explain_flag, _shared_flags(column))
    return "; ".join(parts)


def _comparability(column: QualityColumn) -> str:
    parts = []
    own_baseline = bool(column.against_baseline)
    if column.by_seed:
        which = "its own baseline" if own_baseline else "images or weights of its own"
        parts.append(
            f"each seed was measured against {which} (different: {', '.join(column.by_seed)}), "
            "and is compared with the same seed only"
        )
    if column.by_comparison:
        told = "; ".join(
            f"{key} {' and '.join(map(_plain, values[:3]))}"
            for key, values in column.by_comparison[:_MOST_DIFFERENCES]
        )
        parts.append(f"figures of different {' and '.join(column.apart)} are not compared: {told}")
    if column.repeated:
        parts.append(
            "another measure of this run gives figures of the same name, which are in table.csv only"
        )
    return "; ".join(parts)


def _reference(kind: str) -> str:
    if kind.startswith("data."):
        return f"the {kind.removeprefix('data.').replace('+', ' and ')} images"
    return "reference images" if kind == "images" else f"the {kind}" if kind == BASELINE_OUTPUTS else kind


def _hashes(column: QualityColumn) -> str:
    return _joined(value[:8] for value in _values(column, "weights_hash"))


def _values(column: QualityColumn, key: str) -> tuple[str, ...]:
    """The different values of one setting, as text."""
    return tuple(
        dict.fromkeys(
            _plain(each.settings[key], longest=200) for each in column.protocols if key in each.settings
        )
    )


def _count(value: JsonValue) -> str:
    return f"{value:,}" if isinstance(value, int) else _plain(value)


def _plain(value: JsonValue, *, longest: int = _LONGEST_VALUE) -> str:
    if value is None or value == []:
        return "none"
    if isinstance(value, list):
        return _plain(", ".join(map(str, value)), longest=longest)
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _joined(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))
