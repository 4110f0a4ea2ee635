"""What each network gains in each backend and precision, in one run, side by side; and the goals.

    python benchmarks/backends.py                          style transfer: trained briefly, then measured
    python benchmarks/backends.py --suite suites/gan_compression_backends.yaml
    python benchmarks/backends.py --run results/...        the table of a run that is there

The style-transfer networks are trained as the quick profile of suites/style_transfer.yaml does it. Ratios
are paired, of calls in one process. About 12 minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.core.statistics import RatioEstimate, paired_ratio
from benchbench.core.store import read_run
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner.run import run

PHOTOS = "astronaut, chelsea, rocket, motorcycle_left, hubble, ihc, brick, grass, gravel, retina"
CALIBRATION = (
    "{images: 48, data: {source: photos, size: 256, validation_size: 64, test_size: 256, train: 48, "
    f"validation: 4, test: 8, images: [{PHOTOS}]}}}}"
)
WAYS = (
    "[{backend: [channels_last, compile, onnxruntime, openvino]}, "
    "{backend: [eager, openvino], precision: bf16, tolerance: {psnr_db: 20}}, "
    f"{{backend: [onnxruntime, openvino], precision: int8, calibration: {CALIBRATION}}}]"
)
GOALS = (
    ("v3, best backend over eager", "v3", "eager", None, 3.5),
    ("v3, best float32 over eager", "v3", "eager", "fp32", None),
    ("v3, int8 over the best float32", "v3", "fp32", "int8", 1.3),
    ("baseline, best backend over eager", "baseline", "eager", None, 1.3),
    ("baseline, best float32 over eager", "baseline", "eager", "fp32", None),
)


def main() -> int:
    """Measure, or read, and print the matrix and the goals; 1 where one is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--suite", default="suites/style_transfer.yaml")
    parser.add_argument("--run", help="a run that is there already")
    parser.add_argument("--out", default="results")
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--budget-s", type=float, default=30.0, help="of each process")
    given = parser.parse_args()
    table = read_run(given.run) if given.run else measured(given)
    results = [each for each in table.results if each.measurement("latency") is not None]
    latencies = (each for result in results for each in result.measurements if each.name == "latency")
    settings = tuple(dict.fromkeys(each.setting for each in latencies))
    for setting in settings:
        print(f"\n{table.suite.name}: {setting}\n")
        print_matrix(table.suite, results, setting)
    for result in table.results:
        if result.failure is not None:
            print(f"{result.cell.label}: {result.failure.kind}: {result.failure.reason}")
    if not any(each.cell.variant == "v3" for each in results):
        return 0
    return max([print_goals(results, setting) for setting in settings], default=1)


def measured(given: argparse.Namespace) -> ResultTable:
    """A run of the suite; style transfer in its quick profile, in every backend of the CPU."""
    latency = (
        f"{{processes: {given.processes}, max_processes: {given.processes}, budget_s: {given.budget_s}}}"
    )
    is_style = Path(given.suite).stem == "style_transfer"
    overrides = [f"measure.latency={latency}"]
    if is_style:
        overrides.append(f"deploy={WAYS}")
    suite = load_suite(given.suite, overrides=overrides, profile="quick" if is_style else None)
    return run(
        suite,
        out=given.out,
        mode="resume",
        command=" ".join(sys.argv),
        say=lambda line: print(line, flush=True),
    )


