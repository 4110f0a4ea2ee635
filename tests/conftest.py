"""What tests of several packages share; modules cannot import a conftest."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from benchbench.cli.entry import main

WritePictures = Callable[..., Path]
LoadModule = Callable[[str], ModuleType]


def _load_module(path: str) -> ModuleType:
    name = f"benchbench_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def import_path() -> Iterator[None]:
    """A network that a test names by file makes its folder importable, for that test and no other.

    A checkout that stays importable brings its egg-info with it: pytest then finds the plugin twice, and
    every later test that runs pytest in this process fails. What libraries add of the environment stays: they
    look there for parts of theirs later.
    """
    before = list(sys.path)
    yield
    sys.path[:] = [each for each in sys.path if each in before or Path(each).is_relative_to(sys.prefix)]


@pytest.fixture(scope="session")
def load_module() -> LoadModule:
    """`quality/inception_stubs.py`, of this folder -> the module; test modules are no package."""
    return _load_module


@pytest.fixture(scope="session")
def stubs(load_module: LoadModule) -> ModuleType:
    """tests/quality/inception_stubs.py."""
    return load_module("quality/inception_stubs.py")


@pytest.fixture(scope="session")
def vgg_files(load_module: LoadModule) -> ModuleType:
    """tests/quality/vgg_files.py."""
    return load_module("quality/vgg_files.py")


@pytest.fixture(scope="session")
def write_pictures() -> WritePictures:
    """(folder, count, seed=, noise=, sizes=) -> the folder, filled with smooth random pictures as PNG."""

    def write(
        folder: Path, count: int, *, seed: int = 0, noise: float = 0.0, sizes: Sequence[int] = (24,)
    ) -> Path:
        random = np.random.default_rng(seed)
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            side = sizes[index % len(sizes)]
            coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
            pixels = np.asarray(coarse.resize((side, side + 3), Image.Resampling.BICUBIC), dtype=float)
            noisy = pixels + random.normal(0, noise, pixels.shape)
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{index:04d}.png")
        return folder

    return write


SMALL_EXTRACTOR = """
import torch


class Small(torch.nn.Module):
    def __init__(self, seed=5, dimensions=12):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(dimensions, 3, 9, 9, generator=generator) / 2)

    def forward(self, images):
        found = torch.nn.functional.conv2d(images / 128 - 1, self.weight, stride=7).relu()
        return found.mean(dim=(2, 3))
"""


@pytest.fixture(scope="session")
def small_extractor(tmp_path_factory: pytest.TempPathFactory) -> str:
    """`path/to/file.py:Small`: twelve features of a seeded convolution."""
    path = tmp_path_factory.mktemp("extractor") / "small_extractor.py"
    path.write_text(SMALL_EXTRACTOR)
    return f"{path}:Small"


@pytest.fixture
def assert_refused(capsys: pytest.CaptureFixture[str]) -> Callable[[Sequence[str], str], None]:
    """(arguments, problem): the command ends with 2; it says the problem, what is expected, what to do."""

    def check(arguments: Sequence[str], problem: str) -> None:
        assert main(arguments) == 2
        out, err = capsys.readouterr()
        assert out == ""
        first, *rest = err.splitlines()
        assert first.startswith("error: ")
        assert problem in first
        assert all(line.startswith(("  expected: ", "  to do: ")) for line in rest)

    return check
