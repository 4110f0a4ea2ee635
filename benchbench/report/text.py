"""Numbers as a reader wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from benchbench.core.units import format_quantity, significant

MISSING = "–"
_NEAR_ZERO = 1e-6
_BEFORE_UNIT = re.compile(
    r"(?<=\d) (?=(?:%|[mµ]?s|min|h|[TGMk]?MACs?(?:/s)?|(?:[KMG]i|[kMG])?B(?:/s)?|[mµ]?[JW])(?![\w/]))"
)
_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")),
    "MAC": ((1e12, "TMAC"), (1e9, "GMAC"), (1e6, "MMAC"), (1e3, "kMAC"), (1.0, "MAC")),
    "MAC/s": ((1e12, "TMAC/s"), (1e9, "GMAC/s"), (1e6, "MMAC/s"), (1.0, "MAC/s")),
    "B": ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ")),
    "B/s": ((1e9, "GB/s"), (1e6, "MB/s"), (1.0, "B/s")),
}


def choose_scale(values: Iterable[float | None], unit: str) -> tuple[float, str]:
    """One (factor, unit) for a column or an axis, so that its largest value is at least 1."""
    if unit not in _SCALES:
        return 1.0, "" if unit == "1" else unit
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    scales = _SCALES[unit]
    return next(((factor, name) for factor, name in scales if largest >= factor), scales[-1])


def heading(name: str, unit: str) -> str:
    """A column's or an axis' title with its unit."""
    return f"{name}, {unit}" if unit else name


def short(value: float, digits: int = 3) -> str:
    """A score with that many significant digits; what is 0 but for rounding errors in few of them."""
    return f"{value:.0e}" if 0 < abs(value) < _NEAR_ZERO else significant(value, digits)


def percent(share: float) -> str:
    """0.876 -> `87.6 %`."""
    return f"{share * 100:.1f} %"


def signed_percent(change: float) -> str:
    """0.031 -> `+3.1 %`, with a real minus sign."""
    rounded = round(change * 100, 1)
    if rounded == 0 and change != 0:
        return f"{signed(change * 100, 2)} %"
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else ''}{abs(rounded):.1f} %"


def signed(value: float, digits: int) -> str:
    """A number with its sign and that many significant digits."""
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{significant(abs(value), digits)}"


def span(interval: tuple[float, float], *, factor: float = 1.0, digits: int = 3) -> str:
    """`[1.38, 1.43]`."""
    return f"[{short(interval[0] / factor, digits)}, {short(interval[1] / factor, digits)}]"


def exact(value: float, unit: str) -> str:
    """A count to its last digit, anything else to four significant ones."""
    if unit in ("1", "MAC") and float(value).is_integer():
        return f"{int(value):,}"
    return format_quantity(value, unit, 4)


def file_stem(*names: str) -> str:
    """A file name and an HTML id made from names that may hold anything: lower case, digits, hyphens."""
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")
    return stem[:60] or "unnamed"


def duration(seconds: float) -> str:
    """Seconds for people: `7.31 s`, `2 min 5 s`, `3 h 12 min`."""
    if seconds == 0:
        return "0 s"
    if seconds >= 7200:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min"
    return format_quantity(seconds, "s")


def keep_units(text: str) -> str:
    """The text with a no-break space between each number and its unit."""
    return _BEFORE_UNIT.sub("\u00a0", text)
