"""Figures are compared only where they were made alike."""

from __future__ import annotations

from collections.abc import Mapping

from benchbench.core.errors import ProtocolMismatchError
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import JsonValue, canonical_json


def differing_settings(
    first: Mapping[str, JsonValue], second: Mapping[str, JsonValue]
) -> dict[str, tuple[JsonValue, JsonValue]]:
    """Setting -> (its value in the first, in the second), where they differ; None for one that is absent."""
    return {
        key: (first.get(key), second.get(key))
        for key in sorted({*first, *second})
        if canonical_json(first.get(key)) != canonical_json(second.get(key))
    }


def mismatch(label: str, name: str, base: Protocol, head: Protocol) -> ProtocolMismatchError:
    """The error for two figures of one name that were not made alike, with every setting that differs."""
    found: dict[str, tuple[JsonValue, JsonValue]] = {}
    if base.name != head.name:
        found["protocol"] = base.name, head.name
    found |= differing_settings(base.settings, head.settings)
    told = "; ".join(
        f"{key} {_plain(one)} in the base and {_plain(other)} in the head"
        for key, (one, other) in found.items()
    )
    return ProtocolMismatchError(
        f"{name} of {label}: {told}",
        expected="one protocol for both: what was measured otherwise is not compared",
        fix="measure both alike, let the rules ignore it, or write a new baseline elsewhere",
    )


def _plain(value: JsonValue) -> str:
    return "not told" if value is None else value if isinstance(value, str) else canonical_json(value)


def require_same_protocol(first: Measurement, second: Measurement, *, names: tuple[str, str]) -> None:
    """Refuse two figures that were not made alike.

    Args:
        names: what messages call the two.

    Raises:
        ProtocolMismatchError: with every setting that differs, and both its values.
    """
    if first.protocol.hash == second.protocol.hash:
        return
    differing = differing_settings(first.protocol.settings, second.protocol.settings)
    told = "; ".join(f"{key}: {one!r} and {other!r}" for key, (one, other) in differing.items())
    if first.protocol.name != second.protocol.name:
        told = f"protocol {first.protocol.name!r} and {second.protocol.name!r}" + (
            f"; {told}" if told else ""
        )
    raise ProtocolMismatchError(
        f"{first.name} of {names[0]} and of {names[1]} cannot be compared: {told}",
        expected="one protocol for both",
        fix="measure both alike",
    )
