"""The commands and their options."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from benchbench import __version__
from benchbench.cli import commands, export, gate, profiling, quality, roofline, running, several
from benchbench.cli.options import take_settings, take_suite_profile
from benchbench.core.errors import OptionError, nearest, unknown_name

KINDS = ", ".join(commands.KINDS)
Say = Callable[[argparse.ArgumentParser], None]


class _Once(argparse.Action):
    """Keeps a value, and refuses a second one: the first would be lost without a word."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        given: set[str] = namespace.__dict__.setdefault("given", set())
        if option_string is not None and self.dest in given:
            parser.error(f"{option_string} was given twice, expected one value")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class Parser(argparse.ArgumentParser):
    """Raises what argparse would print, so that every error leaves by one door."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.register("action", None, _Once)
        self.register("action", "store", _Once)

    def error(self, message: str) -> NoReturn:
        """Raise.

        Raises:
            OptionError: always, with the usage line as what was expected.
        """
        raise OptionError(message, expected=" ".join(self.format_usage().removeprefix("usage: ").split()))


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command; `parsed.call` is the function to call."""
    parser = Parser(
        prog="benchbench",
        allow_abbrev=False,
        description="Make an image generator lighter: what do you gain, and what do you lose?",
        epilog="Exit codes: 0 well, 1 a measurement says no, 2 the request was wrong, 130 interrupted. "
        "`benchbench COMMAND --help` tells more of each.",
    )
    parser.add_argument("--version", action="version", version=f"benchbench {__version__}")
    under = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, (help_text, add, call) in _COMMANDS.items():
        child = under.add_parser(name, help=help_text, description=f"{help_text}.", allow_abbrev=False)
        add(child)
        child.set_defaults(call=call, parser=child)
    return parser


def parse_arguments(given: Sequence[str]) -> argparse.Namespace:
    """`given` parsed; `--help` and `--version` print and exit here.

    Raises:
        OptionError: an unknown or missing option; the nearest is named.
        UnknownNameError: an unknown command.
    """
    parser = build_parser()
    command = next((word for word in given if not word.startswith("-")), None)
    if command is not None and command not in _COMMANDS:
        raise unknown_name("command", command, _COMMANDS)
    parsed, unknown = parser.parse_known_args(list(given))
    child = getattr(parsed, "parser", parser)
    if unknown:
        known = re.findall(r"--[a-z-]+", child.format_help())
        match = nearest(unknown[0].partition("=")[0], known) if unknown[0].startswith("-") else None
        raise OptionError(
            f"{child.prog}: unknown argument '{unknown[0]}'",
            expected=" ".join(child.format_usage().removeprefix("usage: ").split()),
            fix=f"did you mean '{match}'?" if match else f"{child.prog} --help",
        )
    if command is None:
        parser.print_help(sys.stderr)
        raise OptionError("no command was given", fix="benchbench run suites/quickstart.yaml")
    return parsed


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite", metavar="SUITE", help="a suite file, suites/quickstart.yaml for one, or suites/all.yaml"
    )
    parser.add_argument("--out", metavar="DIR", default="results", help="where results go (default: results)")
    parser.add_argument("--resume", action="store_true", help="go on with the newest run of this suite")
    parser.add_argument("--only", metavar="GLOB", help="only the cells whose name matches, 'v*' for one")
    take_settings(parser, "override a field of the suite, train.steps=100 for one; may be given again")
    take_suite_profile(
        parser, "static: counts alone; latency: those and latency; the others as the suite declares them"
    )
    _add_json(parser)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help="a run's folder, or results/SUITE/latest")
    parser.add_argument(
        "--out", metavar="DIR", default="reports", help="where the report goes (default: reports)"
    )
    parser.add_argument(
        "--profiles",
        metavar="DIR",
        help="show the profiles below DIR whose networks these are, or none (default: RUN/profiles, "
        "results/SUITE/profiles, or profiles beside results)",
    )
    parser.add_argument(
        "--summary",
        metavar="FILE",
        help="write the short report alone, Markdown without pictures and under 1 MB; - prints it",
    )
    _add_json(parser)


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help=KINDS)
    _add_json(parser)


def _add_describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        metavar="ARCHITECTURE|module:callable|SUITE",
        help="a registered name, what builds an nn.Module (also path/file.py:callable), or a suite's file",
    )
    take_settings(parser, "an option of it, width=16 for one, or a field of the suite; may be given again")
    parser.add_argument(
        "--input", metavar="SHAPE", help="1,3,256,256, batch first; or what a suite's `input` takes, in YAML"
    )
    parser.add_argument(
        "--attribute", metavar="PATH", help="of what module:callable builds, the part meant: decoder"
    )
    parser.add_argument(
        "--variant",
        metavar="NAME|YAML",
        help="set a variant beside it: one of the suite's, or '{replace: {stages: [residual], with: ghost}}'",
    )
    parser.add_argument(
        "--depth", metavar="N", type=_depth, default=2, help="of the tree; 1 is stages alone (default: 2)"
    )
    parser.add_argument("--stages", action="store_true", help="print the stage map alone, in YAML")
    _add_json(parser)


def _depth(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"got '{text}', expected 1 or more")
    return int(text)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--noise",
        action="store_true",
        help="suggest a tolerance for gates from equal processes that take turns; a minute or two more",
    )
    _add_json(parser)


def _add_schema(parser: argparse.ArgumentParser) -> None:
    del parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


_COMMANDS: dict[str, tuple[str, Say, Callable[[argparse.Namespace], int]]] = {
    "run": ("Train or load, measure and compare what a suite declares", _add_run, running.run),
    "report": ("Write the report of one or more runs, from their files alone", _add_report, commands.report),
    "table": (
        "Write one table of the report as LaTeX, CSV, JSON or Markdown",
        several.add_table,
        several.table,
    ),
    "compare": (
        "Set runs of one suite side by side, and refuse with the reason what is not comparable",
        several.add_compare,
        several.compare,
    ),
    "gate": (
        "Judge a change: two results, a suite by its baseline, or the working tree by a git revision",
        gate.add_gate,
        gate.gate,
    ),
    "history": (
        "Draw every run of one suite over time, with its step changes marked",
        several.add_history,
        several.history,
    ),
    "export": (
        "Write one cell as an ONNX, OpenVINO or torch.export file, checked, with a model card",
        export.add_export,
        export.export,
    ),
    "quality": (
        "Judge images against a reference: FID and its fellows, exact, with intervals",
        quality.add_quality,
        quality.quality,
    ),
    "cache": ("List or prune the features that are kept", quality.add_cache, quality.cache),
    "list": ("List what is registered, with its package", _add_list, commands.list_kind),
    "describe": (
        "Tell a network's options, stages, and what each part costs",
        _add_describe,
        commands.describe,
    ),
    "profile": (
        "Trace a network: time, memory and bytes by layer, a flame graph, a trace for TensorBoard",
        profiling.add_profile,
        profiling.profile,
    ),
    "roofline": (
        "Measure this machine's own roof in a minute at most: peak arithmetic, memory and cache bandwidth",
        roofline.add_roofline,
        roofline.roofline,
    ),
    "doctor": (
        "Look the installation and this machine over; takes about ten seconds",
        _add_doctor,
        commands.doctor,
    ),
    "schema": ("Print the JSON Schema of suite files, for editors", _add_schema, commands.schema),
}
COMMANDS = tuple(_COMMANDS)
