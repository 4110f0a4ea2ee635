"""Changes and figures in words."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence

from benchbench.core.measurement import Interval
from benchbench.core.units import format_quantity, significant


def percent(share: float) -> str:
    """0.05 -> `5 %`, 0.123 -> `12.3 %`."""
    return f"{significant(100 * share, 3).rstrip('0').rstrip('.') if share else '0'} %"


def signed(share: float) -> str:
    """0.123 -> `+12.3 %`, with a real minus sign."""
    text = f"{abs(100 * share):.1f}" if abs(share) >= 1e-3 or not share else significant(abs(100 * share), 2)
    return f"{'+' if share > 0 else '−' if share < 0 else ''}{text} %"


def span(interval: Interval) -> str:
    """The interval of a ratio as changes: `[+1.2 %, +3.4 %]`."""
    return f"[{signed(interval.low - 1)}, {signed(interval.high - 1)}]"


def exactly(value: float, unit: str) -> str:
    """A count to its last digit, anything else to four."""
    if unit in ("1", "MAC", "B") and float(value).is_integer():
        return f"{int(value):,}" + ("" if unit == "1" else f" {unit}")
    return format_quantity(value, unit, 4)


def listed(items: list[str], *, most: int = 5) -> str:
    """Some of many: `a, b, c and 7 more`."""
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {len(items) - most} more"


def gate_command(
    targets: Sequence[str],
    options: Mapping[str, str | None],
    *,
    settings: Sequence[str] = (),
    only: str | None = None,
) -> Callable[[str], str]:
    """What makes of a cell, as `--only` takes it, the command that judges it again; of "" that for all.

    Args:
        targets: of `benchbench gate`.
        options: name without its dashes -> value; None leaves it out.
        settings: each after a `--set`.
        only: the glob of the whole gate, where it had one.
    """
    words = ["benchbench", "gate", *targets]
    for name, value in options.items():
        words += [f"--{name}", value] if value is not None else []
    for setting in settings:
        words += ["--set", setting]

    def command(chosen: str) -> str:
        glob = chosen or only
        return shlex.join([*words, "--only", glob] if glob else words)

    return command
