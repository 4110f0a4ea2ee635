"""`benchbench quality` and `benchbench cache`."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchbench.cli.commands import parse_plain, print_json, say
from benchbench.core.errors import DataError, OptionError

if TYPE_CHECKING:
    from benchbench.core.measurement import Measurement
    from benchbench.core.model import JsonValue
    from benchbench.measures.quality.evaluate import Evaluation
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
    parser.add_argument(
        "--set",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        dest="settings",
        help="any option of the quality measure, conversion.alpha=white or batch=64; may be given again",
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

    earlier = None if args.compare is None else _read_figures(Path(args.compare))
    options = _options(args)
    cache = Path(args.cache).expanduser() if args.cache else default_cache_folder()
    found = score(args.reference, args.generated, options, cache=cache, say=say)
    if not found.measurements and found.refused:
        raise found.refused[0].error
    if args.json:
        print_json(_record(found))
    else:
        for figure in found.measurements:
            print(_line(figure))
    for refusal in found.refused:
        say(f"not computed: {refusal.metric}: {refusal.error}")
    say(_times(found))
    # Last: what was computed is told, also where it cannot be compared.
    for line in [] if earlier is None else _compare(found, earlier):
        print(line, file=sys.stderr if args.json else sys.stdout)
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


def _line(figure: Measurement) -> str:
    settings = figure.protocol.settings
    ends = figure.interval
    interval = f" [{ends.low:.5g}, {ends.high:.5g}]" if ends is not None else ""
    counts = f"N = {settings['generated_count']}"
    if "reference_count" in settings:
        counts += f" against {settings['reference_count']}"
    told = [counts]
    if "extractor" in settings:
        told += [
            f"{settings['extractor']} {str(settings['weights_hash'])[:8]}",
            f"resize {settings['resize']}",
        ]
    told += [str(settings["estimator"]), f"protocol {figure.protocol.hash}"]
    lines = [f"{figure.name}  {figure.value:.6g}{interval}  ({', '.join(told)})"]
    stick = figure.yardstick
    if stick is not None:
        ratio = f", {stick.ratio:.3g} times it at that N" if stick.ratio is not None else ""
        lines.append(f"    real against real: {stick.value:.5g} (N = {stick.count} each){ratio}")
    lines += [f"    {flag}" for flag in figure.flags]
    return "\n".join(lines)


def _record(found: Evaluation) -> JsonValue:
    return cast(
        "JsonValue",
        {
            "figures": [
                {**each.model_dump(mode="json"), "protocol_hash": each.protocol.hash}
                for each in found.measurements
            ],
            "not_computed": [
                {"metric": each.metric, "reason": each.error.reason, "fix": each.error.fix}
                for each in found.refused
            ],
            "seconds": {name: times.seconds for name, times in found.times.items()},
            "images_extracted": {name: times.extracted for name, times in found.times.items()},
        },
    )


def _read_figures(path: Path) -> dict[str, Measurement]:
    from pydantic import ValidationError

    from benchbench.core.measurement import Measurement

    try:
        figures = json.loads(path.read_bytes())["figures"]
        found = [
            Measurement.model_validate_json(
                json.dumps({key: value for key, value in each.items() if key != "protocol_hash"})
            )
            for each in figures
        ]
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise DataError(
            f"--compare {path}: {str(error).splitlines()[0]}",
            expected="what `benchbench quality --json` printed",
        ) from None
    return {each.name: each for each in found}


def _compare(found: Evaluation, earlier: dict[str, Measurement]) -> list[str]:
    from benchbench.core.comparable import require_same_protocol

    lines = []
    for figure in found.measurements:
        before = earlier.get(figure.name)
        if before is None:
            lines.append(f"{figure.name}: not in the earlier file")
            continue
        require_same_protocol(before, figure, names=("the earlier file", "this one"))
        change = figure.value - before.value
        better = change < 0 if figure.direction == "lower" else change > 0
        word = "no change" if change == 0 else "better" if better else "worse"
        lines.append(
            f"{figure.name}: {before.value:.6g} before, {figure.value:.6g} now ({change:+.4g}, {word})"
        )
    return lines


def _times(found: Evaluation) -> str:
    parts = []
    for name, times in found.times.items():
        if times.extracted:
            rate = times.extracted / times.seconds
            parts.append(f"{name} {times.seconds:.1f} s ({times.extracted} images, {rate:.1f} images/s)")
        elif name in ("reference", "generated"):
            parts.append(f"{name} {times.seconds:.2f} s (features were cached)")
        else:
            parts.append(f"{name} {times.seconds:.1f} s")
    return "; ".join(parts)


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
