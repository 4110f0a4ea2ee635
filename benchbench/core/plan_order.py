"""Where a cell stands in its suite's plan."""

from __future__ import annotations

from benchbench.core.cell import Cell
from benchbench.core.suite import Suite


def place_in_plan(cell: Cell, suite: Suite) -> tuple[tuple[int, ...], int, int, int]:
    """What cells are sorted by to stand as `expand` has them.

    Settings outermost, in the order of the matrix; then groups, then variants, then deployments.
    """
    swept = {setting.key: setting.value for setting in cell.settings}
    places = tuple(
        values.index(swept[key]) if key in swept and swept[key] in values else len(values)
        for key, values in suite.matrix.items()
        if key != "variant" and not key.startswith("variant.")
    )
    groups = list(dict.fromkeys(variant.group for variant in suite.variants.values()))
    group = groups.index(cell.variant_group) if cell.variant_group in groups else len(groups)
    names = list(suite.variants)
    variant = names.index(cell.variant) if cell.variant in names else len(names)
    ways = suite.deployments
    return places, group, variant, ways.index(cell.deploy) if cell.deploy in ways else len(ways)
