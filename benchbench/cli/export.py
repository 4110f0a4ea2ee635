"""`benchbench export`: one cell as a file to hand on, with its model card."""

from __future__ import annotations

import json
import shlex
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import from_here, print_json, say
from benchbench.cli.options import take_settings, take_suite_profile

if TYPE_CHECKING:
    from benchbench.core.suite import Suite
    from benchbench.runner.export import Exported

# Those of runner/export_facts.py and core/deployment.py, whose import would slow `--help` down.
FORMATS = ("onnx", "openvino", "pt2")
PRECISIONS = ("fp32", "bf16", "fp16", "int8")


def add_export(parser: ArgumentParser) -> None:
    """The arguments of `benchbench export`."""
    parser.add_argument("suite", metavar="SUITE", help="a suite's file")
    parser.add_argument(
        "--only",
        metavar="CELL",
        required=True,
        help="a variant, label or id, or a glob that matches one; a network comes before the ways to run it",
    )
    parser.add_argument("--to", choices=FORMATS, required=True, help="pt2 is torch.export's")
    parser.add_argument("--out", metavar="DIR", required=True, help="DIR/CELL-ID/ is written, or nothing")
    parser.add_argument(
        "--run",
        metavar="RUN",
        help="whose weights and figures (default: the newest run of the suite below results/)",
    )
    parser.add_argument("--precision", choices=PRECISIONS, help="of a network (default: fp32)")
    parser.add_argument("--dynamic", action="store_true", help="leave batch, height and width open")
    parser.add_argument("--force", action="store_true", help="replace an export that is there already")
    take_settings(parser, "override a field of the suite, as in the run; may be given again")
    take_suite_profile(parser, "which of the suite's declarations, as in the run")
    parser.add_argument("--json", action="store_true", help="print the card as JSON")


def export(args: Namespace) -> int:
    """`benchbench export`; 1 where the file does not do what eager float32 does, and then nothing is left."""
    from benchbench.cli.running import at_its_line
    from benchbench.core.errors import BenchbenchError
    from benchbench.core.suite_file import load_suite

    suite = load_suite(args.suite, overrides=tuple(args.settings), profile=args.profile)
    try:
        done = _export(args, suite)
    except BenchbenchError as error:
        raise at_its_line(error, Path(args.suite), suite) from error.__cause__
    if args.json:
        print_json(json.loads(done.card.model_dump_json()))
    else:
        print(_told(done))
    return 0


def _export(args: Namespace, suite: Suite) -> Exported:
    from benchbench.runner.export import export as export_cell

    again = ["benchbench", "run", args.suite, "--only", args.only]
    again += [] if args.profile is None else ["--profile", args.profile]
    again += [word for text in args.settings for word in ("--set", text)]
    return export_cell(
        suite,
        only=args.only,
        to=args.to,
        out=args.out,
        run=args.run,
        precision=args.precision,
        shapes="dynamic" if args.dynamic else None,
        existing="replace" if args.force else "refuse",
        folders=(Path(args.suite).parent,),
        command=shlex.join(again),
        say=say,
    )


def _told(done: Exported) -> str:
    from benchbench.cli.blocks import printable
    from benchbench.core.units import format_quantity

    made, found = done.card.made, done.card.made.agreement
    size = format_quantity(sum(each.bytes for each in made.files), "B")
    names = ", ".join(each.name for each in made.files)
    same = "are eager float32's, bit by bit"
    share = "" if found.relative is None else f" ({found.relative:.2g} of their range)"
    apart = f"differ from eager's by up to {found.max_abs:.2g}{share}"
    if found.psnr_db is not None:
        apart += f", {found.psnr_db:.1f} dB"
    lines = [
        f"{done.card.label}: {names}, {size}, {made.parameters:,} parameters",
        f"loaded again, its outputs {same if found.max_abs == 0 else apart} ({found.inputs})",
        *(f"not measured: {each}" for each in done.card.not_measured),
    ]
    if done.card.weights.origin == "random":
        lines.append("the weights are random: nothing was trained or loaded")
    lines.append(f"model: {from_here(done.folder / made.main)}")
    lines.append(f"card:  {from_here(done.folder / 'model_card.md')}")
    return "\n".join(map(printable, lines))
