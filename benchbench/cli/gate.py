"""`benchbench gate`: does this change make anything bigger, slower or worse?"""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import from_here, print_json, say
from benchbench.cli.options import take_settings, take_suite_profile
from benchbench.core.errors import StoreError

if TYPE_CHECKING:
    from benchbench.cli.gate_measure import Asked
    from benchbench.core.gating import GateReport

# Tables longer than this show what does not pass alone.
_MOST_ROWS = 40


def add_gate(parser: ArgumentParser) -> None:
    """The arguments of `benchbench gate`."""
    parser.add_argument(
        "targets",
        metavar="SUITE|RUN",
        nargs="*",
        help="BASE HEAD: two runs, or a baseline file and a run; or a suite's file; or with --baseline a run",
    )
    parser.add_argument("--baseline", metavar="FILE", help="judge by this file; a suite is run anew")
    parser.add_argument("--against", metavar="REV", help="judge by a git revision, both timed in turns here")
    parser.add_argument("--replay", metavar="FILE", help="judge again what --out kept, without measuring")
    parser.add_argument("--rules", metavar="FILE", help="a gate.yaml, in place of the suite's `gate:`")
    parser.add_argument("--only", metavar="GLOB", help="only the cells whose name matches, 'v*' for one")
    take_suite_profile(parser, "of a suite: which of its declarations, as in `benchbench run`")
    take_settings(parser, "override a field of the suite; may be given again")
    parser.add_argument("--update", action="store_true", help="write what was measured to the baseline FILE")
    parser.add_argument("--reason", metavar="TEXT", help="of --update; kept in the file")
    parser.add_argument(
        "--out", metavar="DIR", help="where samples are kept (default: results, where anything is measured)"
    )
    parser.add_argument("--markdown", metavar="FILE", help="write the verdicts as Markdown; - prints them")
    parser.add_argument(
        "--summary", action="store_true", help="add the Markdown to $GITHUB_STEP_SUMMARY, where that is set"
    )
    parser.add_argument("--junit", metavar="FILE", help="write the verdicts as JUnit XML")
    parser.add_argument(
        "--annotations",
        choices=("github", "none"),
        help="::error and ::warning lines (default: github where $GITHUB_ACTIONS is true)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def gate(args: Namespace) -> int:
    """`benchbench gate`; 1 where a verdict is `fail`, 0 where none is or the baseline was updated."""
    from benchbench.cli.gate_files import attempt, write_reports
    from benchbench.cli.gate_measure import command_again, measure
    from benchbench.gate.record import judge

    asked = measure(args)
    report = None
    if asked.record is not None:
        kept = attempt(lambda: _keep(asked), option="--out")
        report = judge(asked.record, asked.rules, rerun=command_again(args, asked.record))
        _print(args, report)
        if kept is not None and not args.json:
            print(f"samples: {from_here(kept)}; other rules: benchbench gate --replay {from_here(kept)}")
        write_reports(args, report)
        _annotate(args, report, file=asked.file)
    if args.update:
        _update(args, asked)
        return 0
    assert report is not None
    return report.exit_code


def _keep(asked: Asked) -> Path | None:
    from benchbench.core.store import new_run_id
    from benchbench.gate.record import write_record

    assert asked.record is not None
    if asked.out is None:
        return None
    folder = asked.out / asked.record.suite / "gate"
    name = new_run_id()
    path = folder / f"{name}.json"
    number = 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{number}.json"
    write_record(path, asked.record.model_copy(update={"rules": asked.rules}))
    return path


def _annotate(args: Namespace, report: GateReport, *, file: str) -> None:
    from benchbench.gate.annotations import write_annotations

    automatic = "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "none"
    if (args.annotations or automatic) == "github":
        # To standard error, which GitHub reads too: standard output stays the answer alone.
        for line in write_annotations(report, file=file):
            say(line)


def _print(args: Namespace, report: GateReport) -> None:
    from benchbench.gate.markdown import write_markdown

    if args.json:
        print_json({"exit_code": report.exit_code, **report.model_dump(mode="json", exclude={"timings"})})
    elif args.markdown == "-":
        print(write_markdown(report), end="")
    else:
        print(report_text(report))


def report_text(report: GateReport) -> str:
    """The verdicts as a table, then a line for each that fails, warns or is undecided, and the conclusion."""
    from benchbench.cli.blocks import printable
    from benchbench.cli.tables import text_table
    from benchbench.gate.lines import HEADER, by_weight, conclusion, status_word, table_row, told_line

    ordered = by_weight(report.verdicts)
    shown = ordered
    if len(ordered) > _MOST_ROWS:
        shown = [each for each in ordered if each.status != "pass"]
    lines = [printable(f"{report.suite}: {report.head} against {report.base}"), ""]
    if shown:
        lines.append(text_table(HEADER, [[printable(cell) for cell in table_row(each)] for each in shown]))
    if len(shown) < len(ordered):
        lines.append(f"and {len(ordered) - len(shown)} that pass")
    for each in ordered:
        if each.status in ("fail", "ambiguous") or each.is_warning:
            lines += ["", printable(f"{status_word(each)}: {told_line(each)}")]
            lines += [printable(f"  again: {each.rerun}")] if each.rerun else []
    lines += ["", *(printable(f"Mind: {each}.") for each in report.cautions)] if report.cautions else []
    return "\n".join([*lines, "", printable(conclusion(report))])


def _update(args: Namespace, asked: Asked) -> None:
    from benchbench.gate.baseline import updated, write_baseline

    if asked.head is None:
        raise StoreError("there is no run to make a baseline of")
    write_baseline(args.baseline, updated(asked.previous, asked.head, reason=args.reason))
    if not args.json:
        print(f"baseline: {from_here(args.baseline)}, {len(asked.head.results)} cells")
    else:
        say(f"baseline: {from_here(args.baseline)}")
