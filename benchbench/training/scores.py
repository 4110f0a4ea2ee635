"""Scores of what a network makes while it is trained: a curve, the weights of the best step, levels met."""

from __future__ import annotations

from collections import Counter

from torch import nn

from benchbench.architectures.weights import load_weights, save_weights
from benchbench.core.measurement import Measurement
from benchbench.training.job import Job
from benchbench.training.levels import Level, find_score, is_better
from benchbench.training.state import Progressed


class Scores:
    """Takes and keeps them; of the first process alone."""

    def __init__(self, job: Job, progressed: Progressed) -> None:
        self._job, self._progressed = job, progressed

    def take(self, network: nn.Module) -> None:
        """Score the network at the present step, where scores are asked for.

        Raises:
            OptionError: `keep_best` or `levels` names none of them.
        """
        job, done = self._job, self._progressed
        if job.score is None or job.options.score_every is None:
            return
        found = job.score(network, done.step)
        names: Counter[str] = Counter()
        for figure in found:
            names[figure.name] += 1
            # Two quality measures may make one name; their curves are two all the same.
            again = f" ({names[figure.name]})" if names[figure.name] > 1 else ""
            done.log(f"score/{figure.name}{again}", figure.value)
        if job.options.keep_best is not None:
            self._keep_best(network, find_score("keep_best", job.options.keep_best, found))
        for name, bounds in (job.options.levels or {}).items():
            figure = find_score("levels", name, found)
            for bound in bounds:
                self._note_level(figure, bound)

    def _keep_best(self, network: nn.Module, figure: Measurement) -> None:
        done = self._progressed
        if is_better(figure.value, None if done.best is None else done.best[0], figure.direction):
            done.best = (figure.value, done.step)
            save_weights(network, self._job.best)

    def _note_level(self, figure: Measurement, bound: float) -> None:
        done = self._progressed
        fresh = Level(
            score=figure.name, direction=figure.direction, bound=bound, protocol=figure.protocol.hash
        )
        known = done.levels.get(fresh.setting, fresh)
        done.levels[fresh.setting] = known.after(figure.value, done.spent)

    def restore_best(self, network: nn.Module) -> None:
        """The network gets the weights of the best step so far, where these are to be kept.

        Raises:
            CheckpointError: their file is gone or damaged.
        """
        if self._job.options.keep_best is not None and self._progressed.best is not None:
            load_weights(network, self._job.best)
