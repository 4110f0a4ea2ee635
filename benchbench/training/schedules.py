"""Learning rates over steps."""

from __future__ import annotations

import torch
from torch.optim.lr_scheduler import LambdaLR


class ConstantThenLinear:
    """Factor of the learning rate: 1, and from a step on linearly to 0.

    Args:
        total: steps of the training.
        constant: how many of them have the factor 1.
    """

    # Not a function: LambdaLR saves what an object has, and so a resumed training finds it.
    def __init__(self, *, total: int, constant: int) -> None:
        self.total, self.constant = total, constant

    def __call__(self, done: int) -> float:
        """The factor of the step after `done` finished ones; 0 when all are."""
        if done < self.constant or self.total == self.constant:
            return 1.0
        return max(0.0, (self.total - done) / (self.total - self.constant))


def decay_linearly(optimizer: torch.optim.Optimizer, *, total: int, share: float) -> LambdaLR:
    """The optimiser's learning rate as it is, then linearly to 0 over the last `share` of `total` steps.

    Source: Zhu et al. 2017, section 4 (half of the epochs); Choi et al. 2018, section 5.3, and Park et al.
    2019, appendix A, do the same. They lower it once an epoch, this does it every step.
    """
    return LambdaLR(optimizer, ConstantThenLinear(total=total, constant=total - round(total * share)))
