"""What a compiler or an exporter complained of, in one line."""

from __future__ import annotations

import re

_PREAMBLE = re.compile(r"raised:\s*$")
# OpenVINO tells where in its own source it stood, a line each, before it tells what is wrong.
_PLACE = re.compile(r"(Exception from \S+:\d+:|Check '.*' failed at \S+:\d+:)$")
_OPERATOR = re.compile(r"\btarget: (\S+)|\b((?:aten|torch\.ops)\.\w+(?:\.\w+)*)")
_LONGEST = 300  # characters


def complaint(error: BaseException) -> str:
    """The first line of the message that says something, with the operator where one is named further on."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not _PREAMBLE.search(line) and not _PLACE.match(line)]
    if not said:
        return type(error).__name__
    # A line that ends in a colon announces what is said in the next.
    last = next((index for index, line in enumerate(said) if not line.endswith(":")), len(said) - 1)
    told = " ".join(said[: last + 1])
    first = told if len(told) <= _LONGEST else f"{told[: _LONGEST - 1]}…"
    found = _OPERATOR.search("\n".join(said))
    operator = (found.group(1) or found.group(2)) if found else None
    named = f" (at {operator})" if operator and operator not in first else ""
    kind = type(error).__name__
    return f"{first}{named}" if kind in first else f"{kind}: {first}{named}"
