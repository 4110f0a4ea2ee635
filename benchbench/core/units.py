"""SI inside, a readable unit when printed."""

from __future__ import annotations

import math

_SI = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTES = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))


def significant(value: float, digits: int = 3) -> str:
    """`value` with that many significant digits and no exponent: 0.0123, 4.57, 1230."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def _scaled(value: float, scale: tuple[tuple[float, str], ...], digits: int) -> str:
    if not math.isfinite(value):
        return f"{value:g}"
    for factor, unit in scale:
        if abs(value) >= factor:
            return f"{significant(value / factor, digits)} {unit}".rstrip()
    factor, unit = scale[-1]
    return f"{significant(value / factor, digits)} {unit}".rstrip()


def format_quantity(value: float, unit: str, digits: int = 3) -> str:
    """`value` of `unit` for people: 0.0713 s -> 71.3 ms, 10078912512 MAC -> 10.1 GMAC."""
    if unit == "s":
        if 120 <= abs(value) < math.inf:
            minutes, seconds = divmod(round(abs(value)), 60)
            return f"{'-' if value < 0 else ''}{minutes} min {seconds} s"
        return _scaled(value, _SECONDS, digits)
    if unit == "B":
        return _scaled(value, _BYTES, digits)
    if unit == "1" and float(value).is_integer() and abs(value) >= 1000:
        return f"{int(value):,}"
    if unit == "1":
        return significant(value, digits)
    text = _scaled(value, _SI, digits)
    number, _, prefix = text.partition(" ")
    return f"{number} {prefix}{unit}"
