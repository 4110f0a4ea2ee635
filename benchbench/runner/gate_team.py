"""The processes of one set: opened together, then led through one cell after the other, turn by turn."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import benchbench
from benchbench.core.errors import GateError
from benchbench.core.gating import PairedSet
from benchbench.core.host import read_load
from benchbench.core.model import Frozen, JsonValue
from benchbench.runner.gate_process import Answered, Side, SideError, Start, Worker
from benchbench.runner.gate_rounds import Pace, Turn, Turns, take_rounds
from benchbench.runner.revisions import HOOK_VARIABLES, Tree, import_path

SIDES: tuple[Side, Side] = ("base", "head")
BUILD_LIMIT_S = 300.0
_START_LIMIT_S = 180.0
_WARMUP_LIMIT_S = 5.0


class Placing(Frozen):
    """Where and how a cell runs, as the latency measure's options of these names."""

    device: str = "cpu"
    memory_format: str = "contiguous"
    fold: str = "none"


class Team:
    """Fresh processes of both sides, each in its own tree; a context manager that ends them.

    Args:
        trees: both revisions.
        processes: a side.
        variables: what is set in each beside what this process has.
        start: starts one.
    """

    def __init__(
        self, trees: Mapping[Side, Tree], *, processes: int, variables: Mapping[str, str], start: Start
    ) -> None:
        self._trees = trees
        self._wanted = [side for side in SIDES for _ in range(processes)]
        self._variables = variables
        self._start = start
        self._workers: list[Worker] = []

    def __enter__(self) -> Team:
        try:
            for side in self._wanted:
                self._workers.append(self._start(side, self._here(side), self._environment(side)))
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        for worker in self._workers:
            worker.end()

    def open(self, request: Mapping[str, JsonValue]) -> dict[Side, Answered]:
        """Let each read its tree's suite, all at once; the answer of one of each side.

        Raises:
            GateError: a revision's suite cannot be read.
        """
        for worker in self._workers:
            other = self._trees["head" if worker.side == "base" else "base"]
            suite = str(self._trees[worker.side].suite)
            worker.tell("open", suite=suite, other=str(other.root), **request)
        opened: dict[Side, Answered] = {}
        for worker in self._workers:
            try:
                opened[worker.side] = worker.hear(limit_s=_START_LIMIT_S)
            except SideError as problem:
                tree = self._trees[problem.side]
                reason = name_places(tree, problem.reason)
                if reason == problem.reason:
                    reason = f"{tree.name} does not read its suite: {reason}"
                raise GateError(reason, fix=problem.fix) from problem
        return opened

    def prepare(
        self, label: str, placing: Placing, *, described: Sequence[Side], limit_s: float
    ) -> tuple[dict[Side, Answered], list[SideError]]:
        """Let each build the cell, all at once; one of each side in `described` counts it and runs it once.

        Returns:
            (what those found, problems of whom it failed).
        """
        left = list(described)
        for worker in self._workers:
            static = worker.side in left
            if static:
                left.remove(worker.side)
            worker.tell("prepare", cell=label, static=static, **placing.model_dump())
        facts: dict[Side, Answered] = {}
        problems: list[SideError] = []
        for worker in self._workers:
            try:
                answer = worker.hear(limit_s=limit_s)
            except SideError as problem:
                # The others' answers are read all the same, or the next command would get them.
                problems.append(problem)
            else:
                if answer:
                    facts[worker.side] = answer
        return facts, problems

    def time(self, *, pace: Pace, tolerance: float, seed: int) -> PairedSet:
        """Warm up one after the other, then take the rounds of the cell that was prepared.

        Raises:
            SideError: a process is lost.
        """
        before = read_load(interval_s=0.0)
        warmth: dict[str, JsonValue] = {"least_s": pace.warmup_s, "most_s": _WARMUP_LIMIT_S}
        times = [_ask(each, "warm", BUILD_LIMIT_S, **warmth)["call_s"] for each in self._workers]
        call_s = sum(times) / len(times)
        turns = {
            side: tuple(_turn(each, call_s) for each in self._workers if each.side == side) for side in SIDES
        }
        taken = take_rounds(
            Turns(base=turns["base"], head=turns["head"]),
            call_s=call_s,
            pace=pace,
            tolerance=tolerance,
            seed=seed,
            now_s=time.perf_counter,
        )
        faults = [_ask(each, "facts", BUILD_LIMIT_S)["page_faults"] for each in self._workers]
        loads = {"load_before": before.load_1min, "load_after": read_load(interval_s=0.0).load_1min}
        facts: dict[str, JsonValue] = {**taken.settings, **loads, "page_faults": faults}
        return taken.model_copy(update={"settings": facts})

    def drop(self) -> None:
        """Let every process let go of its cell.

        Raises:
            SideError: a process is lost.
        """
        for worker in self._workers:
            _ask(worker, "drop", BUILD_LIMIT_S)

    def _here(self, side: Side) -> Path:
        # Where the user stands, in that side's tree: paths of a suite may be relative to it.
        head, tree = self._trees["head"], self._trees[side]
        here = Path.cwd().resolve()
        inside = tree.root / here.relative_to(head.root) if here.is_relative_to(head.root) else tree.root
        return inside if inside.is_dir() else tree.root

    def _environment(self, side: Side) -> dict[str, str]:
        path = import_path(
            self._trees[side],
            self._trees["head"],
            searched=sys.path,
            own=Path(benchbench.__file__).resolve().parents[1],
            inherited=os.environ.get("PYTHONPATH", ""),
        )
        kept = {key: value for key, value in os.environ.items() if key not in HOOK_VARIABLES}
        return {**kept, **self._variables, "PYTHONPATH": path}


def name_places(tree: Tree, told: str) -> str:
    """`told` with places in a tree's files named as `bench.yaml:16 in main (1a2b3c4)`."""
    # Base's tree is gone by the time that anybody reads it.
    return re.sub(rf"{re.escape(str(tree.root))}/([^\s:]+(?::\d+)?)", rf"\1 in {tree.name}", told)


def _ask(worker: Worker, what: str, limit_s: float, **arguments: JsonValue) -> dict[str, Any]:
    worker.tell(what, **arguments)
    return worker.hear(limit_s=limit_s)


def _turn(worker: Worker, call_s: float) -> Turn:
    def turn(absorb: int, calls: int) -> float:
        # A hundred times what it should take, on a machine that others use too.
        limit_s = 60.0 + 100 * call_s * (absorb + calls)
        return float(_ask(worker, "block", limit_s, absorb=absorb, calls=calls)["seconds"])

    return turn
