"""What each command calls, and what it prints. Imports stay inside: `--help` must not wait for them."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.core.errors import OptionError, unknown_name

if TYPE_CHECKING:
    from benchbench.core.model import JsonValue

# kind -> (entry-point group, the word for one of them)
KINDS = {
    "architectures": "architecture",
    "replacements": "replacement",
    "recipes": "recipe",
    "measures": "measure",
    "sources": "data source",
    "features": "feature extractor",
    "backends": "backend",
    "executors": "executor",
}


def report(args: Namespace) -> int:
    """`benchbench report`."""
    from benchbench.core.store import read_run
    from benchbench.report.write import write_report

    tables = [read_run(path) for path in args.runs]
    files = write_report(tables[0] if len(tables) == 1 else tables, out=args.out)
    if args.json:
        print_json({"markdown": str(files.markdown), "html": str(files.html)})
    else:
        print(f"markdown: {from_here(files.markdown)}\nhtml:     {from_here(files.html)}")
    return 0


def list_kind(args: Namespace) -> int:
    """`benchbench list`."""
    from benchbench.cli.tables import text_table
    from benchbench.core import registry

    if args.kind not in KINDS:
        raise unknown_name("kind", args.kind, KINDS)
    group = f"benchbench.{args.kind}"
    entries = registry.Registry[object](group, kind=KINDS[args.kind]).entries()
    if args.json:
        print_json([asdict(entry) for entry in entries])
    elif entries:
        rows = [(entry.name, entry.summary, entry.package) for entry in entries]
        print(text_table(("name", "what it is", "package"), rows))
    else:
        print(f"none registered yet; packages add {args.kind} through the entry-point group '{group}'")
    return 0


def describe(args: Namespace) -> int:
    """`benchbench describe`."""
    from benchbench.cli.tables import describe_text
    from benchbench.runner.describe import describe as describe_network

    shape = None if args.input is None else parse_shape(args.input)
    found = describe_network(args.target, parse_settings(args.settings), input_shape=shape)
    print(found.model_dump_json(indent=2) if args.json else describe_text(found))
    return 0


def doctor(args: Namespace) -> int:
    """`benchbench doctor`."""
    from benchbench.cli.tables import findings_text
    from benchbench.runner.doctor import examine

    say("looking this machine over; its noise is measured for five seconds ...")
    findings = examine()
    if args.json:
        print_json([asdict(finding) for finding in findings])
    else:
        print(findings_text(findings))
    return 1 if any(finding.status == "bad" for finding in findings) else 0


def schema(args: Namespace) -> int:
    """`benchbench schema`."""
    from benchbench.core.schema import suite_schema

    del args
    print_json(suite_schema())
    return 0


def say(line: str) -> None:
    """Progress goes to standard error, so that what is piped on is the answer alone."""
    print(line, file=sys.stderr, flush=True)


def from_here(path: str | Path) -> str:
    """A path below the working directory without the part that needs no saying."""
    whole = Path(path)
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


def print_json(value: object) -> None:
    """Indented JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def parse_settings(given: Sequence[str]) -> dict[str, JsonValue]:
    """`width=16` -> {"width": 16}; values are read as YAML, so that texts need no quotes.

    Raises:
        OptionError: no `=`, no key, or a value that is not plain YAML.
    """
    from benchbench.core.overrides import parse_override

    return dict(parse_override(text) for text in given)


def parse_shape(text: str) -> tuple[int, ...]:
    """`1,3,256,256` (or with `x`) -> (1, 3, 256, 256).

    Raises:
        OptionError: anything but positive whole numbers.
    """
    parts = text.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise OptionError(f"--input {text}", expected="positive whole numbers, batch first: 1,3,256,256")
    return tuple(int(part) for part in parts)
