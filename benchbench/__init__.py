"""If I make this image generator lighter, what do I gain, and what do I lose?

The Python face of the command line; each name is imported when first used, so that
`import benchbench` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchbench.architectures.build import build as build
    from benchbench.backends.face import deploy as deploy
    from benchbench.core.expand import expand as expand
    from benchbench.core.store import read_run as read_run
    from benchbench.core.suite_file import load_suite as load_suite
    from benchbench.core.suite_file import load_suites as load_suites
    from benchbench.measures.counting import count as count
    from benchbench.measures.latency import compare_latency as compare_latency
    from benchbench.quality.frechet import frechet_distance as frechet_distance
    from benchbench.quality.kernel import kernel_distance as kernel_distance
    from benchbench.report.write import write_report as write_report
    from benchbench.runner.export import export as export
    from benchbench.runner.run import run as run
    from benchbench.variants.replace import replace as replace

__version__ = "0.1.0"

_WHERE = {
    "build": "benchbench.architectures.build",
    "compare_latency": "benchbench.measures.latency",
    "count": "benchbench.measures.counting",
    "deploy": "benchbench.backends.face",
    "expand": "benchbench.core.expand",
    "export": "benchbench.runner.export",
    "frechet_distance": "benchbench.quality.frechet",
    "kernel_distance": "benchbench.quality.kernel",
    "load_suite": "benchbench.core.suite_file",
    "load_suites": "benchbench.core.suite_file",
    "read_run": "benchbench.core.store",
    "replace": "benchbench.variants.replace",
    "run": "benchbench.runner.run",
    "write_report": "benchbench.report.write",
}

__all__ = [  # noqa: PLE0604
    "__version__",
    *_WHERE,
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'benchbench' has no attribute '{name}'")
    return getattr(importlib.import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
