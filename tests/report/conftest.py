from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def factory(load_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module `factory.py` beside this file."""
    return load_module("report/factory.py")


@pytest.fixture(scope="session")
def table(factory, tmp_path_factory):
    """The synthetic run with its pictures on disk."""
    return factory.make_table(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def files(table, tmp_path_factory):
    """The report of the synthetic run."""
    from benchbench.report.write import write_report

    return write_report(table, out=tmp_path_factory.mktemp("reports"))
