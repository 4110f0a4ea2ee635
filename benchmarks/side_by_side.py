"""Ours and others' on the same arguments, in turn, and the table that comes of it."""

from __future__ import annotations

import importlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from statistics import median
from typing import Any, NamedTuple

OURS = "benchbench"


class Row(NamedTuple):
    """One tool on one case.

    `times_ours` is its time over ours; `error` is relative unless the case says otherwise; `met` says
    whether `goal` is, None where there is none.
    """

    case: str
    tool: str
    seconds: float | None = None
    times_ours: float | None = None
    value: float | None = None
    error: float | None = None
    note: str = ""
    goal: str = ""
    met: bool | None = None


class Timed(NamedTuple):
    """Median seconds of one call, and what the last one gave; `failed` says why there is neither."""

    seconds: float
    result: Any
    failed: str = ""


def importable(tools: Mapping[str, tuple[str, Callable[..., Any]]]) -> dict[str, Callable[..., Any]]:
    """Of tool -> (module, function), those whose module can be imported."""
    found = {}
    for tool, (module, function) in tools.items():
        try:
            importlib.import_module(module)
        except (ImportError, RuntimeError):
            continue
        found[tool] = function
    return found


def alternate(
    calls: Mapping[str, Callable[..., Any]], arguments: Sequence[Any], small: Sequence[Any], repeats: int
) -> dict[str, Timed]:
    """Every call on `small` first, unmeasured, then all of them in turn, `repeats` times over."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    results: dict[str, Any] = {}
    failed: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for call in calls.values():
            call(*small)
        for _ in range(repeats):
            for name, call in calls.items():
                if name in failed:
                    continue
                started = time.perf_counter()
                try:
                    results[name] = call(*arguments)
                except ValueError as error:
                    failed[name] = str(error)
                    continue
                seconds[name].append(time.perf_counter() - started)
    return {
        name: Timed(median(seconds[name]) if seconds[name] else 0.0, results.get(name), failed.get(name, ""))
        for name in calls
    }


def absent(case: str, wanted: Iterable[str], found: Iterable[str]) -> list[Row]:
    """A row for each tool that is not here."""
    return [Row(case, tool, note="absent") for tool in wanted if tool not in set(found)]


def versions(packages: Iterable[str]) -> str:
    """Each package with its version."""
    told = []
    for package in packages:
        try:
            told.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            told.append(f"{package} absent")
    return ", ".join(told)


def load_average() -> str:
    """How much else this machine does."""
    return "load " + " ".join(f"{each:.1f}" for each in os.getloadavg())


def show(rows: Sequence[Row]) -> None:
    """A table in plain text, without the columns in which no row has anything."""
    heads = ("", "tool", "time", "x ours", "value", "error", "goal", "")
    cells = [_cells(row) for row in rows]
    lines = [heads, *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    filled = [any(line[column] for line in cells) for column in range(len(heads))]
    last = ""
    for line in lines:
        first = line[0] if line[0] != last else ""
        last = line[0]
        left = (f"{first:{widths[0]}}", f"{line[1]:{widths[1]}}")
        right = (f"{line[column]:>{widths[column]}}" for column in range(2, 6))
        texts = (*left, *right, f"{line[6]:{widths[6]}}", line[7])
        print("  ".join(text for text, is_filled in zip(texts, filled, strict=True) if is_filled).rstrip())


def _cells(row: Row) -> tuple[str, ...]:
    met = "" if row.met is None else ("  met" if row.met else "  MISSED")
    return (
        row.case,
        row.tool,
        "" if row.seconds is None else _time(row.seconds),
        "" if row.times_ours is None else f"{row.times_ours:.2f}",
        "" if row.value is None else f"{row.value:.6g}",
        "" if row.error is None else f"{row.error:.1e}",
        row.goal + met,
        row.note,
    )


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
