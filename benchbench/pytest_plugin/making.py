"""Which measure made a figure.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from benchbench.core.contracts import Measure


def makes(measure: Measure, spec: str, name: str, provenance: str = "") -> bool:
    """Whether a measure makes the figure of that name.

    Args:
        measure: it.
        spec: what a suite calls it.
        name: of the figure.
        provenance: of the figure: the code that made it, which tells `fd[...]` from what is no quality.
    """
    makers = (measure.per_cell, measure.comparison and measure.comparison.summarise)
    modules = [maker.__module__ for maker in makers if maker]
    same = any(_is_below(each, provenance) or _is_below(provenance, each) for each in modules)
    return name in (spec, *measure.names) or (bool(provenance) and same)


def _is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")
