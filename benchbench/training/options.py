"""Options of the training loop, shared by every recipe."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchbench.core.model import OneOrMore, Options

Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class LoopOptions(Options):
    """How long, on what and how often.

    Attributes:
        steps: optimiser steps; or
        epochs: passes over the training images (one of the two).
        batch: images per step, over all processes.
        validate_every: steps between validations; one epoch, or a tenth of `steps`, unless said.
        checkpoint_every: steps between checkpoints; as often as validations, unless said.
        log_every: steps between points of the curves; some 200 points, unless said.
        sample_every: steps between pictures, beside those at 5 % and at the end.
        samples: how many test images, or images of fixed latents, are shown.
        score_every: steps between scores of the suite's `quality` measure, which give a curve; the untrained
            network is scored as well. Never, unless said.
        keep_best: a score, `fd[rand-conv-128]`: the checkpoint is that of its best step, not of the last.
        levels: values of scores, `{"fd[rand-conv-128]": 30}`, or several of one: how many steps and how much
            time it takes until each is met is measured.
        device: `auto` takes a GPU where there is one.
        precision: of the trained networks; losses stay in float32.
        devices: how many GPUs, or processes on a CPU; `batch` is shared among them.
        memory_format: `channels_last` is faster for convolutions on most machines.
    """

    steps: Count | None = None
    epochs: Annotated[float, Field(gt=0)] | None = None
    batch: Count = 4
    validate_every: Count | None = None
    checkpoint_every: Count | None = None
    log_every: Count | None = None
    sample_every: Count | None = None
    samples: Annotated[int, Field(ge=0, le=64)] = 4
    score_every: Count | None = None
    keep_best: str | None = None
    levels: dict[str, OneOrMore[Finite]] | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    devices: Count = 1
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"

    @model_validator(mode="after")
    def _one_length(self) -> LoopOptions:
        told = [name for name in ("steps", "epochs") if name in self.model_fields_set and getattr(self, name)]
        if len(told) == 1:
            # A recipe has one of the two by default; what a suite gives takes its place. Frozen, and a
            # copy is not taken from a validator.
            self.__dict__["epochs" if told == ["steps"] else "steps"] = None
        if self.steps is not None and self.epochs is not None:
            raise ValueError("give either 'steps' or 'epochs', not both")
        if self.batch % self.devices:
            raise ValueError(f"'batch' ({self.batch}) must be a multiple of 'devices' ({self.devices})")
        for name, value in (("keep_best", self.keep_best), ("levels", self.levels)):
            if value is not None and self.score_every is None:
                raise ValueError(f"'{name}' needs 'score_every': how many steps apart scores are taken")
        return self


class Schedule(Options):
    """The options with every number of steps worked out."""

    total: int
    validate_every: int
    checkpoint_every: int
    log_every: int
    sample_steps: frozenset[int]


def plan_schedule(options: LoopOptions, *, images: int) -> Schedule:
    """When what happens in a training on `images` images; steps count from 1.

    Neither `steps` nor `epochs` given means 20 epochs.
    """
    per_epoch = math.ceil(images / options.batch)
    epochs = options.epochs if options.epochs is not None or options.steps is not None else 20.0
    total = (
        options.steps
        if options.steps is not None
        else max(1, math.ceil((epochs or 0) * images / options.batch))
    )
    default = per_epoch if options.steps is None else math.ceil(total / 10)
    validate_every = options.validate_every or min(default, total)
    sample_steps = {math.ceil(total * 0.05), total}
    if options.sample_every:
        sample_steps |= set(range(options.sample_every, total, options.sample_every))
    return Schedule(
        total=total,
        validate_every=validate_every,
        checkpoint_every=options.checkpoint_every or validate_every,
        log_every=options.log_every or max(1, total // 200),
        sample_steps=frozenset(sample_steps),
    )
