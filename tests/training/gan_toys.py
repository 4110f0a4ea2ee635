"""A generator and a discriminator small enough for tests, without batch norm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from toys import IMAGES

from benchbench.core.contracts import InputSpec
from benchbench.core.model import parse_options
from benchbench.core.registry import RECIPES
from benchbench.training.job import Opponents, Score
from benchbench.training.loop import TrainingOutcome, train

LATENT = 4


class Generator(nn.Module):
    """[N, 4] -> [N, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(LATENT, 6 * 16), nn.ConvTranspose2d(6, 3, 4, 2, 1)

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.last(self.first(latent).relu().view(-1, 6, 4, 4)).tanh()


def players() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    judge = nn.Sequential(
        nn.Conv2d(3, 6, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(6, 8, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Flatten(), nn.Linear(32, 1),
    )  # fmt: skip
    return Generator(), judge


def run(
    folder: Path, generator: nn.Module, judge: nn.Module, *, score: Score | None = None, **given: Any
) -> TrainingOutcome:
    recipe = RECIPES.load("gan")
    options = parse_options("recipe", "gan", recipe.options, {"device": "cpu", "samples": 4, **given})
    return train(
        generator, recipe=recipe, options=options, images=IMAGES, seed=3, folder=folder, name="a",
        beside=Opponents(inputs=(InputSpec(shape=(1, LATENT)),), discriminator=judge), say=str,
        score=score,
    )  # fmt: skip
