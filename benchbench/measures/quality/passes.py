"""Which extractors the asked-for metrics need, each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.errors import (
    BenchbenchError,
    CheckpointError,
    DependencyError,
    FeatureError,
    MeasurementError,
    OptionError,
)
from benchbench.core.features import Extractor, FeatureContext, ResizeName
from benchbench.core.model import JsonValue
from benchbench.core.suite import Reference
from benchbench.measures.quality.options import Metric, QualityOptions
from benchbench.quality.load import load_features

Score = Literal["frechet", "kernel", "kernel_subsets", "inception_score", "neighbours"]


@dataclass(frozen=True, slots=True)
class Reserved:
    """What a name of the literature stands for, and nothing else does."""

    score: Score
    extractor: str
    resize: ResizeName


RESERVED: dict[Metric, Reserved] = {
    "fid": Reserved("frechet", "inception_pytorch", "legacy"),
    "clean_fid": Reserved("frechet", "inception", "clean"),
    "kid": Reserved("kernel", "inception_pytorch", "legacy"),
    "clean_kid": Reserved("kernel", "inception", "clean"),
}
SCORES: dict[Metric, Score] = {
    "fd": "frechet",
    "kd": "kernel",
    "kd_subsets": "kernel_subsets",
    "inception_score": "inception_score",
    "precision": "neighbours",
    "recall": "neighbours",
    "density": "neighbours",
    "coverage": "neighbours",
}


@dataclass(frozen=True, slots=True)
class Pass:
    """One extractor, and the figures that are made of its features."""

    extractor: Extractor
    metrics: tuple[Metric, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A metric that cannot be computed, and why."""

    metric: Metric
    error: BenchbenchError


def load_passes(
    options: QualityOptions, context: FeatureContext
) -> tuple[tuple[Pass, ...], tuple[Refusal, ...]]:
    """The extractors, loaded, and what cannot be computed for want of one.

    Raises:
        OptionError, UnknownNameError: no such extractor, or a wrong option.
    """
    wanted: dict[str, tuple[Reference, list[Metric]]] = {}
    for metric in options.metrics:
        for reference in _references(metric, options):
            key = reference.model_dump_json()
            wanted.setdefault(key, (reference, []))[1].append(metric)
    passes: list[Pass] = []
    refused: list[Refusal] = []
    for reference, metrics in wanted.values():
        try:
            extractor = load_features(reference.name, reference.options, context)
        except (CheckpointError, DependencyError, FeatureError, MeasurementError) as error:
            refused += [Refusal(metric, error) for metric in metrics]
            continue
        allowed = []
        for metric in metrics:
            objection = _objection(metric, extractor)
            if objection is None:
                allowed.append(metric)
            else:
                refused.append(Refusal(metric, objection))
        if allowed:
            passes.append(Pass(extractor, tuple(allowed)))
    return tuple(passes), tuple(refused)


def _references(metric: Metric, options: QualityOptions) -> Sequence[Reference]:
    reserved = RESERVED.get(metric)
    if reserved is not None:
        # Weights may be said beside the extractor's name; its resize belongs to the metric.
        given: dict[str, JsonValue] = next(
            (each.options for each in options.features if each.name == reserved.extractor), {}
        )
        return (Reference.model_validate({**given, "resize": reserved.resize, "name": reserved.extractor}),)
    return options.features if metric in SCORES else ()


def _objection(metric: Metric, extractor: Extractor) -> FeatureError | None:
    if metric in RESERVED and metric not in extractor.registered:
        return FeatureError(
            f"'{metric}' was asked for, and the weights of {extractor.label} "
            f"({extractor.weights_hash[:8]}) are not the registered ones",
            expected=f"the published weights: '{metric}' is a name of the literature",
            fix=f"ask for '{'fd' if RESERVED[metric].score == 'frechet' else 'kd'}' with these features",
        )
    return None


def figure_name(metric: Metric, extractor: Extractor) -> str:
    """What the figure is called: a reserved name, or one that says whose features it is made of.

    Raises:
        OptionError: never for a metric of features.
    """
    if metric in RESERVED:
        return metric
    if metric not in SCORES:
        raise OptionError(f"'{metric}' is not made of features")
    return f"{metric}[{extractor.label}]"
