"""`benchbench quality` and `benchbench cache`."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchbench.cli.commands import parse_plain, print_json, say
from benchbench.cli.options import take_settings
from benchbench.cli.quality_text import compare_figures, line_of, read_figures, record_of, times_of
from benchbench.core.errors import OptionError

if TYPE_CHECKING:
    from benchbench.core.model import JsonValue
    from benchbench.measures.quality.options import QualityOptions

_DAY_S = 86400.0


def add_quality(parser: ArgumentParser) -> None:
    """The arguments of `benchbench quality`."""
    parser.add_argument(
        "reference",
        metavar="REFERENCE",
        help="a folder, .zip, .npz or .npy of images; `none` where no metric needs it",
    )
    parser.add_argument(
        "generated",
        metavar="GENERATED",
        help="the same, or module:callable that makes images, or results/SUITE/latest:VARIANT",
    )
    parser.add_argument(
        "--metrics",
        metavar="LIST",
        help="fid, clean_fid, kid, clean_kid, fd, kd, kd_subsets, inception_score, precision, recall, "
        "density, coverage, lpips, lpips_diversity, l1, psnr, ssim, miou (default: fd,kd)",
    )
    parser.add_argument(
        "--features",
        metavar="NAME|YAML",
        help="of fd, kd and the like: rand_conv (default), inception, module:callable, "
        "'{name: rand_conv, dimensions: 128}'; `benchbench list features` names all",
    )
    parser.add_argument(
        "--protocol", metavar="NAME", help="a paper's protocol: fastgan, ssd, depthwisegan, ..."
    )
    parser.add_argument("--images", metavar="N", type=int, help="how many generated images; all unless said")
    parser.add_argument("--seed", metavar="N", type=int, help="of everything drawn (default: 0)")
    parser.add_argument("--device", metavar="NAME", help="auto (default), cpu, cuda, cuda:1")
    take_settings(
        parser, "any option of the quality measure, conversion.alpha=white or batch=64; may be given again"
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="where features are kept (default: ~/.cache/benchbench)"
    )
    parser.add_argument("--compare", metavar="JSON", help="an earlier --json output to compare with")
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")


def quality(args: Namespace) -> int:
    """`benchbench quality`; 1 where some figure could not be computed, 2 where none could."""
    from benchbench.quality.cache import default_cache_folder
    from benchbench.runner.quality import score

    earlier = None if args.compare is None else read_figures(Path(args.compare))
    options = _options(args)
    cache = Path(args.cache).expanduser() if args.cache else default_cache_folder()
    found = score(args.reference, args.generated, options, cache=cache, say=say)
    if not found.measurements and found.refused:
        raise found.refused[0].error
    compared = () if earlier is None else tuple(compare_figures(found, earlier))
    if args.json:
        print_json(record_of(found, compared))
    else:
        for figure in found.measurements:
            print(line_of(figure))
    for refusal in found.refused:
        say(f"not computed: {refusal.metric}: {refusal.error}")
    say(times_of(found))
    for each in compared:
        print(each.line, file=sys.stderr if args.json else sys.stdout)
    # Last: what was computed is told, also where it cannot be compared.
    for each in compared:
        if each.refused is not None:
            raise each.refused
    return 1 if found.refused else 0


def _options(args: Namespace) -> QualityOptions:
    from benchbench.core.model import parse_options
    from benchbench.core.overrides import parse_override, set_value
    from benchbench.measures.quality.options import QualityOptions

    given: dict[str, JsonValue] = {}
    for key in ("protocol", "images", "seed", "device"):
        value = getattr(args, key)
        if value is not None:
            given[key] = value
    if args.metrics is not None:
        given["metrics"] = [name.strip() for name in args.metrics.split(",")]
    if args.features is not None:
        given["features"] = parse_plain("--features", args.features)
    for text in args.settings:
        path, value = parse_override(text)
        set_value(given, path, value)
    return parse_options("measure", "quality", QualityOptions, given)


def add_cache(parser: ArgumentParser) -> None:
    """The arguments of `benchbench cache`."""
    parser.add_argument("action", metavar="ACTION", nargs="?", default="list", help="list (default) or prune")
    parser.add_argument(
        "--unused-days",
        metavar="DAYS",
        type=float,
        help="prune: only what was not used for so long; everything unless said",
    )
    parser.add_argument("--cache", metavar="DIR", help="its folder (default: ~/.cache/benchbench)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def cache(args: Namespace) -> int:
    """`benchbench cache`."""
    from benchbench.cli.tables import text_table
    from benchbench.core.units import format_quantity
    from benchbench.quality.cache import default_cache_folder
    from benchbench.quality.cache_contents import cache_entries, prune_cache

    if args.action not in ("list", "prune"):
        raise OptionError(f"'{args.action}' is nothing that is done with the cache", expected="list or prune")
    if args.unused_days is not None and (args.action == "list" or not 0 <= args.unused_days < 1e6):
        raise OptionError("--unused-days", expected="0 or more, with `prune`")
    root = Path(args.cache).expanduser() if args.cache else default_cache_folder()
    if args.action == "prune":
        entries = prune_cache(root, unused_s=(args.unused_days or 0.0) * _DAY_S)
    else:
        entries = cache_entries(root)
    total = sum(entry.bytes for entry in entries)
    if args.json:
        rows = [
            {"path": str(e.path), "label": e.label, "count": e.count, "bytes": e.bytes, "used": e.used}
            for e in entries
        ]
        print_json({"folder": str(root), "action": args.action, "entries": rows, "bytes": total})
        return 0
    if entries:
        now = time.time()
        table = [
            (
                entry.label,
                str(entry.count) if entry.count else "-",
                format_quantity(entry.bytes, "B"),
                f"{(now - entry.used) / _DAY_S:.1f} days ago" if entry.used else "-",
                entry.path.name,
            )
            for entry in entries
        ]
        print(text_table(("what", "images", "size", "last used", "name"), table))
    done = "removed" if args.action == "prune" else "kept"
    noun = "entry" if len(entries) == 1 else "entries"
    print(f"{len(entries)} {noun}, {format_quantity(total, 'B')} {done} in {root}")
    return 0
