"""Runs of one small suite with known figures, and sets of processes with known ratios."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchbench.core.cell import Cell, Setting
from benchbench.core.environment import Environment
from benchbench.core.gating import PairedSet, PairedTiming, SideResult
from benchbench.core.layer_record import LayerCount
from benchbench.core.measurement import (
    CellResult,
    Failure,
    Interval,
    Measurement,
    OutputRecord,
    Protocol,
    ResultTable,
    RunRecord,
)
from benchbench.core.statistics import paired_ratio
from benchbench.core.store import RunStore
from benchbench.core.suite import ArchitectureSpec, Suite

SETTING = "cpu, 2 threads"
TIMING = Protocol(name="latency/interleaved", settings={"device": "cpu", "threads": 2})
COUNTING = Protocol(name="counts")
QUALITY = Protocol(name="quality", settings={"metric": "fd", "generated_count": 100})
MADE_WITH = {"torch": "2.13", "cpu": "EPYC", "threads": 1}


def suite(name: str = "toy", **more: object) -> Suite:
    return Suite.model_validate(
        {
            "name": name,
            "architecture": "transformer_net",
            "variants": {"baseline": {}, "v1": {}},
            "measure": ["parameters", "macs", "latency"],
            **more,
        }
    )


def figure(name: str, value: float, unit: str = "1", **more: object) -> Measurement:
    given = {"direction": "lower", "protocol": COUNTING, **more}
    return Measurement.model_validate({"name": name, "value": value, "unit": unit, **given})


def cell(variant: str, seed: int | None = None, width: int = 32) -> Cell:
    return Cell(
        variant=variant,
        seed=seed or 0,
        settings=() if seed is None else (Setting(key="seed", value=seed),),
        architecture=ArchitectureSpec.model_validate({"name": f"net_{variant}", "width": width}),
    )


def output(digest: str = "aaaa", probe: Sequence[float] = (1.0, -2.0), **more: object) -> OutputRecord:
    return OutputRecord.model_validate(
        {"shape": (1, 3, 8, 8), "digest": digest, "probe": tuple(probe), "made_with": MADE_WITH, **more}
    )


def times(
    seconds: float, *, processes: int = 3, rounds: int = 40, noise: float = 0.01, seed: int = 0
) -> tuple[tuple[float, ...], ...]:
    random = np.random.default_rng(seed)
    return tuple(
        tuple((seconds * np.exp(random.normal(0, noise, rounds))).tolist()) for _ in range(processes)
    )


def timed(
    base: CellResult,
    light: CellResult,
    speedup: float,
    *,
    processes: int = 3,
    noise: float = 0.01,
    seed: int = 0,
) -> tuple[CellResult, CellResult]:
    """Both cells with latency, speed-up and A/A control, as the latency measure leaves them."""
    slow, control, quick = (
        times(0.01 / ratio, processes=processes, noise=noise, seed=seed + at)
        for at, ratio in enumerate((1.0, 1.0, speedup))
    )
    more = {"setting": SETTING, "protocol": TIMING}
    aa, ratio = paired_ratio(slow, control), paired_ratio(slow, quick)

    def measured(samples: tuple[tuple[float, ...], ...]) -> Measurement:
        return figure("latency", float(np.median(np.concatenate(samples))), "s", samples=samples, **more)

    def shown(name: str, value: float, interval: Interval) -> Measurement:
        given = {**more, "direction": "higher", "interval": interval, "baseline": base.cell.id}
        return figure(name, value, **given)

    return (
        with_figures(base, measured(slow), shown("aa_control", aa.value, aa.interval)),
        with_figures(light, measured(quick), shown("speedup", ratio.value, ratio.interval)),
    )


def with_figures(result: CellResult, *figures: Measurement) -> CellResult:
    return result.model_copy(update={"measurements": (*result.measurements, *figures)})


def result(
    variant: str,
    *figures: Measurement,
    parameters: int = 1000,
    macs: int = 10_000,
    made: OutputRecord | None = None,
    failures: Sequence[Failure] = (),
    **more: object,
) -> CellResult:
    counts = (figure("parameters", parameters), figure("macs", macs, "MAC"))
    layers = (LayerCount(path="a", kind="Conv2d", macs=macs),)
    return CellResult(
        cell=cell(variant, **more),
        measurements=(*counts, *figures),
        layers=layers,
        output=made or output(),
        failures=tuple(failures),
    )


def table(
    *results: CellResult, name: str = "toy", finished: str | None = "later", **more: object
) -> ResultTable:
    record = RunRecord(id="20260101-000000", command="c", started="now", finished=finished, benchbench="0.1")
    environment = Environment(git_revision="1a2b3c4d5e", git_dirty=False)
    return ResultTable(suite=suite(name, **more), run=record, environment=environment, results=results)


def pair(speedup: float = 1.4, **more: object) -> tuple[CellResult, CellResult]:
    return timed(result("baseline"), result("v1", parameters=300), speedup, **more)


def run(speedup: float = 1.4, **more: object) -> ResultTable:
    return table(*pair(speedup, **more))


def sets(
    ratio: float, *, count: int = 2, noise: float = 0.01, seed: int = 0, label: str = "v1", rounds: int = 60
) -> PairedTiming:
    taken = tuple(
        PairedSet(
            base=times(0.01, processes=2, rounds=rounds, noise=noise, seed=seed + 10 * at),
            head=times(0.01 * ratio, processes=2, rounds=rounds, noise=noise, seed=seed + 10 * at + 5),
        )
        for at in range(count)
    )
    return PairedTiming(cell=label, setting=SETTING, sets=taken, protocol="p")


def side(variant: str = "v1", **more: object) -> SideResult:
    given = {"parameters": 300, "macs": 5000, "macs_by_operator": {"conv": 5000}, "output": output(), **more}
    return SideResult.model_validate({"cell": cell(variant), **given})


def write_run(made: ResultTable, out: Path) -> Path:
    """The run on disk; its folder."""
    store = RunStore.create(out, made.suite, made.run, made.environment)
    for each in made.results:
        store.write_cell(each)
    return store.folder
