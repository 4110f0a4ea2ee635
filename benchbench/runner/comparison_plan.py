"""What one comparison is of, and what its results and raw samples are called by."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchbench.core.cell import Cell
from benchbench.core.contracts import Comparison
from benchbench.core.model import canonical_json
from benchbench.core.store import RunStore


@dataclass(frozen=True, slots=True)
class PlannedComparison:
    """One comparison: cells of one group under one set of options; the first cell is the baseline.

    `digests` are those of the deployed files that backends open, each after its cell's id.
    """

    measure: str
    comparison: Comparison
    options: Any
    cells: tuple[Cell, ...]
    group: str
    digests: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """For people: `latency (cpu, 2 threads)`."""
        words = ", ".join(part for part in (self.comparison.setting(self.options), self.group) if part)
        whose = f"{self.cells[0].label}: " if self._is_alone else ""
        return f"{whose}{self.measure} ({words})"

    @property
    def _is_alone(self) -> bool:
        return self.comparison.members == "alone"

    @property
    def id(self) -> str:
        """Stable under the same options and group, whichever cells take part; of a cell where it is alone."""
        content = [self.measure, self.options.model_dump(mode="json"), self.group]
        if self._is_alone:
            content.append(self.cells[0].id)
        return f"{self.measure}-{hashlib.sha256(canonical_json(content).encode()).hexdigest()[:10]}"

    @property
    def samples_id(self) -> str:
        """Where raw samples go: other cells side by side, or other files of theirs, are other samples."""
        ids = "\n".join([*(cell.id for cell in self.cells), *self.digests])
        return f"{self.id}-{hashlib.sha256(ids.encode()).hexdigest()[:6]}"


def digests_of(store: RunStore, cells: Sequence[Cell]) -> tuple[str, ...]:
    """The digests of the files that `cells` were deployed as; nothing of those that have none."""
    found: list[str] = []
    for cell in cells:
        result = store.read_cell(cell.id)
        record = None if result is None else result.deployment
        if record is not None and record.digest is not None:
            found.append(f"{cell.id} {record.digest}")
    return tuple(found)
