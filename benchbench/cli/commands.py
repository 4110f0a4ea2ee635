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
    from benchbench.core.measurement import ResultTable
    from benchbench.core.model import JsonValue
    from benchbench.core.profile_reading import ProfilesRead

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
    from benchbench.core.reading import read_runs
    from benchbench.report.write import write_report

    found = read_runs(args.runs, tell=say)
    tables, code = list(found.tables), 2 if found.refused else 0
    profiles, code = _read_profiles(args.profiles, tables, code)
    if args.summary is not None:
        from benchbench.cli.several import put
        from benchbench.report.summary_markdown import write_summary

        put(write_summary(tables, profiles=profiles), None if args.summary == "-" else args.summary)
        return code
    files = write_report(tables[0] if len(tables) == 1 else tables, out=args.out, profiles=profiles)
    if args.json:
        print_json({"markdown": str(files.markdown), "html": str(files.html)})
    else:
        print(f"markdown: {from_here(files.markdown)}\nhtml:     {from_here(files.html)}")
    return code


def _read_profiles(
    given: str | None, tables: Sequence[ResultTable], code: int
) -> tuple[ProfilesRead | None, int]:
    """What was asked for, or lies beside the runs; a folder without a profile costs a line and code 2."""
    from benchbench.core.errors import StoreError
    from benchbench.core.profile_reading import profile_folders, read_profiles
    from benchbench.core.reading import one_line

    if given == "none":
        return None, code
    try:
        if given is None:
            found = read_profiles(profile_folders(tables), asked="found")
        else:
            found = read_profiles([given])
    except StoreError as error:
        say(f"left out: {one_line(error)}")
        return None, 2
    for note in found.notes:
        say(f"left out: {note}")
    return found, code


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
    from benchbench.cli.description import describe_text, stages_text
    from benchbench.runner.describe import describe as describe_network
    from benchbench.runner.describe import describe_suite

    if args.target.endswith((".yaml", ".yml")):
        if args.input is not None:
            raise OptionError("--input: a suite declares it", fix="--set 'architecture.input=[1, 3, 64, 64]'")
        if args.attribute is not None:
            raise OptionError("--attribute: a suite declares it", fix="--set architecture.attribute=decoder")
        found = describe_suite(args.target, variant=args.variant, overrides=args.settings)
    else:
        found = describe_network(
            args.target,
            parse_settings(args.settings),
            inputs=None if args.input is None else parse_input(args.input),
            attribute=args.attribute,
            variant=None if args.variant is None else parse_plain("--variant", args.variant),
        )
    if args.json:
        print(found.model_dump_json(indent=2))
    else:
        print(stages_text(found) if args.stages else describe_text(found, depth=args.depth))
    return 0


def doctor(args: Namespace) -> int:
    """`benchbench doctor`."""
    from benchbench.cli.tables import findings_text
    from benchbench.runner.doctor import examine

    say("looking this machine over; its noise is measured for five seconds ...")
    findings = examine()
    if args.noise:
        from functools import partial

        from benchbench.runner.noise_tolerance import check_tolerance, take_null_sets

        findings += (check_tolerance(partial(take_null_sets, say=say)),)
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


def parse_input(text: str) -> JsonValue:
    """`1,3,256,256` (or with `x`) -> [1, 3, 256, 256]; else YAML, as a suite's `input`.

    Raises:
        OptionError: neither positive whole numbers, nor a list or mapping in YAML.
    """
    parts = [part.strip() for part in text.replace("x", ",").split(",")]
    if all(part.isdecimal() and int(part) > 0 for part in parts):
        return [int(part) for part in parts]
    value = parse_plain("--input", text)
    if not isinstance(value, (list, dict)):
        raise OptionError(
            f"--input {text}",
            expected="positive whole numbers, batch first: 1,3,256,256; or a suite's input: "
            "'{x: [1, 3, 64, 64], t: {shape: [1], dtype: int64, high: 10}}'",
        )
    return value


def parse_plain(option: str, text: str) -> JsonValue:
    """The plain value that `text` holds as YAML.

    Raises:
        OptionError: it is not YAML, or holds what is no plain value.
    """
    import yaml

    from benchbench.core.plain_yaml import read_plain

    try:
        value: JsonValue = read_plain(text)
        json.dumps(value, allow_nan=False)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        raise OptionError(f"{option} {text}", expected="plain YAML, {key: value}") from None
    return value
