"""Two modules that exist already, in the caller's own process, by the gate's rounds and estimates."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from benchbench.core.errors import MeasurementError
from benchbench.core.gating import PairedSet, PairedTiming
from benchbench.core.paired_sets import estimate, needs_another
from benchbench.measures.latency.timers import Call, Timer, timer_for, undisturbed
from benchbench.runner.gate_rounds import Pace, Turn, Turns, take_rounds

# No process is started, and nobody waits for a build.
IN_PROCESS = Pace(min_seconds=1.5)
_WARM_CALLS = 3


def measure_modules(
    base: nn.Module,
    head: nn.Module,
    inputs: tuple[torch.Tensor, ...],
    *,
    tolerance: float,
    name: str = "head",
    pace: Pace = IN_PROCESS,
    seed: int = 0,
    timer: Timer | None = None,
) -> PairedTiming:
    """Up to three sets of two modules side by side, as the gate takes them of two revisions.

    In place of a set's fresh processes there are two copies of either module, made anew for each set: they
    lie elsewhere in memory, which is a part of what processes differ by. The rest this cannot know.

    Args:
        base, head: of any mode; they are left as they are.
        inputs: positional arguments of both.
        tolerance: share by which head may be slower.
        name: the cell that it stands for in verdicts.
        pace: how long a set takes.
        seed: of the order of turns.
        timer: another clock, for tests.

    Raises:
        MeasurementError: a module does not take the inputs, or cannot be copied.
    """
    clock = timer or timer_for("cpu")
    modules = {"base": base, "head": head}
    sets: list[PairedSet] = []
    found = None
    while needs_another(found, tolerance=tolerance, taken=len(sets)):
        with undisturbed():
            # Head's copies are made first every other time: what is made later lies elsewhere.
            order = ("head", "base") if len(sets) % 2 else ("base", "head")
            made = {side: [_call(modules[side], inputs) for _ in range(2)] for side in order}
            calls = [*made["base"], *made["head"]]
            call_s = max(clock.end_to_end_s(each, _WARM_CALLS) / _WARM_CALLS for each in calls)
            turns = [_turn(each, clock) for each in calls]
            sets.append(
                take_rounds(
                    Turns(base=tuple(turns[:2]), head=tuple(turns[2:])),
                    call_s=call_s,
                    pace=pace,
                    tolerance=tolerance,
                    seed=seed * 1000 + len(sets),
                    now_s=clock.now_s,
                )
            )
        found = estimate(sets, tolerance=tolerance)
    threads = torch.get_num_threads()
    setting = f"cpu, {threads} thread{'' if threads == 1 else 's'}, in one process"
    return PairedTiming(cell=name, setting=setting, sets=tuple(sets))


def _call(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Call:
    try:
        own = copy.deepcopy(module).eval()
    except Exception as error:  # somebody's part may refuse in any way
        raise MeasurementError(
            f"a {type(module).__name__} cannot be copied: {error}",
            fix="compare two revisions of it: benchbench gate SUITE --against REV",
        ) from error
    try:
        own(*inputs)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise MeasurementError(
            f"a {type(module).__name__} does not take these inputs: {error}",
            expected="inputs that both modules take",
        ) from error
    return lambda: own(*inputs)


def _turn(call: Callable[[], object], clock: Timer) -> Turn:
    def turn(absorb: int, calls: int) -> float:
        if absorb:
            clock.end_to_end_s(call, absorb)
        return clock.end_to_end_s(call, calls) / calls

    return turn
