"""Training one cell: what its recipe needs beside the network, and how it is scored on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from torch import nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.errors import MeasurementError, OptionError
from benchbench.core.examples import Splits
from benchbench.core.measurement import Measurement
from benchbench.core.model import parse_options
from benchbench.core.registry import ARCHITECTURES, MEASURES, RECIPES
from benchbench.core.suite import MeasureSpec
from benchbench.core.training import Role
from benchbench.runner.jobs import CellJob
from benchbench.runner.subjects import build_discriminator, build_subject, open_data
from benchbench.training.batches import mix_seed
from benchbench.training.job import Opponents, Score
from benchbench.training.loop import TrainingOutcome, train
from benchbench.training.options import LoopOptions
from benchbench.training.progress import say_on_stderr

SCORED = "quality"


def train_cell(subject: Subject, job: CellJob) -> TrainingOutcome:
    """Train a cell's network by its recipe, in place.

    Raises:
        BenchbenchError: as training.loop.train, and for options that the recipe does not have.
    """
    cell, folder = job.cell, Path(job.folder)
    assert cell.train is not None
    assert cell.train.recipe is not None
    recipe = RECIPES.load(cell.train.recipe)
    options = parse_options("recipe", cell.train.recipe, recipe.options, cell.train.options)
    if not isinstance(options, LoopOptions):
        raise OptionError(
            f"recipe '{cell.train.recipe}': its options do not extend LoopOptions",
            fix="derive them from benchbench.training.options.LoopOptions",
        )
    return train(
        subject.module,
        recipe=recipe,
        options=options,
        images=open_images_of(cell),
        seed=cell.seed,
        folder=folder,
        name=cell.id,
        label=cell.label,
        beside=_beside(subject, job),
        score=_scorer(subject, job, options),
    )


@cache
def open_images_of(cell: Cell) -> Splits:
    """The cell's images, opened once per process."""
    return open_data(cell)


def context_of(job: CellJob, *, say: Callable[[str], None] = say_on_stderr) -> MeasureContext:
    """What the cell's measures may use."""
    return MeasureContext(
        seed=job.cell.seed,
        folder=Path(job.folder),
        images=partial(open_images_of, job.cell),
        say=say,
        baseline=job.baseline,
        folders=tuple(Path(each) for each in job.import_folders),
    )


def _beside(subject: Subject, job: CellJob) -> Opponents:
    name = job.cell.architecture.name
    return Opponents(
        inputs=subject.specs,
        values=ARCHITECTURES.load(name).values if name is not None else "signed",
        discriminator=None if subject.discriminator is None else subject.discriminator.module,
        another=partial(_another, job),
    )


def _another(job: CellJob, role: Role, number: int) -> nn.Module:
    """One more network of the cell's definition; its weights are those of another seed."""
    cell = job.cell.model_copy(update={"seed": mix_seed(job.cell.seed, number) % 2**31})
    folders = [Path(each) for each in job.import_folders]
    if role == "generator":
        return build_subject(cell, folders=folders).module
    found = build_discriminator(cell, folders=folders)
    assert found is not None
    return found.module


def _scorer(subject: Subject, job: CellJob, options: LoopOptions) -> Score | None:
    """The suite's quality measures; None where no scores are asked for.

    Raises:
        OptionError: scores are asked for, and the suite measures no quality.
    """
    if options.score_every is None:
        return None
    specs = tuple(spec for spec in job.measures if spec.name == SCORED)
    if not specs:
        raise OptionError(
            f"score_every: {options.score_every}, and the suite has no '{SCORED}' measure",
            expected="the measure that scores are taken by",
            fix="add `quality: {metrics: [fd, kd], reference: data.test}` to 'measure'",
        )
    template = replace(subject, module=nn.Identity(), discriminator=None)
    return partial(_score, template, job, specs)


def _score(
    template: Subject, job: CellJob, specs: Sequence[MeasureSpec], network: nn.Module, step: int
) -> list[Measurement]:
    measure = MEASURES.load(SCORED)
    assert measure.per_cell is not None
    subject = replace(template, module=network)
    found: list[Measurement] = []
    for spec in specs:
        options = parse_options("measure", SCORED, measure.options, {**spec.options, "resamples": 0})
        measured = measure.per_cell(subject, options, context_of(job))
        if measured.failures:
            failure = measured.failures[0]
            raise MeasurementError(f"no score at step {step}: {failure.reason}", fix=failure.fix)
        found += measured.measurements
    return found