def print_matrix(suite: Suite, results: Sequence[CellResult], setting: str) -> None:
    """One line a cell: latency, ratios, size, differences, quality."""
    quality = quality_name(results)
    heads = ("cell", "latency", "x own eager", "x baseline here", "size", "PSNR", "max abs", quality or "")
    print("  ".join(f"{head:>22}" if at else f"{head:28}" for at, head in enumerate(heads)))
    for result in results:
        latency = result.measurement("latency", setting)
        if latency is None:
            continue
        own = of(results, result.cell.network.label)
        peer = next(
            (
                each
                for each in results
                if each.cell.deploy == result.cell.deploy
                and each.cell.variant == suite.baseline_of(result.cell.variant)
            ),
            None,
        )
        cells = (
            f"{latency.value * 1e3:.2f} ms",
            told(ratio(own, result, setting)),
            told(ratio(peer, result, setting)),
            value(result, "file_size", lambda each: f"{each.value / 2**20:.2f} MiB"),
            value(result, "output_psnr", lambda each: f"{each.value:.1f} dB"),
            value(result, "output_max_abs", lambda each: f"{each.value:.2g}"),
            value(result, quality, lambda each: f"{each.value:.4g}"),
        )
        print("  ".join([f"{result.cell.label:28}", *(f"{each:>22}" for each in cells)]))


def quality_name(results: Sequence[CellResult]) -> str | None:
    """The suite's first quality figure."""
    names = [each.name for result in results for each in result.measurements]
    return next((name for name in names if name.startswith(("fid", "fd", "perceptual_loss"))), None)


def value(result: CellResult, name: str | None, show: object) -> str:
    """A figure as text; a dash where there is none."""
    found = result.measurement(name) if name else None
    return show(found) if found is not None and callable(show) else "-"


def told(found: RatioEstimate | None) -> str:
    """A ratio with its interval."""
    if found is None:
        return "-"
    return f"{found.value:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"


def of(results: Sequence[CellResult], label: str) -> CellResult | None:
    """The result of that label."""
    return next((each for each in results if each.cell.label == label), None)


def ratio(slow: CellResult | None, quick: CellResult, setting: str) -> RatioEstimate | None:
    """How many times as quick, paired by round; None where either has no samples."""
    if slow is None or slow is quick:
        return None
    both: list[Measurement | None] = [each.measurement("latency", setting) for each in (slow, quick)]
    if any(each is None for each in both):
        return None
    return paired_ratio(*(each.samples for each in both if each is not None))


def print_goals(results: Sequence[CellResult], setting: str) -> int:
    """Each goal with what was measured; 1 where one is not met."""
    print(f"\n{setting}:")
    results = [each for each in results if each.measurement("latency", setting) is not None]
    missed = 0
    for words, variant, against, precision, least in GOALS:
        mine = [each for each in results if each.cell.variant == variant]
        eager = next((each for each in mine if each.cell.deploy.is_reference), None)
        slow = eager if against == "eager" else fastest(mine, against, setting)
        quick = fastest([each for each in mine if not each.cell.deploy.is_reference], precision, setting)
        if slow is None or quick is None:
            print(f"{words}: not measured")
            missed += least is not None
            continue
        found = ratio(slow, quick, setting)
        met = found is not None and (least is None or found.value >= least)
        missed += not met
        words_of = "met" if met else "missed"
        if found is not None and least is not None and met and found.interval.low < least:
            words_of = "met by the estimate, and not by all of its interval"
        goal = f", goal {least}: {words_of}" if least is not None else ""
        print(f"{words}: {told(found)} ({quick.cell.deploy.label} over {slow.cell.deploy.label}){goal}")
        print("".join(costs(slow, quick)), end="")
    return 1 if missed else 0


def fastest(results: Sequence[CellResult], precision: str | None, setting: str) -> CellResult | None:
    """The quickest of that precision."""
    chosen = [each for each in results if precision in (None, each.cell.deploy.precision)]
    return min(chosen, key=lambda each: each.measurement("latency", setting).value, default=None)  # type: ignore[union-attr]


def costs(slow: CellResult, quick: CellResult) -> Iterator[str]:
    """What the quicker one costs in quality."""
    for figure in quick.measurements:
        if figure.name.startswith(("fd", "kd", "perceptual_loss")):
            before = slow.measurement(figure.name)
            if before is not None:
                yield f"    {figure.name}: {before.value:.4g} -> {figure.value:.4g}\n"


if __name__ == "__main__":
    sys.exit(main())
