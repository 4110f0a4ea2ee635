"""The table that `benchbench run` ends with: one row per cell and setting, then what failed and why."""

from __future__ import annotations

from collections.abc import Iterable

from benchbench.cli.summary_deployment import deployment_lines
from benchbench.cli.summary_quality import Quality, view_quality
from benchbench.cli.tables import text_table
from benchbench.core.measurement import CellResult, Failure, Measurement, ResultTable
from benchbench.core.model import JsonValue
from benchbench.core.units import format_quantity, significant
from benchbench.report.views.quality import PROTOCOL

COLUMNS = {
    "parameters": "parameters",
    "macs": "MACs",
    "total_parameters": "with discriminator",
    "peak_activation": "activations",
    "latency": "latency",
    "speedup": "speed-up",
    "device_latency": "on the GPU",
    "device_speedup": "GPU speed-up",
    "output_psnr": "PSNR to eager",
    "file_size": "file size",
    "perceptual_loss": "perceptual loss",
}
# Of the network, however it is run: said once, of eager float32.
OF_THE_NETWORK = ("parameters", "macs", "total_parameters", "peak_activation")
# In the report, and too much for a line on a terminal.
DETAILS = (
    *(
        "macs_output_size",
        "elementwise",
        "discriminator_parameters",
        "discriminator_macs",
        "aa_control",
        "roof_compute",
        "roof_memory",
    ),
    *("cold_start", "build", "load", "first_call"),
    *("latency_p90", "latency_p95", "latency_p99"),
    *("content_loss", "style_loss", "training_time", "training_10k_steps", "peak_resident"),
    *("steps_to_level", "time_to_level"),
    *("output_max_abs", "output_mean_abs", "export_time", "compile_time"),
)


def summarise(table: ResultTable) -> str:
    """The table of all results, followed by one line for each failure and each skipped measure."""
    quality = view_quality(table)
    present = {each.name for result in table.results for each in result.measurements}
    shown = [name for name in (*COLUMNS, *_further(table)) if name in present and name not in quality.names]
    settings = any(each.setting for result in table.results for each in _shown(result, shown))
    rows = [
        row
        for result in table.results
        for row in _rows(result, shown, quality, table.suite.baseline_of(result.cell.variant))
    ]
    header = ["variant", "setting", *(COLUMNS.get(name, name) for name in shown), *quality.header()]
    if not settings:
        header, rows = [header[0], *header[2:]], [[row[0], *row[2:]] for row in rows]
    said = deployment_lines(table)
    return "\n".join([text_table(header, rows), *([""] if said else []), *said, *_notes(table, quality)])


def summary_records(table: ResultTable) -> list[JsonValue]:
    """The same as plain values: every measurement of every cell without its raw samples.

    A quality figure keeps its protocol, without which it means nothing.
    """
    return [
        {
            "cell": result.cell.id,
            "label": result.cell.label,
            "measurements": [
                {
                    **each.model_dump(mode="json", exclude=_left_out(each)),
                    "protocol_hash": each.protocol.hash,
                }
                for each in result.measurements
            ],
            "failures": [failure.model_dump(mode="json") for failure in result.failures],
        }
        for result in table.results
    ]


def has_failed(table: ResultTable) -> bool:
    """Whether anything failed; what this machine cannot measure is skipped, and has not."""
    return any(failure.kind != "skipped" for result in table.results for failure in result.failures)


def _further(table: ResultTable) -> list[str]:
    names = (each.name for result in table.results for each in result.measurements)
    return list(dict.fromkeys(name for name in names if name not in COLUMNS and name not in DETAILS))


def _shown(result: CellResult, names: Iterable[str]) -> list[Measurement]:
    wanted = set(names)
    if not result.cell.deploy.is_reference:
        wanted -= set(OF_THE_NETWORK)
    return [each for each in result.measurements if each.name in wanted]


def _left_out(each: Measurement) -> set[str]:
    return {"samples", "provenance", *([] if each.protocol.name == PROTOCOL else ["protocol"])}


def _rows(result: CellResult, names: list[str], quality: Quality, baseline: str) -> list[list[str]]:
    shown = _shown(result, names)
    settings = list(dict.fromkeys(each.setting for each in shown if each.setting)) or [""]
    rows: list[list[str]] = []
    for index, setting in enumerate(settings):
        cells: list[str] = []
        for name in names:
            places = ("", setting) if index == 0 else (setting,)
            found = next((each for each in shown if each.name == name and each.setting in places), None)
            is_baseline = result.cell.variant == baseline and result.cell.deploy.is_reference
            is_reference = name.endswith("speedup") and is_baseline and found is None
            cells.append("baseline" if is_reference else "" if found is None else _figure(found))
        # What holds at every setting stands in the first row only.
        cells += quality.cells(result) if index == 0 else [""] * len(quality.shown)
        rows.append([result.cell.label if index == 0 else "", setting, *cells])
    return rows


def _figure(each: Measurement) -> str:
    times = "x" if each.name.endswith("speedup") else ""
    text = format_quantity(each.value, each.unit) + times
    if times and each.interval is not None:
        text += f" [{significant(each.interval.low)}, {significant(each.interval.high)}]"
    return text + ("*" if each.flags else "")


def _notes(table: ResultTable, quality: Quality) -> list[str]:
    flags: dict[str, list[str]] = {}
    failures: dict[tuple[str, str], list[str]] = {}
    for result in table.results:
        label = result.cell.label
        for each in result.measurements:
            for flag in each.flags if each.name in COLUMNS else ():
                place = " ".join(filter(None, (label, COLUMNS[each.name], each.setting)))
                flags.setdefault(flag, []).append(place)
        for failure in result.failures:
            failures.setdefault(_told(failure), []).append(label)
    lines = quality.notes(table.results)
    lines += [f"* {flag}: {', '.join(dict.fromkeys(places))}" for flag, places in flags.items()]
    lines += [
        f"{kind}: {', '.join(dict.fromkeys(labels))}: {reason}" for (kind, reason), labels in failures.items()
    ]
    return ["", *lines] if lines else []


def _told(failure: Failure) -> tuple[str, str]:
    step = "" if failure.step is None else f" at step {failure.step}"
    of = "" if failure.of == "cell" else f"{failure.of}: "
    fix = "" if failure.fix is None else f"\n  -> {failure.fix}"
    return failure.kind + step, f"{of}{failure.reason}{fix}"
