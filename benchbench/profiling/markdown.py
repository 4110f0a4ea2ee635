"""Profiles as Markdown: the layers and stages that take the time, memory and kernels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from benchbench.core.profile import CellProfile, LayerProfile, StageProfile
from benchbench.core.units import format_quantity

TOP = 25
_LAYERS = ("layer", "class", "stage", "own time", "share", "with children", "calls")
_WORK = ("MACs", "bytes", "GMAC/s", "GB/s", "memory at it")


def profile_markdown(profiles: Sequence[tuple[str, CellProfile]]) -> str:
    """One section per cell.

    Args:
        profiles: the folder of each, below that of this page, and what was found.
    """
    lines = ["# Profiles", "", *_protocol(), ""]
    for folder, profile in profiles:
        lines += [*_section(folder, profile), ""]
    return "\n".join(lines)


def _protocol() -> Iterator[str]:
    yield (
        "Times are of profiled passes, which take longer than timed ones: compare shares, and take latencies "
        "from `benchbench run`. Weights are random. MACs, bytes and rates are of a layer's own operators; "
        "bytes are weights, inputs and outputs, each operator alone. Memory is what torch's allocator had "
        "given out since the pass began, beside weights and inputs."
    )


def _section(folder: str, profile: CellProfile) -> Iterator[str]:
    device = profile.device_name or profile.device
    threads = f", {profile.threads} thread{'' if profile.threads == 1 else 's'}"
    memory = profile.memory
    shapes = "; ".join("×".join(map(str, shape)) for shape in profile.input_shapes)
    yield f"## {_plain(profile.cell.label)}"
    yield ""
    yield (
        f"{_plain(device)}{threads if profile.device == 'cpu' else ''}; input {shapes}; "
        f"{len(profile.passes_s)} passes of {format_quantity(profile.time_s, 's')}, "
        f"{format_quantity(profile.unprofiled_s, 's')} without the profiler; "
        f"{format_quantity(profile.macs, 'MAC')}."
    )
    where = f"at `{_code(memory.peak_layer or '(network)')}`" if memory.peak_layer is not None else "nowhere"
    yield ""
    yield (
        f"Memory: at most {format_quantity(memory.peak_bytes, 'B')} {where}, beside "
        f"{format_quantity(memory.held_bytes, 'B')} of weights and inputs. "
        f"[Trace]({quote(f'{folder}/{profile.trace}')}), [flame graph]({quote(f'{folder}/{profile.flame}')})."
    )
    yield ""
    yield from _table(("stage", "layers", "time", "share", *_WORK), [*map(_stage, profile.stages)])
    yield ""
    shown = [layer for layer in profile.layers if layer.own_s > 0 or layer.macs][:TOP]
    yield from _table((*_LAYERS, *_WORK), [*map(_layer, shown)])
    if len(shown) < len(profile.layers):
        yield ""
        yield f"{len(profile.layers) - len(shown)} more modules are in `{_code(folder)}/profile.json`."
    yield from _kernels(profile)
    for note in profile.notes:
        yield ""
        yield f"Note: {_plain(note)}"


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
        rows.append((f"`{_code(each.name[:80])}`", *figures))
    yield from _table(("kernel", "launches", "time", "share"), rows)


def _layer(row: LayerProfile) -> tuple[str, ...]:
    return (
        f"`{_code(row.path or '(network)')}`",
        _plain(row.kind),
        _plain(row.stage or "–"),
        format_quantity(row.own_s, "s"),
        _percent(row.share),
        format_quantity(row.time_s, "s"),
        f"{row.calls:g}",
        *_work(row),
    )


def _stage(row: StageProfile) -> tuple[str, ...]:
    return (
        _plain(row.stage or "(no stage)"),
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


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    text = {"layer", "class", "stage", "kernel"}
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---' if name in text else '---:' for name in header)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def _plain(text: str) -> str:
    """Text that a suite or a model names, with nothing left in it that Markdown or HTML would read."""
    flat = " ".join(text.split())
    return re.sub(
        r"([\\`*_{}\[\]()#+!|~:@-])",
        r"\\\1",
        flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    )


def _code(text: str) -> str:
    # Between backticks nothing can be escaped, so what would end them or the cell is exchanged.
    return "".join("?" if char in "`|\\<" or not char.isprintable() else char for char in text)
