"""Which cell each cell is compared with."""

from __future__ import annotations

from benchbench.core.expand import expand
from benchbench.core.suite import Suite


def baselines_of(suite: Suite) -> dict[str, str | None]:
    """Cell id -> id of the cell that it is compared with: its own for a baseline, None without one.

    A baseline has the same settings, seed among them, and is of the same group.
    """
    cells = expand(suite)
    named = {(cell.group, cell.variant): cell.id for cell in cells}
    # With `matrix: {variant: ...}` a baseline may have no cell.
    return {cell.id: named.get((cell.group, suite.baseline_of(cell.variant))) for cell in cells}
