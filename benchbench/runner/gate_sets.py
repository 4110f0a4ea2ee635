"""Two revisions of one suite, measured side by side: set after set of fresh processes that take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchbench.core.expand import expand_networks
from benchbench.core.gating import PairedSet, PairedTiming, SideResult
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.measurement import Protocol
from benchbench.core.model import JsonValue, parse_options
from benchbench.core.paired_sets import estimate, needs_another
from benchbench.core.suite import Profile, Suite
from benchbench.core.suite_file import load_suite
from benchbench.measures.latency.measure import environment_of, split_here, unavailable_here
from benchbench.measures.latency.options import LatencyOptions
from benchbench.runner.gate_process import Side, SideError, Start, start_process
from benchbench.runner.gate_rounds import Pace
from benchbench.runner.gate_sides import Sides
from benchbench.runner.gate_team import BUILD_LIMIT_S, Placing, Team
from benchbench.runner.lock import exclusive_latency
from benchbench.runner.revisions import Tree, two_trees

_PROCESSES = 2  # a side
_EAGER_ALONE = "eager float32 alone is judged of both revisions; other deployments are not"


@dataclass(frozen=True, slots=True)
class RevisionsMeasured:
    """What both revisions made of one suite.

    Attributes:
        suite: head's.
        base, head: the revisions, in words.
        pairs: the sets of each cell at each setting that the suite's `latency` asks for.
        sides: base's and head's counts, output or problem, of each cell that both have.
        vanished, appeared: labels of cells that base or head alone has.
        cautions: a line each.
    """

    suite: Suite
    base: str
    head: str
    pairs: tuple[PairedTiming, ...] = ()
    sides: tuple[tuple[SideResult, SideResult], ...] = ()
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()


def measure_revisions(
    suite_path: str | Path,
    *,
    against: str,
    profile: Profile | None = None,
    only: str | None = None,
    overrides: Sequence[str] = (),
    tolerance_of: Callable[[str], float | None],
    say: Callable[[str], None],
    pace: Pace | None = None,
    seed: int = 0,
    start: Start = start_process,
) -> RevisionsMeasured:
    """Count, run and time every cell of a suite at two revisions; head is the working tree.

    Weights are random, by the cell's seed, on both sides: nothing is trained or loaded. Cells are matched by
    label. Where the suite measures no latency, nothing is timed.

    Args:
        suite_path: a file in a git repository; base takes its own form of it.
        against: base's revision.
        profile, only, overrides: as in `benchbench run`; for both sides.
        tolerance_of: a cell's label -> share by which head may be slower; None where it is not to be timed.
        say: is shown a line of progress.
        pace: how long sets take.
        seed: of the order of turns.
        start: starts a process of one side.

    Raises:
        GateError: a revision that is not there, does not read or cannot build any of the cells.
        BenchbenchError: head's suite is wrong.
        LockedError: another process measures latency on this machine.
        KeyboardInterrupt: processes and worktree are gone.
    """
    suite = load_suite(suite_path, overrides=overrides, profile=profile)
    with two_trees(Path(suite_path), against) as (base, head):
        request: dict[str, JsonValue] = {"overrides": list(overrides), "profile": profile}
        trees: dict[Side, Tree] = {"base": base, "head": head}
        cells = {cell.label: cell for cell in expand_networks(suite, only=only)}
        sides = Sides(suite, cells, only, trees, say)
        if len(suite.deployments) > 1:
            sides.cautions.append(_EAGER_ALONE)
            say(_EAGER_ALONE)
        gate = _Gate(
            suite=suite,
            trees=trees,
            sides=sides,
            request=request,
            tolerance_of=tolerance_of,
            say=say,
            pace=pace or Pace(),
            seed=seed,
            start=start,
        )
        pairs = gate.take()
        sides.check_built()
        return RevisionsMeasured(
            suite=suite,
            base=base.name,
            head=head.name,
            pairs=pairs,
            sides=sides.results(),
            vanished=sides.vanished,
            appeared=sides.appeared,
            cautions=tuple(dict.fromkeys(sides.cautions)),
        )


@dataclass(slots=True)
class _Gate:
    suite: Suite
    trees: dict[Side, Tree]
    request: dict[str, JsonValue]
    sides: Sides
    tolerance_of: Callable[[str], float | None]
    say: Callable[[str], None]
    pace: Pace
    seed: int
    start: Start
    _tolerances: dict[str, float] = field(default_factory=dict)

    def take(self) -> tuple[PairedTiming, ...]:
        """Every cell at every setting."""
        settings = self._settings()
        self._tolerances = {
            label: tolerance
            for label in self.sides.cells
            if settings and (tolerance := self.tolerance_of(label)) is not None
        }
        untimed = [label for label in self.sides.cells if label not in self._tolerances]
        if untimed:
            self._take_set(untimed, None, {}, number=0)
        pairs = []
        for options in settings:
            sets: dict[str, list[PairedSet]] = {}
            waiting = list(self._tolerances)
            number = 0
            while waiting:
                self._take_set(waiting, options, sets, number=number)
                number += 1
                waiting = [
                    label
                    for label in sets
                    if self._needs_another(sets[label], label, number, settings=len(settings))
                ]
            protocol = self._protocol(options).hash
            pairs += [
                PairedTiming(cell=label, setting=options.setting, sets=tuple(taken), protocol=protocol)
                for label, taken in sets.items()
            ]
        return tuple(pairs)

    def _settings(self) -> tuple[LatencyOptions, ...]:
        specs = [spec for spec in self.suite.measure if spec.name == "latency"]
        if not specs:
            self.sides.cautions.append("the suite measures no latency: nothing was timed")
        found: list[LatencyOptions] = []
        for spec in specs:
            for options in split_here(parse_options("measure", "latency", LatencyOptions, spec.options)):
                lacking = unavailable_here(options)
                if lacking is None:
                    found.append(options)
                else:
                    self.sides.cautions.append(f"not timed: {lacking.reason}")
        return tuple(found)

    def _needs_another(self, taken: list[PairedSet], label: str, number: int, *, settings: int) -> bool:
        if len(taken) < number:
            return False  # its last set was lost, with a problem that is told
        tolerance = self._tolerances[label]
        found = estimate(taken, tolerance=tolerance)
        span = f"[{found.interval.low:.3f}, {found.interval.high:.3f}]"
        quiet = "" if found.is_quiet else "; processes of the same code differ too much"
        after = f"{len(taken)} set{'' if len(taken) == 1 else 's'}"
        self.say(f"{label}: head / base {found.ratio:.3f} {span} after {after}{quiet}")
        timings = settings * len(self.sides.common & self._tolerances.keys())
        return needs_another(found, tolerance=tolerance, taken=len(taken), timings=timings)

    def _take_set(
        self,
        labels: Sequence[str],
        options: LatencyOptions | None,
        sets: dict[str, list[PairedSet]],
        *,
        number: int,
    ) -> None:
        """One set of all `labels`; a process that is lost costs its cell, and the others get a new set."""
        left = list(labels)
        while left:
            with ExitStack() as stack:
                if options is not None:
                    what = f"gate {self.suite.name} against {self.trees['base'].name}"
                    stack.enter_context(exclusive_latency(what, say=self.say))
                team = stack.enter_context(self._team(options))
                self.sides.match(team.open(self.request))
                left = [label for label in left if label in self.sides.common]
                if left and options is not None:
                    self.say(f"set {number + 1}, {options.setting}: {', '.join(left)}")
                is_whole = True
                while left and is_whole:
                    is_whole = self._take_cell(team, left.pop(0), options, sets, number)

    def _team(self, options: LatencyOptions | None) -> Team:
        alone = {**KEEP_MEMORY, "OMP_NUM_THREADS": "1"}
        return Team(
            self.trees,
            processes=1 if options is None else _PROCESSES,
            variables=alone if options is None else environment_of(options),
            start=self.start,
        )

    def _take_cell(
        self,
        team: Team,
        label: str,
        options: LatencyOptions | None,
        sets: dict[str, list[PairedSet]],
        number: int,
    ) -> bool:
        """Whether the team is whole afterwards."""
        placing = Placing()
        if options is not None:
            placing = Placing(
                device=options.device[0], memory_format=options.memory_format, fold=options.fold
            )
        unknown = self.sides.unknown(label)
        limit_s = self.suite.timeout_s or BUILD_LIMIT_S
        facts, problems = team.prepare(label, placing, described=unknown, limit_s=limit_s)
        for side, answer in facts.items():
            self.sides.note_facts(label, side, answer)
        for problem in problems:
            self.sides.note_problem(label, problem)
        if problems:
            return not any(problem.lost for problem in problems)
        try:
            if options is not None:
                seed = self.seed * 1000 + number
                taken = team.time(pace=self.pace, tolerance=self._tolerances[label], seed=seed)
                sets.setdefault(label, []).append(taken)
            team.drop()
        except SideError as problem:
            self.sides.note_problem(label, problem)
            return not problem.lost
        return True

    def _protocol(self, options: LatencyOptions) -> Protocol:
        return Protocol(
            name="gate/interleaved-sets",
            settings={
                **self.pace.model_dump(mode="json"),
                "processes": _PROCESSES,
                "device": options.device[0],
                "threads": options.threads[0] if options.device[0] == "cpu" else None,
                "memory_format": options.memory_format,
                "fold": options.fold,
                "allocator": options.allocator,
            },
        )
