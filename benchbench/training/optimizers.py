"""Adam and its learning rates, as recipes of adversarial networks have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from benchbench.training.options import LoopOptions, plan_schedule
from benchbench.training.schedules import decay_linearly


class Betas(Protocol):
    """Options that have Adam's betas."""

    @property
    def beta_1(self) -> float:
        """Of the mean of gradients."""

    @property
    def beta_2(self) -> float:
        """Of the mean of their squares."""


def adam(weights: Iterable[nn.Parameter], options: Betas, *, lr: float) -> torch.optim.Adam:
    """Adam with the betas of a recipe's options, and a learning rate to begin with."""
    return torch.optim.Adam(weights, lr=lr, betas=(options.beta_1, options.beta_2))


def decay_all(
    optimizers: Mapping[str, torch.optim.Optimizer], options: LoopOptions, *, share: float, images: int
) -> Mapping[str, LRScheduler]:
    """A schedule for each optimiser, by its name: linearly to 0 over the last `share` of the training.

    Args:
        options: how long the training is.
        images: how many there are to train on; epochs are of them.
    """
    total = plan_schedule(options, images=images).total
    return {
        name: decay_linearly(optimizer, total=total, share=share) for name, optimizer in optimizers.items()
    }
