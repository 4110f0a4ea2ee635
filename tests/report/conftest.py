from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def factory() -> ModuleType:
    """The module `factory.py` beside this file; test modules are no package, so it is loaded by path."""
    name = "benchbench_report_factory"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name("factory.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def table(factory, tmp_path_factory):
    """The synthetic run with its pictures on disk."""
    return factory.make_table(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def files(table, tmp_path_factory):
    """The report of the synthetic run."""
    from benchbench.report.write import write_report

    return write_report(table, out=tmp_path_factory.mktemp("reports"))
