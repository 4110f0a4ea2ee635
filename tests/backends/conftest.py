"""What the tests of several backends share."""

from __future__ import annotations

from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def nets(load_module) -> ModuleType:
    """A small network of what generators are made of, with its inputs."""
    return load_module("backends/library_networks.py")
