"""`benchbench quality`: whatever holds or makes images, against a reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from benchbench.core.errors import DataError, OptionError
from benchbench.core.imports import find_object
from benchbench.core.store import find_run, read_run
from benchbench.data.generated import GeneratedImages
from benchbench.data.open import Openable, open_images
from benchbench.measures.drawn_inputs import contents_among, fields_taken
from benchbench.measures.quality.evaluate import Evaluation, Means, evaluate
from benchbench.measures.quality.images import made_from, named_after, open_declared, tell_left_out
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.outputs import make_outputs
from benchbench.measures.quality.pairs import NEED_PARTNERS as PAIR_METRICS
from benchbench.measures.quality.progress import show_progress
from benchbench.measures.quality.sides import Side
from benchbench.runner.subjects import build_subject

NOTHING = "none"


def score(
    reference: Openable,
    generated: Openable,
    options: QualityOptions,
    *,
    cache: Path,
    say: Callable[[str], None],
) -> Evaluation:
    """Every asked-for figure of `generated` against `reference`.

    Args:
        reference: as `generated`; `none` where no metric compares.
        generated: a path (folder, zip, npz, npy), `pkg.module:callable` that makes images,
            `RUN:VARIANT` for a variant of a finished run, or images in memory (data/open.py).
        options: metrics, extractors and the rest.
        cache: where features are kept.
        say: shows one line.

    Raises:
        DataError: images that are missing, broken or too few.
        OptionError: a request that makes no sense.
        BenchbenchError: a network that cannot be built or imported.
    """
    nothing = isinstance(reference, str) and reference == NOTHING
    if options.images is not None and any(metric in PAIR_METRICS for metric in options.metrics):
        raise OptionError(
            "'images' chooses by content, and pairs need every image of both sides",
            fix="leave --images out, or the metrics of pairs",
        )
    first = None if nothing else open_side(reference, options, limit=options.reference_images)
    second = open_side(generated, options, limit=options.images)
    for side in (first, second):
        if side is not None:
            tell_left_out(side.what, side.images, say)
    means = Means(
        cache=cache,
        say=say,
        progress=lambda side: show_progress(side, say),
        folders=(Path.cwd(),),
    )
    return evaluate(first, second, options, means)


def open_side(what: Openable, options: QualityOptions, *, limit: int | None) -> Side:
    """One side, with how its images came to be.

    Raises:
        DataError, OptionError, BenchbenchError: as `score`.
    """
    if isinstance(what, Path):
        what = str(what)
    if not isinstance(what, str):
        return Side(open_images(what, conversion=options.conversion, limit=limit), type(what).__name__)
    if not Path(what).expanduser().exists() and ":" in what:
        target, _, name = what.rpartition(":")
        if Path(target).expanduser().is_dir():
            return _of_run(target, name, options, count=limit)
        return _of_callable(what, options, count=limit)
    if (Path(what).expanduser() / "run.json").is_file():
        raise DataError(
            f"{what} is a run, whose pictures are of many kinds",
            expected=f"a variant of it: {what}:VARIANT",
            fix=f"`benchbench report {what}` shows them",
        )
    return Side(open_images(what, conversion=options.conversion, limit=limit), what)


def _of_callable(target: str, options: QualityOptions, *, count: int | None) -> Side:
    make = find_object(target, [Path.cwd()], error=DataError)
    if not callable(make):
        raise DataError(f"'{target}' is a {type(make).__name__}", expected="a callable that makes images")
    if count is None:
        raise OptionError(f"'{target}' makes as many images as it is asked for", fix="say --images 5000")
    images = GeneratedImages(
        make,
        count=count,
        seed=options.seed,
        batch=options.batch,
        conversion=options.conversion,
        what=target,
    )
    # A batch is seeded as a whole: other batches are other images.
    return Side(images, target, {"seed": options.seed, "batch": options.batch})


def _of_run(folder: str, variant: str, options: QualityOptions, *, count: int | None) -> Side:
    table = read_run(folder)
    found = table.of(variant)
    if not found:
        raise DataError(
            f"the run {folder} has no variant '{variant}'",
            expected=f"one of {', '.join(dict.fromkeys(each.cell.variant for each in table.results))}",
        )
    if len(found) > 1:
        found = tuple(each for each in found if each.cell.seed == options.seed) or found
    if len(found) > 1:
        raise DataError(
            f"the run {folder} has {len(found)} cells of variant '{variant}'",
            expected="one: seeds are told apart by --seed, other settings not at all",
            fix="run that setting alone",
        )
    result = found[0]
    if result.checkpoint is None:
        raise DataError(f"variant '{variant}' of {folder} left no checkpoint", fix="run it with a recipe")
    subject = build_subject(result.cell, checkpoint=find_run(folder) / result.checkpoint)
    contents = None
    if any(fields_taken(subject)):
        spec = options.contents or result.cell.data
        if spec is None:
            raise DataError(
                f"variant '{variant}' is given images, and its suite declares none",
                fix="set contents: {source: ...}",
            )
        contents = contents_among(subject, open_declared(spec, result.cell.seed).test)
    number = count if count is not None or contents is None else len(contents)
    if number is None:
        raise OptionError(
            f"'{folder}:{variant}' makes as many images as it is asked for", fix="say --images 5000"
        )
    if contents is not None and number > len(contents):
        raise DataError(
            f"'{folder}:{variant}': {number} images asked for, and there are {len(contents)} contents",
            fix=f"ask for {len(contents)}, or declare more with --set contents=...",
        )
    made: Sequence[torch.Tensor] = [
        image for batch in make_outputs(subject, options, contents=contents, count=number) for image in batch
    ]
    settings = {
        "seed": options.seed,
        "truncation": options.truncation,
        "from": made_from(contents),
        "batch": options.batch,
    }
    outputs = named_after(open_images(torch.stack(list(made))), contents)
    return Side(outputs, f"{folder}:{variant}", settings, converted=False)
