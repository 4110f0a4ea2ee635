"""Joules per image: RAPL's packages or NVML's total, less what the machine draws when it does nothing.

In a process of its own, never in one that is timed; docs/protocol-memory-energy.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from benchbench.core.contracts import Measure, Measured, Replicate, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.measures.alone import AloneOptions, comparison_alone
from benchbench.measures.deployed import refuse_other_devices
from benchbench.measures.energy_counters import Counter, open_nvml, open_rapl
from benchbench.measures.latency.placing import build_subject_of, call_of, place_subject
from benchbench.measures.latency.rounds import warm_up
from benchbench.measures.latency.timers import Call, Timer, undisturbed
from benchbench.measures.resized import batch_of
from benchbench.measures.sweep import start_process

_NAME = "energy"
_WINDOWS = 5
_LOOK_S = 1.0  # how often a counter is read at least: the fastest wrap around in minutes
_OTHERS = "what other processes draw meanwhile is in it"


class EnergyOptions(AloneOptions):
    """Options of the energy measure; each device and thread count is a setting of its own.

    Attributes:
        seconds: how long the network runs at least.
        idle_s: how long the idle power is measured before, in seconds.
        idle: `subtract` takes the idle power times the time off; `keep` reports all that was drawn.
        processes: fresh processes per network.
        warmup_s, warmup_limit_s: as for latency.
    """

    protocol: Literal["interleaved"] = "interleaved"
    seconds: Annotated[float, Field(ge=1, le=3600)] = 10.0
    idle_s: Annotated[float, Field(ge=1, le=60)] = 5.0
    idle: Literal["subtract", "keep"] = "subtract"


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a counter said: idle power in watts, and (joules, seconds, calls) of each window under load."""

    idle_w: float
    windows: tuple[tuple[float, float, int], ...]


def draw(
    call: Call,
    counter: Counter,
    timer: Timer,
    *,
    seconds: float,
    idle_s: float,
    sleep: Callable[[float], None] = time.sleep,
    before_load: Callable[[], object] = lambda: None,
) -> Drawn:
    """Idle first, then calls without a pause for at least `seconds`, in windows of equal length.

    Args:
        call: one inference.
        counter: joules.
        timer: the clock.
        seconds: at least so long, in seconds; every window ends with a whole call.
        idle_s: how long nothing is done before, in seconds.
        sleep: does nothing for so many seconds.
        before_load: runs between idle and load, uncounted: the warm-up.

    Raises:
        MeasurementError: the counter cannot be read, or stands still.
    """
    began_j, began_s = counter.read_j(), timer.now_s()
    sleep(idle_s)
    idle_j, idle_took_s = counter.read_j() - began_j, timer.now_s() - began_s
    before_load()
    windows = []
    for _ in range(_WINDOWS):
        first_j, first_s = counter.read_j(), timer.now_s()
        calls, looked_s = 0, first_s
        while True:
            timer.end_to_end_s(call, 1)
            calls += 1
            now_s = timer.now_s()
            if now_s - first_s >= seconds / _WINDOWS:
                break
            if now_s - looked_s >= _LOOK_S:
                counter.read_j()
                looked_s = now_s
        windows.append((counter.read_j() - first_j, timer.now_s() - first_s, calls))
    if sum(joules for joules, _, _ in windows) <= 0:
        raise MeasurementError(
            f"the counter stands still under load ({counter.source})",
            fix="measure on a machine that shows its energy, not in a virtual machine",
        )
    return Drawn(idle_j / idle_took_s, tuple(windows))


def take(build: Callable[[], Subject], options: EnergyOptions, seed: int) -> Replicate:
    """Measure one network in this process.

    Raises:
        MeasurementError: no counter can be read, or the network has no batch.
    """
    timer = start_process(options)
    counter = open_counter(options.device[0])
    with undisturbed():
        subject, folded = place_subject(build_subject_of(build), torch.device(options.device[0]), options)
        batch, call = batch_of(subject), call_of(subject)
        drawn = draw(
            call,
            counter,
            timer,
            seconds=options.seconds,
            idle_s=options.idle_s,
            before_load=lambda: warm_up(call, timer, options),
        )
    taken = as_replicate(drawn, batch=batch, source=counter.source, options=options)
    return taken.model_copy(update={"notes": {"": (folded,)} if folded else {}})


