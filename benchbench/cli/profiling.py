"""`benchbench profile`: where a network's time, memory and traffic go, layer by layer."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli import roofline
from benchbench.cli.commands import from_here, parse_input, parse_plain, parse_settings, print_json, say
from benchbench.cli.options import take_settings, take_suite_profile
from benchbench.core.errors import BenchbenchError, OptionError

if TYPE_CHECKING:
    from benchbench.core.cell import Cell
    from benchbench.core.profile import CellProfile, LayerProfile, StageProfile
    from benchbench.core.roof import Roof
    from benchbench.runner.profile import Profiled

_LAYERS = 12
_WORK = ("own time", "share", "MACs", "bytes", "GMAC/s", "GB/s", "memory")


def add_profile(parser: ArgumentParser) -> None:
    """The arguments of `benchbench profile`."""
    parser.add_argument(
        "target",
        metavar="SUITE|ARCHITECTURE|module:callable",
        help="a suite's file, a registered name, or what builds an nn.Module (also path/file.py:callable)",
    )
    parser.add_argument(
        "--variant",
        metavar="NAME|YAML",
        help="one of the suite's, or of an architecture '{replace: {stages: [residual], with: ghost}}'",
    )
    take_suite_profile(parser, "of a suite: which of its declarations, as in `benchbench run`")
    parser.add_argument("--only", metavar="GLOB", help="of a suite: only the cells whose name matches")
    take_settings(
        parser, "a field of the suite, or an option of the architecture, width=16 for one; may be given again"
    )
    parser.add_argument("--input", metavar="SHAPE", help="of an architecture: 1,3,256,256, batch first")
    parser.add_argument(
        "--out", metavar="DIR", default="profiles", help="where profiles go (default: profiles)"
    )
    parser.add_argument(
        "--steps", metavar="N", type=_positive, default=5, help="passes that are recorded (default: 5)"
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto is the GPU where there is one"
    )
    parser.add_argument(
        "--batch", metavar="N", type=_positive, help="in the place of the inputs' own batch size"
    )
    parser.add_argument(
        "--cache",
        metavar="DIR",
        help="where `benchbench roofline` keeps roofs (default: ~/.cache/benchbench)",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--brief", action="store_true", help="print the sentences alone; the files hold all")
    shown.add_argument("--json", action="store_true", help="print JSON instead of tables")


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"got '{text}', expected 1 or more")
    return int(text)


def profile(args: Namespace) -> int:
    """`benchbench profile`; 1 where some cell could not be profiled."""
    is_suite = args.target.endswith((".yaml", ".yml"))
    cells, folders = _of_suite(args) if is_suite else (_of_architecture(args), ())
    from benchbench.runner.profile import ProfileOptions, profile_cells

    options = ProfileOptions(
        out=Path(args.out),
        device=args.device,
        batch=args.batch,
        steps=args.steps,
        cache=roofline.cache_folder(args.cache),
        draw=_draw,
    )
    done = profile_cells(cells, options, folders=folders, say=say)
    failed = [each.error for each in done if each.error is not None]
    if len(done) == 1 and failed:
        raise failed[0]
    first = next((each.profile for each in done if each.profile is not None), None)
    if args.json:
        print_json([_record(each, first) for each in done])
    elif first is not None:
        if not args.brief:
            print("\n\n".join("\n".join(_told(each)) for each in done if each.profile is not None))
        print(roofline.lines_of([each.profile for each in done if each.profile is not None], done[0].found))
    for error in failed:
        say(f"error: {error}")
    if len(failed) < len(done):
        say(f"summary: {from_here(options.out / 'profile.md')}")
        say(f"traces:  tensorboard --logdir {from_here(options.out)}, or a .pt.trace.json in ui.perfetto.dev")
    return max((error.exit_code for error in failed), default=0)


def _of_suite(args: Namespace) -> tuple[Sequence[Cell], Sequence[Path]]:
    from benchbench.core.suite_file import load_suite
    from benchbench.runner.profile import select_cells

    if args.input is not None:
        raise OptionError("--input: a suite declares it", fix="--set 'architecture.input=[1, 3, 64, 64]'")
    suite = load_suite(args.target, overrides=tuple(args.settings), profile=args.profile)
    cells = select_cells(suite, variant=args.variant, only=args.only, say=say)
    return cells, (Path(args.target).parent,)


def _of_architecture(args: Namespace) -> Sequence[Cell]:
    from benchbench.runner.targets import cell_of

    for option, given in (("--only", args.only), ("--profile", args.profile)):
        if given is not None:
            raise OptionError(
                f"{option}: '{args.target}' is no suite", expected="a suite's file, which ends in .yaml"
            )
    cell = cell_of(
        args.target,
        parse_settings(args.settings),
        inputs=None if args.input is None else parse_input(args.input),
        variant=None if args.variant is None else parse_plain("--variant", args.variant),
        command="profile",
    )
    return [cell]


def _draw(profiles: Sequence[CellProfile], roof: Roof) -> Mapping[str, bytes]:
    from benchbench.report.roofline_plot import draw_rooflines

    return draw_rooflines(profiles, roof)


def _record(done: Profiled, first: CellProfile | None) -> dict[str, object]:
    folder = from_here(done.folder)
    if done.profile is None:
        return {"cell": done.cell.id, "folder": folder, "error": _first_line(done.error)}
    found = done.profile.model_dump(mode="json", by_alias=True)
    placed = roofline.record_of(done.profile, first or done.profile, done.found)
    return {"cell": done.cell.id, "folder": folder, "profile": found, "roofline": placed}


def _first_line(error: BenchbenchError | None) -> str:
    return str(error).splitlines()[0]


def _told(done: Profiled) -> Iterator[str]:
    from benchbench.cli.tables import text_table
    from benchbench.core.roofline import limits_of
    from benchbench.core.units import format_quantity
    from benchbench.profiling.roofline_markdown import class_table

    found = done.profile
    assert found is not None
    yield _head(found)
    yield ""
    yield text_table(("stage", *_WORK), [(_plain(each.stage or "-"), *_work(each)) for each in found.stages])
    yield ""
    rows = [
        (_plain(each.path or "(network)"), _plain(each.kind), f"{each.calls:g}", *_work(each))
        for each in found.layers[:_LAYERS]
    ]
    yield text_table(("layer", "class", "calls", *_WORK), rows)
    if len(found.layers) > _LAYERS:
        yield f"({len(found.layers) - _LAYERS} more modules in profile.json)"
    yield ""
    yield text_table(*class_table(found, None if done.found is None else limits_of(done.found.roof)))
    memory = found.memory
    where = "" if memory.peak_layer is None else f" at {_plain(memory.peak_layer or '(network)')}"
    yield ""
    yield (
        f"memory: at most {format_quantity(memory.peak_bytes, 'B')}{where}, beside "
        f"{format_quantity(memory.held_bytes, 'B')} of weights and inputs"
    )
    if found.gaps is not None:
        yield (
            f"GPU: {found.gaps.kernels:g} launches, idle between them for "
            f"{format_quantity(found.gaps.idle_s, 's')}, of it "
            f"{format_quantity(found.gaps.waiting_for_host_s, 's')} waiting for the host"
        )
    for note in found.notes:
        yield f"note: {_plain(note)}"
    yield f"in {from_here(done.folder)}: {found.trace}, {found.flame}, profile.json"


def _head(found: CellProfile) -> str:
    from benchbench.core.units import format_quantity

    device = found.device_name or f"cpu, {found.threads} thread{'' if found.threads == 1 else 's'}"
    return (
        f"{_plain(found.cell.label)} ({device}, batch {found.batch}, random weights): "
        f"{format_quantity(found.time_s, 's')} a pass, mean of {len(found.passes_s)}; "
        f"{format_quantity(found.unprofiled_s, 's')} without the profiler"
    )


def _work(row: LayerProfile | StageProfile) -> tuple[str, ...]:
    from benchbench.core.units import format_quantity

    return (
        format_quantity(row.own_s, "s"),
        f"{row.share * 100:.1f} %",
        format_quantity(row.macs, "MAC").removesuffix("MAC") if row.macs else "-",
        format_quantity(row.bytes_moved, "B") if row.bytes_moved else "-",
        "-" if row.macs_per_s is None else f"{row.macs_per_s / 1e9:.3g}",
        "-" if row.bytes_per_s is None else f"{row.bytes_per_s / 1e9:.3g}",
        "-" if row.peak_bytes is None else format_quantity(row.peak_bytes, "B"),
    )


def _plain(text: str) -> str:
    # A module's or a variant's name must not move the cursor.
    return "".join(char if char.isprintable() else "?" for char in text)
