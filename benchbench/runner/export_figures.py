"""What a run measured of the cell that is exported, for its model card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.measurement import CellResult, Failure, Interval, Measurement
from benchbench.core.statistics import estimate_median, student_quantile
from benchbench.runner.export_facts import Figure, RunFacts
from benchbench.runner.export_weights import FoundRun

_QUALITY = ("quality", "perceptual_loss")
_TIMES = ("latency", "throughput")
_OTHERS = ("memory", "energy")
_CONTROLS = ("aa_control", "device_aa_control", "roof_compute", "roof_memory")

Kind = Literal["time", "quality", "other"]


def facts_of(found: FoundRun, cell: Cell) -> RunFacts:
    """Figures of the exported deployment, and beside them those of its network in eager float32."""
    results = {each.cell.id: each for each in found.table.results}
    own = results.get(cell.id)
    network = results.get(cell.network.id)
    chosen = [each for each in (own, network if cell.id != cell.network.id else None) if each is not None]
    environment = found.table.environment
    labels = {each.cell.id: each.cell.label for each in found.table.results}
    return RunFacts(
        run=found.table.run.id,
        machine=machine_of(environment),
        versions=dict(environment.packages),
        git_revision=environment.git_revision,
        figures=tuple(figure for each in chosen for figure in _figures(each, found.table.run.id, labels)),
        holds=own is not None,
        failures=() if own is None else tuple(map(_told, own.failures)),
        unread=found.table.unread,
    )


def machine_of(environment: Environment) -> str:
    """CPU, how many of it, and GPUs, in words."""
    cpus = "" if environment.cpus_usable is None else f", {environment.cpus_usable} usable CPUs"
    gpus = "".join(f", {each.name}" for each in environment.gpus)
    return f"{environment.cpu_model or environment.machine or 'an unknown CPU'}{cpus}{gpus}"


def not_measured(facts: RunFacts | None, cell: Cell, *, suite: str) -> tuple[str, ...]:
    """What a reader would look for and nobody has measured, each with what would."""
    if facts is None:
        return (
            "latency: no run of this cell is known; benchbench run measures it",
            "quality: no run of this cell is known; benchbench run measures it",
        )
    missing: list[str] = []
    for kind, name in (("time", "latency"), ("quality", "quality")):
        own = ("cell", *(_TIMES if kind == "time" else _QUALITY))
        why = [each for each in facts.failures if each.partition(" ")[0] in own]
        failed = f" ({'; '.join(why)})" if why else ""
        of = {each.of for each in facts.figures if each.kind == kind}
        if cell.label in of:
            continue
        beside = " (the figures here are of its network in eager float32)" if of else ""
        if facts.holds:
            missing.append(f"{name} of '{cell.label}': run {facts.run} did not take it{failed}{beside}")
        else:
            how = f"declare it under 'deploy' in the suite '{suite}', and run that"
            missing.append(f"{name} of '{cell.label}': run {facts.run} does not hold it{beside}; {how}")
    return tuple(missing)


def _told(failure: Failure) -> str:
    return f"{failure.of} {failure.kind}: {failure.reason.splitlines()[0]}"


def _figures(result: CellResult, run: str, labels: Mapping[str, str]) -> list[Figure]:
    return [
        _figure(each, kind, result.cell.label, run, labels)
        for each in result.measurements
        if (kind := _kind_of(each)) is not None and each.name not in _CONTROLS
    ]


def _kind_of(figure: Measurement) -> Kind | None:
    name = figure.protocol.name.partition("/")[0]
    if name in _QUALITY:
        return "quality"
    if name in _TIMES:
        return "time"
    return "other" if name in _OTHERS else None


def _figure(figure: Measurement, kind: Kind, label: str, run: str, labels: Mapping[str, str]) -> Figure:
    interval, how = figure.interval, ""
    if interval is None and figure.name in ("latency", "device_latency"):
        interval, how = _interval_of(figure.samples)
    return Figure(
        kind=kind,
        name=figure.name,
        setting=figure.setting,
        value=figure.value,
        unit=figure.unit,
        direction=figure.direction,
        interval=interval,
        interval_of=how,
        baseline=None if figure.baseline is None else labels.get(figure.baseline, figure.baseline),
        of=label,
        run=run,
        protocol=figure.protocol.name,
        protocol_hash=figure.protocol.hash,
        settings=figure.protocol.settings,
        flags=figure.flags,
    )


def _interval_of(samples: Sequence[Sequence[float]]) -> tuple[Interval | None, str]:
    """Of a median over several processes, whose own medians vary more than samples within one."""
    medians = [float(np.median(each)) for each in samples if each]
    if len(medians) > 1:
        # Of logarithms: a time is never negative, however far two processes are apart.
        logs = np.log(medians)
        half = student_quantile(0.975, len(logs) - 1) * float(np.std(logs, ddof=1)) / len(logs) ** 0.5
        middle = float(np.mean(logs))
        return Interval(
            low=math.exp(middle - half), high=math.exp(middle + half)
        ), f"Student's, of {len(medians)} processes' medians"
    if medians and len(samples[0]) > 1:
        found = estimate_median(samples[0])
        half = found.half_width()
        return (
            Interval(low=found.value - half, high=found.value + half),
            "of the median of one process: another process may differ by more",
        )
    return None, ""
