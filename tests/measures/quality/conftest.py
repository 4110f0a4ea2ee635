from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchbench.measures.quality.evaluate import Means


@pytest.fixture
def means(tmp_path: Path) -> Means:
    """A cache of its own, and nobody who listens."""

    def nobody(side: str) -> Callable[[int, int], None]:
        return lambda done, total: None

    return Means(cache=tmp_path / "cache", say=lambda line: None, progress=nobody, folders=(tmp_path,))
