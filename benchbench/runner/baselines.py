"""Which cell each cell is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.cell import Cell
from benchbench.core.expand import expand
from benchbench.core.suite import Suite


def with_networks(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """The cells, with the network of each deployed one before it: its weights, and what it is held to."""
    return tuple(dict.fromkeys(each for cell in cells for each in (cell.network, cell)))


def baselines_of(suite: Suite) -> dict[str, str | None]:
    """Cell id -> id of the cell that it is compared with: its own for a baseline, None without one.

    A baseline has the same settings, seed among them, and is of the same group.
    """
    cells = expand(suite)
    # Eager float32, whichever way the cell itself is run.
    named = {(cell.group, cell.variant): cell.id for cell in cells if cell.deploy.is_reference}
    # With `matrix: {variant: ...}` a baseline may have no cell.
    return {cell.id: named.get((cell.group, suite.baseline_of(cell.variant))) for cell in cells}
