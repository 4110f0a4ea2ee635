"""Small registries of its own, so that what a test of core sees does not grow with the built-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field

from benchbench.core import registry
from benchbench.core.contracts import Architecture, Measure, Replacement
from benchbench.core.examples import Source
from benchbench.core.model import Options
from benchbench.core.registry import Registry
from benchbench.core.training import Recipe


class ToyNetOptions(Options):
    width: int = Field(default=8, gt=0)


class ToyReplacementOptions(Options):
    norm: Literal["none", "instance"] = "none"


class ToySourceOptions(Options):
    size: int = Field(default=64, gt=0, description="edge of a crop, pixels")


class Optimizer(Options):
    name: Literal["adam", "sgd"] = "adam"
    lr: float = 0.001


class ToyRecipeOptions(Options):
    steps: int = Field(default=100, gt=0)
    batch: int = 4
    optimizer: Optimizer = Optimizer()


class NoOptions(Options):
    pass


class ToyLatencyOptions(Options):
    threads: tuple[int, ...] = (1,)
    device: Literal["cpu", "cuda"] = "cpu"
    baseline: str | None = None


def never(*_: object) -> None:
    raise AssertionError("reading a suite builds, opens and measures nothing")


SUITE = """\
name: toy
architecture: toy_net
variants:
  baseline: {}
  v1:
    replace: {stages: [residual], with: separable}
data: photos
train:
  recipe: perceptual
  steps: 20
measure:
  - parameters
  - latency:
      threads: [1, 2]
expect:
  v1: {parameters: 381315}
"""


@pytest.fixture
def toy_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    architectures: Registry[Architecture] = Registry("tests.none", kind="architecture")
    replacements: Registry[Replacement] = Registry("tests.none", kind="replacement")
    sources: Registry[Source] = Registry("tests.none", kind="data source")
    recipes: Registry[Recipe] = Registry("tests.none", kind="recipe")
    measures: Registry[Measure] = Registry("tests.none", kind="measure")
    stages = {"encoder": ("enc.*",), "residual": ("res.*",), "decoder": ("dec.*",)}
    architectures.add("toy_net", Architecture(ToyNetOptions, never, stages, never))
    architectures.add("other_net", Architecture(NoOptions, never, {"body": ("*",)}, never))
    replacements.add("separable", Replacement(ToyReplacementOptions, never))
    sources.add("photos", Source(ToySourceOptions, never))
    recipes.add("perceptual", Recipe(ToyRecipeOptions, never))
    measures.add("parameters", Measure(NoOptions, needs="structure"))
    measures.add("latency", Measure(ToyLatencyOptions))
    monkeypatch.setattr(registry, "ARCHITECTURES", architectures)
    monkeypatch.setattr(registry, "REPLACEMENTS", replacements)
    monkeypatch.setattr(registry, "SOURCES", sources)
    monkeypatch.setattr(registry, "RECIPES", recipes)
    monkeypatch.setattr(registry, "MEASURES", measures)


@pytest.fixture
def suite_text() -> str:
    return SUITE


@pytest.fixture
def suite_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy_registries: None) -> Path:
    """`suite.yaml` in the current folder, so that messages can be compared whole."""
    monkeypatch.chdir(tmp_path)
    path = Path("suite.yaml")
    path.write_text(SUITE, encoding="utf-8")
    return path
