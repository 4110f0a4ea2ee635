"""`benchbench run`: one suite, or every suite that a file lists."""

from __future__ import annotations

import shlex
import sys
from argparse import Namespace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import from_here, print_json, say
from benchbench.core.errors import BenchbenchError, UnknownNameError

if TYPE_CHECKING:
    from benchbench.core.measurement import ResultTable
    from benchbench.core.model import JsonValue
    from benchbench.core.suite import Suite


def run(args: Namespace) -> int:
    """Run the suites of a file one after the other; one that cannot be run does not stop the others."""
    from benchbench.core.suite_file import load_suites

    suites = load_suites(args.suite, overrides=tuple(args.settings), profile=args.profile)
    if len(suites) == 1:
        file, suite = suites[0]
        table = _run_one(args, file, suite, only=args.only)
        if args.json:
            print_json(_record(table))
        else:
            print(f"\n{_told(table, out=args.out)}")
        return _code(table)
    chosen = [(file, suite, _only(suite, args.only)) for file, suite in suites]
    chosen = [(file, suite, only) for file, suite, only in chosen if only is not None]
    if not chosen:
        raise UnknownNameError(
            f"no suite and no cell matches '{args.only}'",
            expected="a glob over a suite's name, or over a cell's variant, label or id, of: "
            + ", ".join(suite.name for _, suite in suites),
        )
    records: list[JsonValue] = []
    codes: list[int] = []
    for number, (file, suite, only) in enumerate(chosen, start=1):
        say(f"\n=== {suite.name} ({number} of {len(chosen)}) ===")
        try:
            table = _run_one(args, file, suite, only=only or None)
        except BenchbenchError as error:
            say(f"error: {error}")
            records.append({"suite": suite.name, "error": str(error)})
            codes.append(error.exit_code)
            continue
        records.append(_record(table))
        codes.append(_code(table))
        if not args.json:
            print(f"\n{_told(table, out=args.out)}", flush=True)
    if args.json:
        print_json(records)
    return max(codes)


def _run_one(args: Namespace, file: Path, suite: Suite, *, only: str | None) -> ResultTable:
    from benchbench.runner.run import run as run_suite

    try:
        return run_suite(
            suite,
            out=args.out,
            mode="resume" if args.resume else "new",
            only=only,
            command=shlex.join(["benchbench", *sys.argv[1:]]),
            folders=(file.parent,),
            say=say,
        )
    except BenchbenchError as error:
        raise at_its_line(error, file, suite) from error.__cause__


def at_its_line(error: BenchbenchError, file: Path, suite: Suite) -> BenchbenchError:
    """The error with its line: what shows only when a network is built still stands somewhere in the file."""
    if error.variant is None or error.variant not in suite.variants:
        return error
    from benchbench.core.suite_file import read_document

    declared = suite.variants[error.variant].model_fields_set
    place = ("variants", error.variant) if declared else ("architecture",)
    return error.at(read_document(file).sources.at(place))


def _only(suite: Suite, only: str | None) -> str | None:
    """The glob for one suite of several: "" for all its cells, None for none of them."""
    from benchbench.core.expand import expand

    if only is None or fnmatchcase(suite.name, only):
        return ""
    try:
        expand(suite, only=only)
    except UnknownNameError:
        return None
    return only


def _record(table: ResultTable) -> JsonValue:
    from benchbench.cli.summary import summary_records

    return {"suite": table.suite.name, "folder": table.folder, "cells": summary_records(table)}


def _told(table: ResultTable, *, out: str) -> str:
    from benchbench.cli.summary import summarise

    folder = from_here(table.folder or out)
    return f"{summarise(table)}\n\nresults: {folder}\nreport:  benchbench report {shlex.quote(folder)}"


def _code(table: ResultTable) -> int:
    from benchbench.cli.summary import has_failed

    return 1 if has_failed(table) else 0
