"""What `extra_info` tells beside the samples: one flat mapping of plain values.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

from collections.abc import Iterable

from benchbench.core.environment import Environment
from benchbench.core.gating import Verdict
from benchbench.core.measurement import CellResult, Measurement, ResultTable
from benchbench.core.model import JsonValue

_QUALITY = ("fid", "clean_fid", "kid", "clean_kid", "lpips", "miou", "psnr", "ssim", "l1", "perceptual_loss")
_MACHINE = ("machine", "cpu_model", "cpus_usable", "torch_threads", "python", "git_revision", "git_dirty")


def facts_of(
    table: ResultTable, result: CellResult, timed: Measurement, verdicts: Iterable[Verdict]
) -> dict[str, JsonValue]:
    """Counts, ratio and control with intervals, quality, machine, protocol and verdict of one cell.

    Args:
        table: everything, for the baseline's own control and the machine.
        result: the cell's.
        timed: the latency whose samples are handed over.
        verdicts: of this cell's latency.
    """
    facts: dict[str, JsonValue] = {
        "suite": table.suite.name,
        "cell": result.cell.label,
        "cell_id": result.cell.id,
        "setting": timed.setting,
        "protocol": timed.protocol.hash,
        "rounds_per_process": [len(each) for each in timed.samples],
        "flags": list(timed.flags),
        "run": table.folder,
    }
    for name in ("parameters", "macs"):
        found = result.measurement(name)
        facts[name] = None if found is None else int(found.value)
    ratio = result.measurement("speedup", timed.setting)
    facts["speedup"] = _with_interval(ratio)
    facts["aa_control"] = _with_interval(_control(table, result, ratio, timed.setting))
    facts["quality"] = {each.name: _with_interval(each) for each in result.measurements if _is_quality(each)}
    facts["environment"] = _environment(table.environment)
    told: list[JsonValue] = [
        {"measure": each.measure, "status": each.status, "reason": each.reason} for each in verdicts
    ]
    facts["verdict"] = told
    return facts


def _control(
    table: ResultTable, result: CellResult, ratio: Measurement | None, setting: str
) -> Measurement | None:
    # The control belongs to the comparison, and is kept with its baseline.
    baseline = result.cell.id if ratio is None else ratio.baseline
    cells = [each for each in table.results if each.cell.id == baseline]
    return cells[0].measurement("aa_control", setting) if cells else None


def _with_interval(figure: Measurement | None) -> dict[str, JsonValue] | None:
    if figure is None:
        return None
    interval = figure.interval
    return {
        "value": figure.value,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "baseline": figure.baseline,
        "flags": list(figure.flags),
        "protocol": figure.protocol.hash,
    }


def _is_quality(figure: Measurement) -> bool:
    return figure.name in _QUALITY or figure.provenance.startswith("benchbench.measures.quality")


def _environment(machine: Environment) -> dict[str, JsonValue]:
    packages: dict[str, JsonValue] = {
        name: machine.packages[name] for name in ("torch", "numpy") if name in machine.packages
    }
    return {
        **{name: getattr(machine, name) for name in _MACHINE},
        **packages,
        "gpus": [gpu.name for gpu in machine.gpus],
    }
