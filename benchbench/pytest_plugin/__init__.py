"""What pytest knows of benchbench: options, two fixtures, and nothing more until one of them is used.

`pytest --benchbench SUITE` makes tests of a suite's cells and measures (`suites.py`). Fixtures:
`benchbench_counts` and `benchbench_latency`, for a project's own tests on its own modules. docs/ci.md.

PYTEST_DONT_REWRITE: pytest would otherwise rewrite the asserts of a package that it never tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from benchbench.measures.latency.timers import Timer
    from benchbench.pytest_plugin.counts import CountModule
    from benchbench.pytest_plugin.latency import LatencyGate

_WARNING = "benchbench.pytest_plugin.AmbiguousVerdict"


class AmbiguousVerdict(UserWarning):
    """A measurement that is too uncertain to pass or to fail.

    It stays a warning where a project makes errors of all others, unless `filterwarnings` names it.
    """


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options; each is read by `suites.py` alone."""
    group = parser.getgroup("benchbench", "benchbench: what a lighter image generator gains and loses")
    group.addoption(
        "--benchbench",
        metavar="SUITE",
        action="append",
        default=[],
        help="make one test of each cell and measure of a suite; other tests run only where they are named",
    )
    group.addoption("--benchbench-profile", metavar="NAME", help="apply one of the suite's profiles: quick")
    group.addoption(
        "--benchbench-set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="override a field of the suite: train.steps=100; may be given again",
    )
    group.addoption("--benchbench-only", metavar="GLOB", help="only the cells whose name matches: 'v*'")
    group.addoption(
        "--benchbench-baseline",
        metavar="FILE",
        help="judge by this baseline: a test fails, passes, or passes with a warning (ambiguous)",
    )
    group.addoption(
        "--benchbench-out", metavar="DIR", default="results", help="where results go (default: results)"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Keep the warning a warning, and bring in the suites where there are any."""
    if not any("AmbiguousVerdict" in line for line in config.getini("filterwarnings")):
        config.addinivalue_line("filterwarnings", f"always::{_WARNING}")
    if config.getoption("benchbench"):
        from benchbench.pytest_plugin.suites import SuitePlugin

        config.pluginmanager.register(SuitePlugin(config), "benchbench-suites")


@pytest.fixture
def benchbench_counts() -> CountModule:
    """(model, inputs) -> what it costs: `.macs`, `.parameters`, ...; `inputs` is a shape or tensors.

    `assert benchbench_counts(model, (1, 3, 256, 256)).macs <= 2_000_000_000`
    """
    from benchbench.pytest_plugin.counts import count_module

    return count_module


@pytest.fixture
def benchbench_timer() -> Timer | None:
    """The clock of `benchbench_latency`; None is the machine's. A test of timing code brings its own."""
    return None


@pytest.fixture
def benchbench_latency(request: pytest.FixtureRequest, benchbench_timer: Timer | None) -> LatencyGate:
    """Time modules side by side, in this process.

    `benchbench_latency.compare({"old": a, "new": b}, (1, 3, 64, 64)).assert_not_slower(tolerance=0.05)`
    """
    from benchbench.pytest_plugin.latency import LatencyGate

    if hasattr(request.config, "workerinput"):
        pytest.fail(
            "benchbench_latency: xdist's other workers would be timed too; run with -n 0", pytrace=False
        )
    return LatencyGate(what=request.node.nodeid, timer=benchbench_timer)
