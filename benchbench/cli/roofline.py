"""`benchbench roofline`, and what `benchbench profile` says of the roof."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import from_here, print_json, say

if TYPE_CHECKING:
    from benchbench.core.profile import CellProfile
    from benchbench.core.roof import FoundRoof, Roof
    from benchbench.core.roofline import ClassWork, Limits


def add_roofline(parser: ArgumentParser) -> None:
    """The arguments of `benchbench roofline`."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto is the GPU where there is one"
    )
    parser.add_argument("--threads", metavar="N", type=_positive, help="of torch (default: its own number)")
    parser.add_argument(
        "--refresh",
        action="store_const",
        const="always",
        default="never",
        help="measure again what is kept and still holds",
    )
    parser.add_argument("--cache", metavar="DIR", help="where it is kept (default: ~/.cache/benchbench)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"got '{text}', expected 1 or more")
    return int(text)


def cache_folder(given: str | None) -> Path:
    """The folder that `--cache` names, or the default one."""
    from benchbench.quality.cache import default_cache_folder

    return Path(given).expanduser() if given else default_cache_folder()


def roofline(args: Namespace) -> int:
    """`benchbench roofline`."""
    from benchbench.runner.roof import measure_roof

    roof, path, origin = measure_roof(
        cache_folder(args.cache), device=args.device, threads=args.threads, refresh=args.refresh, say=say
    )
    if args.json:
        print_json({"file": str(path), "origin": origin, "roof": roof.model_dump(mode="json")})
    else:
        print("\n".join(_told(roof)))
        say(f"{origin} {roof.measured_at:%Y-%m-%d %H:%M} UTC: {from_here(path)}")
    return 0


def _told(roof: Roof) -> Iterator[str]:
    from benchbench.cli.tables import text_table
    from benchbench.core.roofline import limits_of
    from benchbench.core.units import format_quantity, significant

    cpu = "" if roof.machine.cpu_model is None else f", {roof.machine.cpu_model}"
    yield f"roof of {_plain(roof.machine.setting)}{_plain(cpu)}, torch {roof.machine.torch_version}"
    yield ""
    rows = [
        (
            each.name,
            "-" if each.best is None else format_quantity(each.best, each.unit),
            "-" if each.spread is None else f"{each.spread * 100:.1f} %",
            str(len(each.blocks)),
            _plain(each.how if each.reason is None else f"not measured: {each.reason}"),
        )
        for each in roof.figures
    ]
    yield text_table(("what", "best block", "median below it by", "blocks", "how"), rows)
    limits = limits_of(roof)
    if limits is not None:
        yield ""
        yield (
            f"In float32, what does fewer than {significant(limits.ridge)} MACs per byte that it moves is "
            "limited by memory, what does more by arithmetic."
        )


def lines_of(profiles: Sequence[CellProfile], found: FoundRoof | None) -> str:
    """A sentence for each network but the first, and what to do where there is no roof."""
    from benchbench.core.explain import caution_of, explain
    from benchbench.core.roofline import limits_of

    limits = None if found is None else limits_of(found.roof)
    lines = [
        _plain(" ".join([explain(each, profiles[0], limits), *(f"({said})" for said in cautions)]))
        for each in profiles[1:]
        for cautions in [caution_of(each, profiles[0])]
    ]
    if found is not None and found.roof is None:
        lines.append(
            f"roof: {_plain(found.why or '')}; to place these layers under it: {found.machine.command}"
        )
    elif found is not None and found.roof is not None and limits is None:
        lines.append("roof: a part of it could not be measured: benchbench roofline says which")
    return "\n".join(["", *lines]) if lines else ""


def record_of(profile: CellProfile, first: CellProfile, found: FoundRoof | None) -> dict[str, object]:
    """Classes, their places and the sentence of one network, for JSON."""
    from benchbench.core.explain import explain
    from benchbench.core.roofline import limits_of, list_classes, whole_network

    limits = None if found is None else limits_of(found.roof)
    works = (*list_classes(profile.layers), whole_network(profile))
    return {
        "roof": None if found is None or found.roof is None else found.roof.model_dump(mode="json"),
        "why_no_roof": None if found is None else found.why,
        "command": None if found is None else found.machine.command,
        "classes": [_class_record(each, limits) for each in works],
        "sentence": None if profile is first else explain(profile, first, limits),
    }


def _class_record(work: ClassWork, limits: Limits | None) -> dict[str, object]:
    from dataclasses import asdict

    from benchbench.core.roofline import place

    placed = None if limits is None else place(work, limits)
    rates = {"intensity": work.intensity, "macs_per_s": work.macs_per_s, "bytes_per_s": work.bytes_per_s}
    return {**asdict(work), **rates, "placed": None if placed is None else asdict(placed)}


def _plain(text: str) -> str:
    # What a driver, an error or a variant names must not move the cursor.
    return "".join(char if char.isprintable() else "?" for char in text)
