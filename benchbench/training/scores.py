"""Scores of what a network makes while it is trained: a curve, and the weights of the best step."""

from __future__ import annotations

import os
from collections.abc import Sequence

from torch import nn

from benchbench.architectures.weights import save_weights
from benchbench.core.errors import OptionError, nearest
from benchbench.core.measurement import Measurement
from benchbench.training.job import Job
from benchbench.training.state import Progressed


class Scores:
    """Takes and keeps them; of the first process alone."""

    def __init__(self, job: Job, progressed: Progressed) -> None:
        self._job, self._progressed = job, progressed

    def take(self, network: nn.Module) -> None:
        """Score the network at the present step, where scores are asked for.

        Raises:
            OptionError: `keep_best` names none of them.
        """
        job, done = self._job, self._progressed
        if job.score is None or job.options.score_every is None:
            return
        found = job.score(network, done.step)
        for figure in found:
            done.log(f"score/{figure.name}", figure.value)
        if job.options.keep_best is not None:
            self._keep_best(network, found, job.options.keep_best)

    def _keep_best(self, network: nn.Module, found: Sequence[Measurement], name: str) -> None:
        done = self._progressed
        figure = next((each for each in found if each.name == name), None)
        if figure is None:
            names = [each.name for each in found]
            near = nearest(name, names)
            raise OptionError(
                f"keep_best: {name} is no score of this training",
                expected=f"one of {', '.join(names) or 'none'}" + (f"; nearest '{near}'" if near else ""),
                fix="name one of them, or let the quality measure make it",
            )
        better = done.best is None or (
            figure.value < done.best[0] if figure.direction == "lower" else figure.value > done.best[0]
        )
        if better:
            done.best = (figure.value, done.step)
            save_weights(network, self._job.best)

    def finish(self) -> None:
        """The checkpoint becomes that of the best step, where one is asked for."""
        if self._job.best.is_file():
            os.replace(self._job.best, self._job.checkpoint)