def open_counter(device: str) -> Counter:
    """The counter of a device.

    Raises:
        MeasurementError: there is none, or it may not be read.
    """
    if device != "cuda":
        return open_rapl()
    uuid = getattr(torch.cuda.get_device_properties(0), "uuid", None)
    return open_nvml(uuid=None if uuid is None else f"GPU-{uuid}")


def as_replicate(drawn: Drawn, *, batch: int, source: str, options: EnergyOptions) -> Replicate:
    """Joules per image, a sample for each window; under load in all, and when idle, in watts."""
    less_w = drawn.idle_w if options.idle == "subtract" else 0.0
    each = tuple((joules - less_w * spent) / (calls * batch) for joules, spent, calls in drawn.windows)
    total_j, total_s = (sum(window[at] for window in drawn.windows) for at in (0, 1))
    images = batch * sum(window[2] for window in drawn.windows)
    return Replicate(
        samples={
            "energy": each,
            "energy_total": ((total_j - less_w * total_s) / images,),
            "load_power": (total_j / total_s,),
            "idle_power": (drawn.idle_w,),
        },
        settings={"source": source, "batch": batch, "images": images, "inside_s": total_s},
    )


def summarise(replicates: Sequence[Replicate], options: EnergyOptions) -> Measured:
    """Joules per image over all processes, and the power under load and when idle.

    Where the load cannot be told from the idle machine there is no figure of energy, and a reason.
    """
    count = len(replicates)
    values = {
        name: sum(each.samples[name][0] for each in replicates) / count
        for name in ("energy_total", "load_power", "idle_power")
    }
    settings = replicates[0].settings
    flags = [_OTHERS, *sorted({note for each in replicates for note in each.notes.get("", ())})]
    protocol = _protocol(options, str(settings.get("source")), settings.get("batch"))

    def figure(name: str, unit: str, value: float, samples: Sequence[Sequence[float]]) -> Measurement:
        return Measurement(
            name=name,
            setting=str(options.setting),
            unit=unit,
            direction="lower",
            value=value,
            samples=tuple(tuple(each) for each in samples),
            protocol=protocol,
            provenance="benchbench.measures.energy",
            flags=tuple(flags),
        )

    found = [
        figure(name, "W", values[name], [each.samples[name] for each in replicates])
        for name in ("load_power", "idle_power")
    ]
    if values["energy_total"] <= 0:
        failure = Failure(
            of=_NAME,
            kind="skipped",
            reason=f"{options.setting}: {values['load_power']:.3g} W under load are not above "
            f"{values['idle_power']:.3g} W when idle",
            fix="raise 'seconds' and 'idle_s', on a machine that does nothing else",
        )
        return Measured(measurements=tuple(found), failures=(failure,))
    samples = [each.samples["energy"] for each in replicates]
    return Measured(measurements=(figure("energy", "J", values["energy_total"], samples), *found))


def _protocol(options: EnergyOptions, source: str, batch: str | int | float | bool | None) -> Protocol:
    return Protocol(
        name=_NAME,
        settings={
            "device": options.device[0],
            "threads": options.threads[0] if options.device[0] == "cpu" else None,
            "counter": source,
            "seconds": options.seconds,
            "windows": _WINDOWS,
            "idle_s": options.idle_s,
            "idle": options.idle,
            "processes": options.processes,
            "warmup_s": options.least_warmup_s,
            "memory_format": options.memory_format,
            "fold": options.fold,
            "allocator": options.allocator,
            "batch": batch,
            "dtype": "float32",
            "statistic": "(joules - idle power x seconds) / images, mean over processes",
        },
    )


def _unavailable(options: EnergyOptions) -> Failure | None:
    try:
        open_counter(options.device[0])
    except MeasurementError as error:
        reason = f"{options.setting}: {error.problem}"
        return Failure(of=_NAME, kind="skipped", reason=reason, fix=error.fix)
    return None


measure = Measure(
    options=EnergyOptions,
    names=(_NAME, "load_power", "idle_power"),
    comparison=comparison_alone(
        _NAME,
        take=take,
        summarise=summarise,
        limit_s=lambda options: 120.0 + 4 * (options.seconds + options.idle_s + options.warmup_limit_s),
        unavailable=_unavailable,
        refuses=refuse_other_devices,
    ),
)
