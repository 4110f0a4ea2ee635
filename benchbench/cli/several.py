"""`benchbench table`, `compare` and `history`: what is read from result files, of one run or several."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import from_here, print_json, say

if TYPE_CHECKING:
    from benchbench.core.reading import RunsRead

WELL, WRONG = 0, 2


def add_table(parser: ArgumentParser) -> None:
    """The arguments of `benchbench table`."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, or results/SUITE/latest")
    parser.add_argument(
        "--table",
        metavar="NAME",
        default="summary",
        help="summary (default), latency, quality, paper, training, stages, ...; a wrong name lists them",
    )
    parser.add_argument(
        "--format",
        choices=("latex", "csv", "json", "markdown"),
        default="markdown",
        help="default: markdown; csv and json round nothing",
    )
    parser.add_argument("--seeds", action="store_true", help="a row per seed below each line")
    _add_out(parser, "write it to FILE instead of printing it")


def add_compare(parser: ArgumentParser) -> None:
    """The arguments of `benchbench compare`."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="two or more; the first is what the others are compared with"
    )
    _add_measure(parser, "compare")
    _add_out(parser, "write it as Markdown to FILE")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def add_history(parser: ArgumentParser) -> None:
    """The arguments of `benchbench history`."""
    parser.add_argument("folder", metavar="FOLDER", help="a suite's results, results/SUITE")
    _add_measure(parser, "show")
    parser.add_argument(
        "--out", metavar="DIR", default="reports", help="where the page goes (default: reports)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def table(args: Namespace) -> int:
    """`benchbench table`; 2 where a run could not be read, after what the others hold."""
    from benchbench.report.export import export

    found = _read(args.runs)
    text = export(found.tables, args.table, form=args.format, seeds="each" if args.seeds else "mean")
    put(text, args.out)
    return WRONG if found.refused else WELL


def compare(args: Namespace) -> int:
    """`benchbench compare`; 2 where a run could not be read, after the comparison of the others."""
    from benchbench.cli.blocks import block_text, printable
    from benchbench.report.compare_blocks import comparison_grids, compose_comparison, facts_grid
    from benchbench.report.compare_records import comparison_record
    from benchbench.report.compare_view import compare_runs
    from benchbench.report.markdown import write_markdown

    found = _read(args.runs)
    comparison = compare_runs(found.tables, measures=args.measure)
    if args.out is not None:
        put(write_markdown(compose_comparison(comparison)), args.out)
    if args.json:
        print_json(comparison_record(comparison))
    elif args.out is None:
        print("\n\n".join(block_text(each) for each in comparison_grids(comparison)))
        print(f"\n{block_text(facts_grid(comparison))}")
        for caution in comparison.cautions:
            print(f"\nMind: {printable(caution)}.")
    return WRONG if found.refused else WELL


def history(args: Namespace) -> int:
    """`benchbench history`."""
    from benchbench.cli.blocks import printable
    from benchbench.report.history_blocks import summary_lines
    from benchbench.report.history_records import history_record
    from benchbench.report.history_view import read_history, view_history
    from benchbench.report.history_write import write_history

    tables, told = read_history(args.folder, tell=say)
    view = view_history(tables, told=told, measures=args.measure)
    files = write_history(view, out=args.out)
    if args.json:
        print_json({"markdown": str(files.markdown), "html": str(files.html), **history_record(view)})
        return WELL
    for line in summary_lines(view):
        print(printable(line))
    print(f"markdown: {from_here(files.markdown)}\nhtml:     {from_here(files.html)}")
    return WELL


def _read(paths: Iterable[str]) -> RunsRead:
    from benchbench.core.reading import read_runs

    return read_runs(paths, tell=say)


def put(text: str, out: str | None) -> None:
    """Write a text whole to a file, or print it."""
    from benchbench.core.store import write_atomically

    if out is None:
        print(text, end="")
        return
    write_atomically(Path(out), text)
    say(f"written: {from_here(out)}")


def _add_out(parser: ArgumentParser, help_text: str) -> None:
    parser.add_argument("--out", metavar="FILE", help=help_text)


def _add_measure(parser: ArgumentParser, verb: str) -> None:
    parser.add_argument(
        "--measure",
        metavar="NAME",
        action="append",
        default=[],
        help=f"{verb} this one alone, latency for one; may be given again (default: all)",
    )
