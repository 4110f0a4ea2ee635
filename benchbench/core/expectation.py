"""What a paper prints: a figure, exact or rounded, to stand beside ours."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import Field, Strict, model_validator

from benchbench.core.model import Frozen

PRINTED = re.compile(r"(\d+(?:\.(\d+))?) ?([kMG])")
_PREFIXES = {"k": 10**3, "M": 10**6, "G": 10**9}


class Expectation(Frozen):
    """A figure of the paper: exact, or as printed there (`11.38M`, `56.8G`), and what must be said beside it.

    What is printed may have been rounded or cut off. A figure that the definition does not give is not
    `reproducible`, and its note says why.
    """

    value: Annotated[float, Strict()]
    printed: Annotated[str | None, Field(pattern=f"^{PRINTED.pattern}$")] = None
    note: str | None = None
    reproducible: bool = True

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: object) -> object:
        if isinstance(value, Expectation):
            return value
        said = dict(value) if isinstance(value, dict) else {"value": value}
        text = said.get("value")
        if isinstance(text, str) and (found := PRINTED.fullmatch(text)):
            # Decimal: 0.34M is 340000, not 340000.00000000006.
            number = Decimal(found[1]) * _PREFIXES[found[3]]
            said |= {"value": float(number), "printed": text}
        elif isinstance(text, str) and not re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", text):
            raise ValueError(f"got '{text}', expected a number, or a figure as printed, such as 11.38M")
        return said

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.reproducible and self.note is None:
            raise ValueError("a figure that is not reproducible needs a 'note' that says why")
        return self

    def agrees(self, figure: float) -> bool:
        """Whether `figure` is the value or would be printed as it is, rounded or cut off."""
        found = PRINTED.fullmatch(self.printed) if self.printed is not None else None
        if found is None:
            return figure == self.value
        unit = _PREFIXES[found[3]] * 10.0 ** -len(found[2] or "")
        return self.value - 0.5 * unit <= figure < self.value + unit
