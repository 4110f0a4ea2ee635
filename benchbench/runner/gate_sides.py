"""What is known of either revision: its cells, what they count and make, and why one is not there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from benchbench.core.cell import Cell
from benchbench.core.errors import GateError
from benchbench.core.expand import expand_networks
from benchbench.core.gating import SideResult
from benchbench.core.measurement import OutputRecord
from benchbench.core.suite import Suite
from benchbench.runner.gate_process import Answered, Side, SideError
from benchbench.runner.gate_team import SIDES, name_places
from benchbench.runner.revisions import Tree


@dataclass(slots=True)
class Sides:
    """Gathered while the first set is taken.

    Attributes:
        suite, cells: head's; cells by label, those that were asked for.
        only: the glob that asked for them.
        trees: both revisions.
        say: is shown a line of progress.
        common: labels of cells that both have.
        vanished, appeared: labels of cells that base or head alone has.
        cautions: a line each.
    """

    suite: Suite
    cells: Mapping[str, Cell]
    only: str | None
    trees: Mapping[Side, Tree]
    say: Callable[[str], None]
    common: frozenset[str] = frozenset()
    vanished: tuple[str, ...] = ()
    appeared: tuple[str, ...] = ()
    cautions: list[str] = field(default_factory=list)
    _found: dict[tuple[str, Side], SideResult] = field(default_factory=dict)
    _their_cells: dict[str, Cell] = field(default_factory=dict)
    _is_matched: bool = False

    def match(self, opened: Mapping[Side, Answered]) -> None:
        """Match cells by label, from what the processes of both sides read; the first time alone."""
        if self._is_matched:
            return
        self._is_matched = True
        theirs = opened["base"]
        for label, cell in zip(theirs["labels"], theirs["cells"], strict=True):
            try:
                self._their_cells[label] = Cell.model_validate(cell)
            except ValueError:
                self.cautions.append(
                    f"{label}: base declares it in a form that this benchbench does not know"
                )
        ours = {cell.label for cell in expand_networks(self.suite)}
        self.common = frozenset(self.cells) & frozenset(theirs["labels"])
        self.appeared = tuple(label for label in self.cells if label not in self.common)
        self.vanished = tuple(
            label for label in theirs["labels"] if label not in ours and self._is_chosen(label)
        )
        if theirs["torch"] != opened["head"]["torch"]:
            self.cautions.append("base and head import different builds of torch")

    def _is_chosen(self, label: str) -> bool:
        cell = self._their_cells.get(label)
        return cell.is_chosen(self.only) if cell is not None else fnmatchcase(label, self.only or "*")

    def unknown(self, label: str) -> tuple[Side, ...]:
        """The sides of which the cell is not described yet."""
        return tuple(side for side in SIDES if (label, side) not in self._found)

    def note_facts(self, label: str, side: Side, answer: Answered) -> None:
        """Keep what a process found of a cell."""
        if "note" in answer:
            self.cautions.append(f"{label}, {side}: {answer['note']}")
        output = answer.get("output")
        self._found[label, side] = SideResult(
            cell=self._cell(label, side),
            parameters=answer.get("parameters"),
            macs=answer.get("macs"),
            macs_by_operator=answer.get("macs_by_operator", {}),
            output=None if output is None else OutputRecord.model_validate(output),
        )

    def note_problem(self, label: str, problem: SideError) -> None:
        """Keep why a side cannot go on with a cell."""
        known = self._side(label, problem.side)
        if known.problem is None:
            tree = self.trees[problem.side]
            told = name_places(tree, problem.reason)
            self._found[label, problem.side] = known.model_copy(update={"problem": told})
            self.say(f"{label}, {tree.name}: {told}")

    def check_built(self) -> None:
        """That either revision could build something.

        Raises:
            GateError: one could build nothing.
        """
        for side in SIDES:
            problems = [each.problem for (_, of), each in self._found.items() if of == side]
            if problems and all(problems):
                raise GateError(f"{self.trees[side].name} does not build: {problems[0]}")

    def results(self) -> tuple[tuple[SideResult, SideResult], ...]:
        """Base's and head's, of each cell that both have."""
        return tuple(
            (self._side(label, "base"), self._side(label, "head"))
            for label in self.cells
            if label in self.common
        )

    def _side(self, label: str, side: Side) -> SideResult:
        return self._found.get((label, side)) or SideResult(cell=self._cell(label, side))

    def _cell(self, label: str, side: Side) -> Cell:
        # Of another form than ours where its benchbench is another: then the label says which is meant.
        return self._their_cells.get(label, self.cells[label]) if side == "base" else self.cells[label]
