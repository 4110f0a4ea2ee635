"""One network at several points (batches, sizes), timed in interleaved rounds by latency's own clock."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchbench.core.contracts import Replicate, Subject
from benchbench.core.errors import BenchbenchError
from benchbench.measures.failures import is_out_of_memory
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.placing import call_of, place_subject
from benchbench.measures.latency.process import check_threads
from benchbench.measures.latency.rounds import take_interleaved
from benchbench.measures.latency.timers import Call, Timer, timer_for, undisturbed

FAILED = "failed "
Make = Callable[[], Subject]


@dataclass(slots=True)
class Opened:
    """Points that can be called, each with why the others cannot; `is_over` where one had no memory."""

    calls: dict[str, Call] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    is_over: bool = False


def start_process(options: LatencyOptions) -> Timer:
    """The clock of this fresh process, whose library has started up.

    Raises:
        MeasurementError: torch runs another number of threads than declared.
    """
    check_threads(options)
    device = torch.device(options.device[0])
    torch.nn.functional.conv2d(torch.ones(1, 8, 8, 8, device=device), torch.ones(8, 8, 3, 3, device=device))
    return timer_for(device.type)


def open_points(points: Mapping[str, Make], options: LatencyOptions) -> Opened:
    """Build each point's inputs and call it once, in order, until one runs out of memory.

    A point whose inputs the network does not take is left out, with the reason.
    """
    opened = Opened()
    device = torch.device(options.device[0])
    for label, make in points.items():
        try:
            subject, _ = place_subject(make(), device, options)
            call = call_of(subject)
            call()
            if device.type == "cuda":
                torch.cuda.synchronize()
        except Exception as error:  # somebody's network may refuse its inputs in any way
            opened.failed[label], opened.is_over = _told(error), is_out_of_memory(error)
        else:
            opened.calls[label] = call
            continue
        if opened.is_over:
            break
    if opened.is_over:
        # What the last call had taken is free once nothing refers to it.
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return opened


def take_sweep(
    points: Mapping[str, Make],
    options: LatencyOptions,
    *,
    timer: Timer,
    seed: int,
    failed: Mapping[str, str] | None = None,
) -> Replicate:
    """Rounds in which every point runs once, in a random order.

    Args:
        points: label -> the subject with that point's inputs, built when it is opened; smallest first.
        options: of latency: warm-up, rounds, seconds, budget; rounds go on until the ratios of the points
            to the first are known to `half_width`.
        timer: the clock.
        seed: of the order within rounds.
        failed: points that are known not to be worth trying, each with the reason.

    Returns:
        Seconds per call by label; under `failed LABEL` in `notes`, why a point has none.
    """
    with undisturbed():
        started_s = timer.now_s()
        opened = open_points(points, options)
        opening_s = timer.now_s() - started_s
        samples: dict[str, tuple[float, ...]] = {}
        notes: dict[str, tuple[str, ...]] = {}
        inside_s = opening_s
        if opened.calls:
            first = next(iter(opened.calls))
            rounds = take_interleaved(opened.calls, baseline=first, timer=timer, options=options, seed=seed)
            samples = {label: tuple(values) for label, values in rounds.samples.items()}
            notes = {label: tuple(said) for label, said in rounds.notes.items() if said}
            inside_s += rounds.inside_s
    reasons = {**opened.failed, **(failed or {})}
    notes |= {f"{FAILED}{label}": (reason,) for label, reason in reasons.items()}
    settings = {"torch": torch.__version__, "torch_threads": torch.get_num_threads(), "inside_s": inside_s}
    return Replicate(samples=samples, notes=notes, settings=settings)


def failures_in(replicates: Sequence[Replicate]) -> dict[str, str]:
    """Why a point has no figure, by label; one process without it is enough."""
    found: dict[str, str] = {}
    for each in replicates:
        for label, said in each.notes.items():
            if label.startswith(FAILED):
                found.setdefault(label.removeprefix(FAILED), said[0])
    return found


def _told(error: Exception) -> str:
    if is_out_of_memory(error):
        return "out of memory"
    if isinstance(error, BenchbenchError):
        return "; ".join(line.strip() for line in error.reason.splitlines())
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"[:300]
