"""What measures share that look at one network at a time, in fresh processes of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchbench.core.cell import Cell
from benchbench.core.contracts import Comparison, Measured, Replicate, Subject, refuse_deployed
from benchbench.core.measurement import Failure
from benchbench.measures.latency.measure import environment_of, split_here, unavailable_here
from benchbench.measures.latency.options import LatencyOptions

Builder = Callable[[], Subject]


class AloneOptions(LatencyOptions):
    """Those options of latency that a measure of one network at a time has; ratios there are none.

    Attributes:
        protocol: `interleaved` alone.
        processes: fresh processes per network; there are never more.
        max_processes, baseline, untimed: of no use here, and not to be given.
    """

    processes: int = 1
    max_processes: None = None
    baseline: None = None
    untimed: None = None


def comparison_alone(
    name: str,
    *,
    take: Callable[[Builder, Any, int], Replicate],
    summarise: Callable[[Sequence[Replicate], Any], Measured],
    limit_s: Callable[[Any], float],
    unavailable: Callable[[Any], Failure | None] = lambda _: None,
    environment: Callable[[Any], Mapping[str, str]] = environment_of,
    refuses: Callable[[Cell, Any], Failure | None] = lambda cell, options: refuse_deployed(cell),
) -> Comparison:
    """A comparison whose every process holds one network.

    Args:
        name: of the measure, for its failures.
        take: (builds the subject, options, seed of this process) -> raw samples.
        summarise: (one replicate per process, options) -> figures of the one network.
        limit_s: when a process counts as hanging, in seconds.
        unavailable: why this machine cannot make it, beside what it lacks for any timing.
        environment: of the fresh process.
        refuses: why a cell has no place in it; unless said, whatever another backend runs.
    """

    def take_one(builders: Mapping[str, Builder], options: Any, seed: int, index: int) -> Replicate:
        (build,) = builders.values()
        return take(build, options, seed * 1000 + index)

    def summarise_one(replicates: Sequence[Replicate], baseline: str, options: Any) -> Mapping[str, Measured]:
        return {baseline: summarise(replicates, options)}

    def lacking(options: Any) -> Failure | None:
        missing = unavailable_here(options)
        return unavailable(options) if missing is None else missing.model_copy(update={"of": name})

    return Comparison(
        split=split_here,
        processes=lambda options: (options.processes, options.processes),
        converged=lambda replicates, baseline, options: True,
        environment=environment,
        limit_s=lambda options, subjects: limit_s(options),
        baseline=lambda options: None,
        setting=lambda options: str(options.setting),
        take=take_one,
        summarise=summarise_one,
        unavailable=lacking,
        members="alone",
        refuses=refuses,
    )
