"""The ways of `benchbench gate`: each ends in a record of what is to be judged, and by which rules."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import say
from benchbench.cli.gate_checks import check_early, check_names
from benchbench.cli.gate_files import check_files
from benchbench.cli.gate_request import check_request, is_suite
from benchbench.cli.running import at_its_line
from benchbench.core.errors import BenchbenchError, OptionError

if TYPE_CHECKING:
    from benchbench.core.cell import Cell
    from benchbench.core.gate_rules import GateRules
    from benchbench.core.measurement import ResultTable
    from benchbench.core.source_map import SourceMap
    from benchbench.core.suite import Suite
    from benchbench.gate.baseline import Baseline
    from benchbench.gate.record import GateRecord


@dataclass(frozen=True, slots=True)
class Asked:
    """One gate, measured.

    Attributes:
        record: what was measured; None where `--update` writes the first baseline.
        rules: by which it is judged.
        file: the suite's file, "" where there is none.
        head: the run that `--update` makes a baseline of.
        previous: the baseline so far.
        out: where the record is kept; None keeps none.
    """

    rules: GateRules
    record: GateRecord | None = None
    file: str = ""
    head: ResultTable | None = None
    previous: Baseline | None = None
    out: Path | None = None


def measure(args: Namespace) -> Asked:
    """Read or measure what `benchbench gate` was asked to judge.

    Raises:
        BenchbenchError: options that do not go together, or as what it calls.
    """
    way = check_request(args)
    check_files(args)
    if way == "replay":
        return _replayed(args)
    if way == "against":
        return _against(args)
    if way == "results":
        return _results(args)
    return _suite_and_baseline(args) if is_suite(args.targets[0]) else _run_and_baseline(args)


def command_again(args: Namespace, record: GateRecord) -> Callable[[str], str]:
    """What makes of a cell, as `--only` takes it, the command that judges it again; of "" that for all."""
    asked = args
    if args.replay is not None and record.revisions is not None:
        # One cell's times are judged among all of a gate: it takes measuring to judge one alone.
        asked = _as_recorded(record.command) or args
    # By the rules that were used here; without any those of the recorded command were.
    from benchbench.gate.words import gate_command

    options = {name: getattr(asked, name) for name in ("baseline", "against", "replay")}
    options |= {"rules": args.rules or asked.rules, "profile": asked.profile}
    return gate_command(asked.targets, options, settings=asked.settings, only=asked.only)


def _as_recorded(command: str) -> Namespace | None:
    from benchbench.cli.parser import parse_arguments

    try:
        words = shlex.split(command)
        # What asks for help prints it, and would end this process.
        with redirect_stdout(StringIO()):
            return parse_arguments(words[1:]) if words[1:2] == ["gate"] else None
    except (BenchbenchError, ValueError, SystemExit):
        return None  # of another version, or no command that measured anything


def _rules(args: Namespace, declared: GateRules | None) -> tuple[GateRules, SourceMap | None]:
    from benchbench.core.gate_rules import GateRules
    from benchbench.gate.rules import load_rules

    if args.rules is not None:
        return load_rules(args.rules)
    return declared or GateRules(), None


def _replayed(args: Namespace) -> Asked:
    from benchbench.gate.record import read_record

    record = read_record(args.replay)
    rules, sources = _rules(args, record.rules)
    if record.tables is not None:
        check_names(rules, sources, record.tables.base, record.tables.head)
    if args.only is not None:
        if record.tables is None:
            raise OptionError("--only does not go with the record of two revisions", fix="leave it out")
        record = record.model_copy(update={"only": args.only})
    return Asked(rules=rules, record=record, out=None if args.out is None else Path(args.out))


def _results(args: Namespace) -> Asked:
    from benchbench.gate.baseline import read_side
    from benchbench.gate.record import GateRecord, MeasuredTables

    base, head = (read_side(path) for path in args.targets)
    rules, sources = _rules(args, head.suite.gate)
    check_names(rules, sources, base, head)
    record = GateRecord(
        suite=head.suite.name,
        names=(_run_name(base, args.targets[0]), _run_name(head, args.targets[1])),
        command=_command(),
        only=args.only,
        rules=rules,
        tables=MeasuredTables(base=base, head=head),
    )
    return Asked(rules=rules, record=record, out=None if args.out is None else Path(args.out))


def _run_and_baseline(args: Namespace) -> Asked:
    from benchbench.core.store import read_run
    from benchbench.gate.record import GateRecord, MeasuredTables

    previous = _previous(args)
    head = read_run(args.targets[0])
    rules, sources = _rules(args, head.suite.gate)
    if previous is None:
        return Asked(rules=rules, head=head)
    check_names(rules, sources, previous.table, head)
    record = GateRecord(
        suite=head.suite.name,
        names=(_run_name(previous.table, args.baseline), _run_name(head, args.targets[0])),
        command=_command(),
        only=args.only,
        rules=rules,
        tables=MeasuredTables(base=previous.table, head=head),
    )
    out = None if args.out is None else Path(args.out)
    return Asked(rules=rules, record=record, head=head, previous=previous, out=out)


def _suite_and_baseline(args: Namespace) -> Asked:
    from benchbench.gate.pairing import pair_cells
    from benchbench.gate.record import GateRecord, MeasuredTables
    from benchbench.gate.rules import rule_of
    from benchbench.gate.tables import cells_to_confirm
    from benchbench.runner.gate_run import check_declared, measure_again, measure_suite, narrowed

    file, suite = _load(args)
    rules, sources = _rules(args, suite.gate)
    previous = _previous(args)
    check_early(rules, sources, suite, () if previous is None else (previous.table,))
    if previous is not None and previous.table.suite.name != suite.name:
        # Told before anything is measured, by the words of whoever would tell it afterwards.
        pair_cells(previous.table, previous.table.model_copy(update={"suite": suite}))

    def is_judged(measure: str, cell: Cell) -> bool:
        return rule_of(rules, measure, cell).kind != "ignore"

    chosen = narrowed(suite, only=args.only, is_judged=is_judged)
    if previous is not None:
        check_declared(previous.table, chosen)
    out = Path(args.out or "results")
    try:
        head = measure_suite(chosen, out=out, command=_command(), folders=(file.parent,), say=say)
    except BenchbenchError as error:
        raise at_its_line(error, file, suite) from error.__cause__
    if previous is None:
        return Asked(rules=rules, file=args.targets[0], head=head)
    # What is about to become the baseline needs no second opinion.
    red = () if args.update else cells_to_confirm(previous.table, head, rules, only=args.only)
    again = (measure_again(head, red, folders=(file.parent,), say=say),) if red else ()
    record = GateRecord(
        suite=suite.name,
        names=(_run_name(previous.table, args.baseline), _run_name(head, args.targets[0])),
        command=_command(),
        only=args.only,
        rules=rules,
        tables=MeasuredTables(base=previous.table, head=head, again=again),
    )
    return Asked(rules=rules, record=record, file=args.targets[0], head=head, previous=previous, out=out)


def _against(args: Namespace) -> Asked:
    from benchbench.core.expand import expand_networks
    from benchbench.gate.record import GateRecord, MeasuredRevisions
    from benchbench.gate.rules import rule_of
    from benchbench.runner.gate_sets import measure_revisions

    _, suite = _load(args)
    rules, sources = _rules(args, suite.gate)
    check_early(rules, sources, suite, ())
    timed = {cell.label: rule_of(rules, "latency", cell) for cell in expand_networks(suite, only=args.only)}
    overrides = list(args.settings)
    if all(rule.kind == "ignore" for rule in timed.values()):
        # Nothing that is timed would be judged.
        overrides.append("measure=[parameters, macs]")
    measured = measure_revisions(
        args.targets[0],
        against=args.against,
        profile=args.profile,
        only=args.only,
        overrides=overrides,
        tolerance_of=lambda label: timed[label].tolerance,
        say=say,
    )
    record = GateRecord(
        suite=measured.suite.name,
        names=(measured.base, measured.head),
        command=_command(),
        rules=rules,
        revisions=MeasuredRevisions(
            sides=measured.sides,
            pairs=measured.pairs,
            vanished=measured.vanished,
            appeared=measured.appeared,
            cautions=measured.cautions,
        ),
    )
    return Asked(rules=rules, record=record, file=args.targets[0], out=Path(args.out or "results"))


def _load(args: Namespace) -> tuple[Path, Suite]:
    from benchbench.core.suite_file import load_suite

    file = Path(args.targets[0])
    return file, load_suite(file, overrides=tuple(args.settings), profile=args.profile)


def _previous(args: Namespace) -> Baseline | None:
    from benchbench.gate.baseline import read_baseline

    if args.update and not Path(args.baseline).exists():
        return None
    return read_baseline(args.baseline)


def _run_name(table: ResultTable, path: str) -> str:
    revision = table.environment.git_revision
    short = f", {revision[:7]}{'+changes' if table.environment.git_dirty else ''}" if revision else ""
    return f"{path} (run {table.run.id}{short})"


def _command() -> str:
    return shlex.join(["benchbench", *sys.argv[1:]])
