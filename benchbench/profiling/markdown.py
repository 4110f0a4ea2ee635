"""Profiles as Markdown: the layers and stages that take the time, memory and kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from benchbench.core.profile import CellProfile, LayerProfile, StageProfile
from benchbench.core.roof import FoundRoof
from benchbench.core.roofline import Limits, limits_of
from benchbench.core.units import format_quantity
from benchbench.profiling.escaping import code, plain
from benchbench.profiling.roofline_markdown import class_table, roofline_section, table_lines

TOP = 25
_LAYERS = ("layer", "class", "stage", "own time", "share", "with children", "calls")
_TEXT = {"layer", "class", "stage", "kernel", "under"}
_WORK = ("MACs", "bytes", "GMAC/s", "GB/s", "memory at it")


def profile_markdown(
    profiles: Sequence[tuple[str, CellProfile]],
    *,
    found: FoundRoof | None = None,
    plots: Sequence[str] = (),
) -> str:
    """What holds of all cells together, and a section per cell.

    Args:
        profiles: the folder of each, below that of this page, and what was found.
        found: the roof of the machine they were taken on, or why there is none.
        plots: file names of the drawn roofline beside this page.
    """
    limits = None if found is None else limits_of(found.roof)
    lines = ["# Profiles", "", *_protocol(), ""]
    lines += roofline_section([profile for _, profile in profiles], found, plots=plots)
    for folder, profile in profiles:
        lines += [*_section(folder, profile, limits), ""]
    return "\n".join(lines)


def _protocol() -> Iterator[str]:
    yield (
        "Times are of profiled passes, which take longer than timed ones: compare shares, and take latencies "
        "from `benchbench run`. Weights are random. MACs, bytes and rates are of a layer's own operators; "
        "bytes are weights, inputs and outputs, each operator alone. Memory is what torch's allocator had "
        "given out since the pass began, beside weights and inputs."
    )


def _section(folder: str, profile: CellProfile, limits: Limits | None) -> Iterator[str]:
    device = profile.device_name or profile.device
    threads = f", {profile.threads} thread{'' if profile.threads == 1 else 's'}"
    memory = profile.memory
    shapes = "; ".join("×".join(map(str, shape)) for shape in profile.input_shapes)
    yield f"## {plain(profile.cell.label)}"
    yield ""
    yield (
        f"{plain(device)}{threads if profile.device == 'cpu' else ''}; input {shapes}; "
        f"{len(profile.passes_s)} passes of {format_quantity(profile.time_s, 's')}, "
        f"{format_quantity(profile.unprofiled_s, 's')} without the profiler; "
        f"{format_quantity(profile.macs, 'MAC')}."
    )
    where = f"at `{code(memory.peak_layer or '(network)')}`" if memory.peak_layer is not None else "nowhere"
    yield ""
    yield (
        f"Memory: at most {format_quantity(memory.peak_bytes, 'B')} {where}, beside "
        f"{format_quantity(memory.held_bytes, 'B')} of weights and inputs. "
        f"[Trace]({quote(f'{folder}/{profile.trace}')}), [flame graph]({quote(f'{folder}/{profile.flame}')})."
    )
    yield ""
    yield from table_lines(
        ("stage", "layers", "time", "share", *_WORK), [*map(_stage, profile.stages)], text=_TEXT
    )
    yield ""
    yield from table_lines(*class_table(profile, limits), text=_TEXT)
    yield ""
    shown = [layer for layer in profile.layers if layer.own_s > 0 or layer.macs][:TOP]
    yield from table_lines((*_LAYERS, *_WORK), [*map(_layer, shown)], text=_TEXT)
    if len(shown) < len(profile.layers):
        yield ""
        yield f"{len(profile.layers) - len(shown)} more modules are in `{code(folder)}/profile.json`."
    yield from _kernels(profile)
    for note in profile.notes:
        yield ""
        yield f"Note: {plain(note)}"


def _kernels(profile: CellProfile) -> Iterator[str]:
    gaps = profile.gaps
    if gaps is None:
        return
    yield ""
    yield (
        f"GPU, per pass: {gaps.kernels:g} launches, busy for {format_quantity(gaps.busy_s, 's')}, idle "
        f"between kernels for {format_quantity(gaps.idle_s, 's')} in {gaps.gaps:g} gaps (the longest "
        f"{format_quantity(gaps.longest_s, 's')}), of which {format_quantity(gaps.waiting_for_host_s, 's')} "
        f"waiting for a launch; launching took the host {format_quantity(gaps.launch_s, 's')}."
    )
    yield ""
    rows = []
    for each in profile.kernels[:TOP]:
        figures = (f"{each.calls:g}", format_quantity(each.time_s, "s"), _percent(each.share))
        rows.append((f"`{code(each.name[:80])}`", *figures))
    yield from table_lines(("kernel", "launches", "time", "share"), rows, text=_TEXT)


def _layer(row: LayerProfile) -> tuple[str, ...]:
    return (
        f"`{code(row.path or '(network)')}`",
        plain(row.kind),
        plain(row.stage or "–"),
        format_quantity(row.own_s, "s"),
        _percent(row.share),
        format_quantity(row.time_s, "s"),
        f"{row.calls:g}",
        *_work(row),
    )


def _stage(row: StageProfile) -> tuple[str, ...]:
    return (
        plain(row.stage or "(no stage)"),
        str(row.layers),
        format_quantity(row.own_s, "s"),
        _percent(row.share),
        *_work(row),
    )


def _work(row: LayerProfile | StageProfile) -> tuple[str, ...]:
    return (
        format_quantity(row.macs, "MAC").removesuffix("MAC").strip() if row.macs else "–",
        format_quantity(row.bytes_moved, "B") if row.bytes_moved else "–",
        "–" if row.macs_per_s is None else f"{row.macs_per_s / 1e9:.3g}",
        "–" if row.bytes_per_s is None else f"{row.bytes_per_s / 1e9:.3g}",
        "–" if row.peak_bytes is None else format_quantity(row.peak_bytes, "B"),
    )


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
