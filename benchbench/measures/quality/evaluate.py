"""From two sides to figures: one pass over each, then every metric, each with its interval and protocol."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchbench.core.errors import DataError, OptionError, StoreError
from benchbench.core.examples import ImageSet
from benchbench.core.features import FeatureContext
from benchbench.core.measurement import Failure, Measurement
from benchbench.measures.quality.bench import Bench
from benchbench.measures.quality.extraction import PassTimes, extract
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.pairs import PAIR_METRICS, pair_figures
from benchbench.measures.quality.passes import Refusal, load_passes
from benchbench.measures.quality.scores import Scorer
from benchbench.measures.quality.sides import Side, check_size, tiled
from benchbench.quality.cache import FeatureCache


@dataclass(frozen=True, slots=True)
class Means:
    """What an evaluation works with.

    Attributes:
        cache: where features are kept.
        say: shows one line.
        progress: label of a side -> what is told (images done, images in all).
        folders: where a user's extractor is looked for first.
    """

    cache: Path
    say: Callable[[str], None]
    progress: Callable[[str], Callable[[int, int], None]]
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures, what could not be computed and why, and where the time went, by `reference` and the like."""

    measurements: tuple[Measurement, ...]
    refused: tuple[Refusal, ...]
    times: dict[str, PassTimes]

    def failures(self) -> tuple[Failure, ...]:
        """The refusals as a run keeps them."""
        return tuple(
            Failure(
                of=f"quality: {refusal.metric}",
                kind="invalid",
                reason=refusal.error.reason,
                fix=refusal.error.fix,
            )
            for refusal in self.refused
        )


def choose_device(asked: str) -> str:
    """The device that `auto` means here, or the one that was asked for.

    Raises:
        OptionError: it is not here.
    """
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(asked).type
    except RuntimeError:
        raise OptionError(f"unknown device '{asked}'", expected="auto, cpu, cuda or cuda:1") from None
    if kind == "cuda" and not torch.cuda.is_available():
        raise OptionError(f"device '{asked}': there is no usable GPU here", fix="set device: cpu")
    return asked


def evaluate(reference: Side | None, generated: Side, options: QualityOptions, means: Means) -> Evaluation:
    """Every metric of `options` for `generated` against `reference`.

    Args:
        reference: None where no metric compares (inception score, diversity).
        generated: what is judged.
        options: metrics, extractors, estimators.
        means: cache and progress.

    Returns:
        A figure per metric and extractor; a metric that cannot be computed is refused alone.

    Raises:
        DataError: images that cannot be read, are fewer than two, or of another size than declared.
        OptionError, UnknownNameError: a request that makes no sense.
        StoreError: neither the cache nor a temporary folder holds the features.
    """
    for side in (reference, generated):
        if side is not None:
            check_size(side, options.size)
    generated = tiled(generated, options.tile)
    reference = None if reference is None else tiled(reference, options.tile)
    with ExitStack() as stack:

        def spare(error: StoreError) -> FeatureCache:
            means.say(f"{str(error).splitlines()[0]}; features are kept for this time alone")
            return FeatureCache(Path(stack.enter_context(TemporaryDirectory(prefix="benchbench-"))))

        return _evaluate(reference, generated, options, means, spare=spare)


def _evaluate(
    reference: Side | None,
    generated: Side,
    options: QualityOptions,
    means: Means,
    *,
    spare: Callable[[StoreError], FeatureCache],
) -> Evaluation:
    device = choose_device(options.device)
    context = FeatureContext(
        device=device,
        reference=lambda: _images_of(reference),
        reference_digest="" if reference is None else reference.images.digest,
        cache=means.cache,
        say=means.say,
        folders=means.folders,
    )
    measurements: list[Measurement] = []
    times: dict[str, PassTimes] = {}
    passes, refused = load_passes(options, context)
    refused_all = list(refused)
    if passes:
        cache = FeatureCache(means.cache)
        extractors = [each.extractor for each in passes]
        tables = {}
        for name, side in (("reference", reference), ("generated", generated)):
            if side is not None:
                tables[name], times[name] = extract(
                    side.images,
                    extractors,
                    cache,
                    spare=spare,
                    batch=options.batch,
                    workers=options.workers,
                    progress=means.progress(name),
                )
        started = time.perf_counter()
        for index, each in enumerate(passes):
            mine = tables["reference"][index] if reference is not None else None
            scorer = Scorer(each, (mine, tables["generated"][index]), (reference, generated), options)
            found, not_found = scorer.figures()
            measurements += found
            refused_all += not_found
        times["scores"] = PassTimes(time.perf_counter() - started, 0)
    if any(metric in PAIR_METRICS for metric in options.metrics):
        started = time.perf_counter()
        bench = Bench(reference, generated, options, means.cache, device, means.say)
        found, not_found = pair_figures(bench)
        measurements += found
        refused_all += not_found
        times["pairs"] = PassTimes(time.perf_counter() - started, len(generated.images))
    return Evaluation(_ordered(measurements, options), tuple(refused_all), times)


def _images_of(reference: Side | None) -> ImageSet:
    if reference is None:
        raise DataError("an extractor is trained on the reference, and there is none", fix="name one")
    return reference.images


def _ordered(found: list[Measurement], options: QualityOptions) -> tuple[Measurement, ...]:
    ranks = {metric: rank for rank, metric in enumerate(options.metrics)}
    return tuple(sorted(found, key=lambda each: ranks.get(each.name.partition("[")[0], len(ranks))))  # type: ignore[call-overload]
