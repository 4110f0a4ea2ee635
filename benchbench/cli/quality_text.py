"""What `benchbench quality` prints, and what it compares with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchbench.core.errors import DataError, ProtocolMismatchError

if TYPE_CHECKING:
    from benchbench.core.measurement import Measurement
    from benchbench.core.model import JsonValue
    from benchbench.measures.quality.evaluate import Evaluation


def line_of(figure: Measurement) -> str:
    """One figure with its interval, N and protocol, and what must be known beside it."""
    settings = figure.protocol.settings
    ends = figure.interval
    interval = f" [{ends.low:.5g}, {ends.high:.5g}]" if ends is not None else ""
    counts = f"N = {settings['generated_count']}"
    if "reference_count" in settings:
        counts += f" against {settings['reference_count']}"
    told = [counts]
    if "extractor" in settings:
        told += [
            f"{settings['extractor']} {str(settings['weights_hash'])[:8]}",
            f"resize {settings['resize']}",
        ]
    if "tile" in settings:
        told.append(f"tiles of {settings['tile']}")
    named = ""
    if "named" in settings:
        departures = cast("list[str]", settings["departures"])
        named = (
            f"{settings['named']} (but for {', '.join(departures)}) "
            if departures
            else f"{settings['named']} "
        )
    told += [str(settings["estimator"]), f"protocol {named}{figure.protocol.hash}"]
    lines = [f"{figure.name}  {figure.value:.6g}{interval}  ({', '.join(told)})"]
    stick = figure.yardstick
    if stick is not None:
        ratio = f", {stick.ratio:.3g} times it at that N" if stick.ratio is not None else ""
        lines.append(f"    real against real: {stick.value:.5g} (N = {stick.count} each){ratio}")
    lines += [f"    {flag}" for flag in figure.flags]
    return "\n".join(lines)


def record_of(found: Evaluation, compared: Sequence[Compared] = ()) -> JsonValue:
    """All of it as JSON."""
    return cast(
        "JsonValue",
        {
            "figures": [
                {**each.model_dump(mode="json"), "protocol_hash": each.protocol.hash}
                for each in found.measurements
            ],
            "not_computed": [
                {"metric": each.metric, "reason": each.error.reason, "fix": each.error.fix}
                for each in found.refused
            ],
            "compared": [
                {
                    "name": each.name,
                    "before": each.before,
                    "now": each.now,
                    "verdict": each.verdict,
                    "reason": None if each.refused is None else each.refused.reason,
                }
                for each in compared
            ],
            "seconds": {name: times.seconds for name, times in found.times.items()},
            "images_extracted": {name: times.extracted for name, times in found.times.items()},
        },
    )


def read_figures(path: Path) -> list[Measurement]:
    """The figures of an earlier `--json`.

    Raises:
        DataError: it is none.
    """
    from pydantic import ValidationError

    from benchbench.core.measurement import Measurement

    try:
        figures = json.loads(path.read_bytes())["figures"]
        found = [
            Measurement.model_validate_json(
                json.dumps({key: value for key, value in each.items() if key != "protocol_hash"})
            )
            for each in figures
        ]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"--compare {path}: {str(error).splitlines()[0]}",
            expected="what `benchbench quality --json` printed",
        ) from None
    return found


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure beside the earlier one of its name; `refused` where they were not made alike."""

    name: str
    verdict: str
    before: float | None = None
    now: float | None = None
    refused: ProtocolMismatchError | None = None

    @property
    def line(self) -> str:
        """For people."""
        if self.before is None or self.now is None:
            return f"{self.name}: {self.verdict}"
        change = self.now - self.before
        return f"{self.name}: {self.before:.6g} before, {self.now:.6g} now ({change:+.4g}, {self.verdict})"


def compare_figures(found: Evaluation, earlier: list[Measurement]) -> Iterator[Compared]:
    """Every figure beside the earlier one of its name."""
    from benchbench.core.comparable import require_same_protocol

    for figure in found.measurements:
        named = [each for each in earlier if each.name == figure.name]
        if not named:
            yield Compared(figure.name, "not in the earlier file")
            continue
        before = next((each for each in named if each.protocol.hash == figure.protocol.hash), named[0])
        try:
            require_same_protocol(before, figure, names=("the earlier file", "this one"))
        except ProtocolMismatchError as error:
            yield Compared(figure.name, "made differently", refused=error)
            continue
        yield Compared(figure.name, _verdict(before, figure), before.value, figure.value)


def _verdict(before: Measurement, now: Measurement) -> str:
    if before.value == now.value:
        return "no change"
    ends = [each.interval for each in (before, now)]
    if any(end is None for end in ends):
        return "no interval to judge it by"
    one, other = (end for end in ends if end is not None)
    if one.low <= other.high and other.low <= one.high:
        return "within the intervals"
    lower = now.value < before.value
    return "better" if lower == (now.direction == "lower") else "worse"


def times_of(found: Evaluation) -> str:
    """Where the time went."""
    parts = []
    for name, times in found.times.items():
        if times.extracted:
            rate = times.extracted / times.seconds
            parts.append(f"{name} {times.seconds:.1f} s ({times.extracted} images, {rate:.1f} images/s)")
        elif name in ("reference", "generated"):
            parts.append(f"{name} {times.seconds:.2f} s (features were cached)")
        else:
            parts.append(f"{name} {times.seconds:.1f} s")
    return "; ".join(parts)
