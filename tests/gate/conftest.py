from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def factory(load_module: Callable[[str], ModuleType]) -> ModuleType:
    """The module `gate_runs.py` beside this file."""
    return load_module("gate/gate_runs.py")
