"""Runs pytest with the plugin, also where the package was installed before it had one."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

import pytest

# pytester forgets what a run in this process imports first, and torch cannot be imported twice.
import benchbench.pytest_plugin.counts
import benchbench.pytest_plugin.latency
import benchbench.pytest_plugin.suites
import benchbench.pytest_plugin.verdicts
import benchbench.runner.run  # noqa: F401

RunPlugin = Callable[..., pytest.RunResult]


@pytest.fixture(autouse=True)
def no_outer_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test starts is no part of the run that it is in itself; pytest-benchmark would think so."""
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def plugin_words() -> tuple[str, ...]:
    """What makes pytest load the plugin: nothing where its entry point is installed."""
    installed = any(each.name == "benchbench" for each in entry_points(group="pytest11"))
    return () if installed else ("-p", "benchbench.pytest_plugin")


@pytest.fixture
def run_plugin(pytester: pytest.Pytester, plugin_words: tuple[str, ...]) -> RunPlugin:
    """(words) -> what pytest said, in this process."""
    return lambda *words: pytester.runpytest_inprocess(*plugin_words, "-p", "no:cacheprovider", *words)
