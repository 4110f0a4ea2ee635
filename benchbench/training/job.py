"""One training: what is trained, where its files go, where its time goes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import nn

from benchbench.core.contracts import InputSpec
from benchbench.core.examples import Splits
from benchbench.core.measurement import Measurement
from benchbench.core.model import JsonValue
from benchbench.core.training import Recipe, Role
from benchbench.training.options import LoopOptions

Score = Callable[[nn.Module, int], Sequence[Measurement]]
"""(network in eval mode, on its device; step) -> figures of what it makes."""


@dataclass(frozen=True, slots=True)
class Opponents:
    """What a recipe may need beside the network that is trained; see core/training.py, TrainingContext."""

    inputs: tuple[InputSpec, ...] = ()
    values: Literal["signed", "unit"] = "signed"
    discriminator: nn.Module | None = None
    another: Callable[[Role, int], nn.Module] | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be trained, and where it leaves its files."""

    module: nn.Module
    beside: Opponents
    score: Score | None
    recipe: Recipe
    options: LoopOptions
    images: Splits
    seed: int
    folder: Path
    name: str
    label: str
    resume: bool

    @property
    def checkpoint(self) -> Path:
        """The weights."""
        return self.folder / "checkpoints" / f"{self.name}.safetensors"

    @property
    def best(self) -> Path:
        """The weights of the best score so far."""
        return self.folder / "checkpoints" / f"{self.name}.best.safetensors"

    @property
    def state(self) -> Path:
        """What a resumed training goes on from."""
        return self.folder / "checkpoints" / f"{self.name}.state.pt"

    def describe(self, networks: Mapping[str, nn.Module]) -> dict[str, JsonValue]:
        """What must be the same for a training to be gone on with, by the names users know."""
        shapes = [
            f"{name}.{key} {tuple(value.shape)}"
            for name, network in networks.items()
            for key, value in network.state_dict().items()
        ]
        return {
            **self.options.model_dump(mode="json"),
            "seed": self.seed,
            "data": self.images.digest,
            "tensors of the model": hashlib.sha256("\n".join(shapes).encode()).hexdigest()[:12],
        }


class Watch:
    """Wall time since it was made, and how much of it was spent inside models, data and libraries."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.inside_s = 0.0

    @property
    def total_s(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Counts the time of its block as inside."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.inside_s += time.perf_counter() - began
