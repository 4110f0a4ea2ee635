"""What two cells of one name declare differently."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchbench.core.cell import Cell
from benchbench.core.model import JsonValue, canonical_json, dump_declared

_LONGEST = 60


def declared_otherwise(first: Cell, other: Cell) -> tuple[str, ...]:
    """What two cells of one name declare differently: `train.steps 100 and 2000`."""
    ours, theirs = (dump_declared(each) for each in (first, other))
    parts = ("architecture", "discriminator", "replace", "data", "train", "deploy")
    return tuple(
        f"{place} {shown(a)} and {shown(b)}"
        for part in parts
        for place, a, b in _differences(part, ours.get(part), theirs.get(part))
    )


def _differences(place: str, a: JsonValue, b: JsonValue) -> Sequence[tuple[str, JsonValue, JsonValue]]:
    if isinstance(a, dict) and isinstance(b, dict):
        return [
            found
            for key in sorted({*a, *b})
            for found in _differences(f"{place}.{key}", a.get(key), b.get(key))
        ]
    return [] if canonical_json(a) == canonical_json(b) else [(place, a, b)]


def shown(value: JsonValue) -> str:
    """A declared value for people, cut after 60 characters."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
