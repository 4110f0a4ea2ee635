"""Small pictures for the tests of data sources; modules cannot import a conftest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WritePicture = Callable[..., Path]


@pytest.fixture(scope="session")
def write_picture() -> WritePicture:
    """(path, width, height, seed=, save options) -> the path of a picture of noise in RGB."""

    def write(path: Path, width: int, height: int, *, seed: int = 0, **save: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path, **save)
        return path

    return write
