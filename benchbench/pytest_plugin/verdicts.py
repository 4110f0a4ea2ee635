"""The baseline's verdicts on a run, by the rules of `benchbench gate SUITE --baseline FILE`.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.gate.baseline import read_baseline
from benchbench.gate.pairing import pair_cells
from benchbench.gate.tables import cells_to_confirm, judge_tables
from benchbench.gate.words import gate_command
from benchbench.pytest_plugin.requested import Requested
from benchbench.runner.gate_run import measure_again


def read_base(requested: Requested, suite_name: str) -> ResultTable:
    """What the baseline holds.

    Raises:
        StoreError: it is missing, damaged or no baseline.
        GateError: it is of another suite.
    """
    assert requested.baseline is not None
    base = read_baseline(requested.baseline).table
    if base.suite.name != suite_name:
        # In the words of whoever would tell it after everything was measured.
        other = base.suite.model_copy(update={"name": suite_name})
        pair_cells(base, base.model_copy(update={"suite": other}))
    return base


def judge_run(
    base: ResultTable,
    head: ResultTable,
    *,
    file: Path,
    requested: Requested,
    was_measured: Callable[[Measurement | None], bool],
    left_out: Collection[str] = (),
    say: Callable[[str], None],
) -> GateReport:
    """Judge a run; what would fail by its time is compared once more, in processes of its own.

    Args:
        base: the baseline's.
        head: the run's.
        file: of the suite.
        requested: what was asked for.
        was_measured: whether a figure of the baseline's (None: the output) was to be measured now; what was
            deselected has not vanished.
        left_out: labels of cells that were not to be measured now.
        say: shows one line of progress.

    Raises:
        GateError, ProtocolMismatchError, OptionError: the baseline cannot judge this run.
        LockedError, StoreError: what should be measured again cannot be.
    """
    rules = head.suite.gate or GateRules()
    kept = [each for each in base.results if each.cell.label not in left_out]
    held = base.model_copy(update={"results": tuple(_held(each, was_measured) for each in kept)})
    red = cells_to_confirm(held, head, rules, only=requested.only)
    again = (measure_again(head, red, folders=(file.parent,), say=say),) if red else ()
    options = {"baseline": str(requested.baseline), "profile": requested.profile}
    return judge_tables(
        held,
        head,
        rules,
        again=again,
        confirm="fresh run",
        names=(str(requested.baseline), f"run {head.run.id}"),
        only=requested.only,
        rerun=gate_command([str(file)], options, settings=requested.overrides, only=requested.only),
    )


def _held(result: CellResult, was_measured: Callable[[Measurement | None], bool]) -> CellResult:
    return result.model_copy(
        update={
            "measurements": tuple(each for each in result.measurements if was_measured(each)),
            "output": result.output if was_measured(None) else None,
        }
    )
