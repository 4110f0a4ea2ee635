"""How soon a declared level of a score is met: the first scored step, and the time of steps until then."""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchbench.core.errors import OptionError, nearest
from benchbench.core.measurement import Direction, Failure, Measurement, Protocol
from benchbench.core.model import Frozen


class Spent(Frozen):
    """What a training had taken at a step.

    Attributes:
        step: finished steps.
        step_seconds: time of `timed_steps` of them, and of nothing else.
    """

    step: int
    step_seconds: float
    timed_steps: int


class Level(Frozen):
    """One level of one score, and how far the training has come towards it.

    Attributes:
        score: the full name of the score.
        bound: the level is met at this value, and beyond it in the score's direction.
        protocol: hash of the protocol that the score is taken by.
        best: the best score so far; None where none was a number.
        best_step: where that was.
        reached: what it took, at the first scored step that met the level; None before.
    """

    score: str
    direction: Direction
    bound: float
    protocol: str
    best: float | None = None
    best_step: int = 0
    reached: Spent | None = None

    @property
    def setting(self) -> str:
        """`fd[rand-conv-64] <= 30`."""
        return f"{self.score} {'<=' if self.direction == 'lower' else '>='} {self.bound:.12g}"

    def after(self, value: float, spent: Spent) -> Level:
        """The level once one more score is known."""
        changed: dict[str, object] = {}
        if is_better(value, self.best, self.direction):
            changed = {"best": value, "best_step": spent.step}
        if self.reached is None and (
            value <= self.bound if self.direction == "lower" else value >= self.bound
        ):
            changed["reached"] = spent
        return self.model_copy(update=changed)


def is_better(value: float, best: float | None, direction: Direction) -> bool:
    """Whether `value` takes the place of the best so far; what is no number never does."""
    if math.isnan(value):
        return False
    return best is None or (value < best if direction == "lower" else value > best)


def find_score(option: str, name: str, found: Sequence[Measurement]) -> Measurement:
    """The score that an option names: by its full name, or by `fd` where only one is a `fd[...]`.

    Raises:
        OptionError: no score has that name, or several have.
    """
    fellows = [each for each in found if each.name == name]
    fellows = fellows or [each for each in found if each.name.partition("[")[0] == name]
    if len(fellows) == 1:
        return fellows[0]
    names = list(dict.fromkeys(each.name for each in found))
    if fellows:
        told = list(dict.fromkeys(each.name for each in fellows))
        raise OptionError(
            f"{option}: {name} is {len(fellows)} scores of this training",
            expected=f"one of {', '.join(told)}" if len(told) > 1 else "one score of that name",
            fix="write the whole name of one of them"
            if len(told) > 1
            else "have one quality measure make it, not several",
        )
    near = nearest(name, names)
    raise OptionError(
        f"{option}: {name} is no score of this training",
        expected=f"one of {', '.join(names) or 'none'}" + (f"; nearest '{near}'" if near else ""),
        fix="name one of them, or let the quality measure make it",
    )


def measured_level(
    level: Level, protocol: Protocol, *, score_every: int, provenance: str
) -> tuple[Measurement, ...]:
    """Steps and seconds to the level; none of them where it was not met.

    Args:
        protocol: of the training; what the score is, is added to it.
        score_every: steps between scores.
    """
    spent = level.reached
    if spent is None:
        return ()
    settings = {**protocol.settings, "score_every": score_every, "score_protocol": level.protocol}
    whole = protocol.model_copy(update={"settings": settings})
    flags: tuple[str, ...] = ()
    if spent.step == 0:
        flags = ("met by the untrained network",)
    elif score_every > 1:
        earlier = f"it may have been met up to {score_every - 1} steps earlier"
        flags = (f"scores are taken every {score_every} steps: {earlier}",)
    figures = [
        Measurement(
            name="steps_to_level",
            setting=level.setting,
            unit="1",
            direction="lower",
            value=spent.step,
            protocol=whole,
            provenance=provenance,
            flags=flags,
        )
    ]
    seconds = _seconds(spent)
    if seconds is not None:
        timed = f"of {spent.timed_steps} timed steps; the first of each process counts as their mean"
        figures.append(
            Measurement(
                name="time_to_level",
                setting=level.setting,
                unit="s",
                direction="lower",
                value=seconds,
                protocol=whole,
                provenance=provenance,
                flags=(*flags, timed) if spent.step else flags,
            )
        )
    return tuple(figures)


def explain_unmet(level: Level, *, steps: int, seed: int) -> Failure | None:
    """Why a figure of the level is missing; None where none is."""
    if level.reached is not None:
        if _seconds(level.reached) is not None:
            return None
        reason = (
            f"met at step {level.reached.step}, and the first step of a process is not timed: it warms up"
        )
        return Failure(of=f"time_to_level: {level.setting}", kind="skipped", reason=reason)
    # Not a fault of the cell: that it is final, and that the run has not failed, is what `skipped` says.
    best = "no score was a number"
    if level.best is not None:
        best = f"the best was {level.best:.4g}, at step {level.best_step:,}"
    return Failure(
        of=f"level: {level.setting}",
        kind="skipped",
        reason=f"not met in {steps:,} steps of seed {seed}: {best}",
        fix="train longer, or declare a level that is met",
    )


def _seconds(spent: Spent) -> float | None:
    """Each step at the mean of those that were timed: an interruption, or a warm-up, takes nothing away."""
    if spent.step == 0:
        return 0.0
    return spent.step * spent.step_seconds / spent.timed_steps if spent.timed_steps else None
