"""What a column of numbers is sorted by."""

from __future__ import annotations

import math
import re

from benchbench.report.document import Item

_PART = re.compile(r"([+\-−]?)((?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?)\s*([^\W\d_]*)")
_UNITS = {
    "h": 3600.0,
    "min": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "µs": 1e-6,
    "ns": 1e-9,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
    "kMAC": 1e3,
    "MMAC": 1e6,
    "GMAC": 1e9,
    "TMAC": 1e12,
}


def sort_value(item: Item) -> float | None:
    """The item's own value, else the first number of its text in its base unit; None without a number.

    `2 min 5 s` is 125; `0.0205 ± 0.0007` is 0.0205.
    """
    if item.value is not None:
        # NaN is beyond sorting; it is last, as what is missing.
        return item.value if math.isfinite(item.value) else None
    parts = _PART.findall(item.text)
    if not parts:
        return None
    sign, digits, unit = parts[0]
    value = float(digits.replace(",", "")) * _UNITS.get(unit, 1.0)
    if unit in ("h", "min") and len(parts) > 1 and parts[1][2] in ("min", "s"):
        value += float(parts[1][1].replace(",", "")) * _UNITS[parts[1][2]]
    return -value if sign in ("-", "−") else value
