"""The tables of a profile: stages, layers, classes under the roof, memory by layer, GPU kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from benchbench.core.profile import CellProfile, KernelProfile, LayerProfile, StageProfile
from benchbench.core.roofline import ClassWork, Limits, list_classes, place, whole_network
from benchbench.core.units import significant
from benchbench.report.document import Column, Grid, Item, Row, text_columns
from benchbench.report.text import MISSING, choose_scale, heading, percent

LAYERS, KERNELS, PEAKS = 30, 20, 10
CLASS_RECORD = (
    *("network", "class", "modules", "own_s", "share", "macs", "bytes", "macs_per_byte", "macs_per_s"),
    *("bytes_per_s", "of_peak", "of_roof", "under"),
)
_LONGEST = 120
RowT = TypeVar("RowT")
_UNDER = {"memory": "memory", "cache": "a cache", "arithmetic": "arithmetic"}


def stage_grid(profile: CellProfile) -> Grid | None:
    """What each stage takes, most time first; None where no stage is known."""
    rows = profile.stages
    if not rows:
        return None
    columns = [_texts("stage", [row.stage or "(no stage)" for row in rows]), _counts("layers", rows, _layers)]
    return _grid("By stage", [*columns, *_work(rows)])


def layer_grid(profile: CellProfile) -> tuple[Grid | None, int]:
    """The layers that take most of the time, and how many more there are."""
    rows = [layer for layer in profile.layers if layer.own_s > 0 or layer.macs]
    shown = sorted(rows, key=lambda layer: -layer.own_s)[:LAYERS]
    if not shown:
        return None, len(profile.layers)
    whole = _scaled("with children", [layer.time_s for layer in shown], "s")
    own, share, *rest = _work(shown)
    columns = [
        _texts("layer", [layer.path or "(network)" for layer in shown]),
        _texts("class", [layer.kind for layer in shown]),
        _texts("stage", [layer.stage or MISSING for layer in shown]),
        *(own, share, whole),
        _counts("calls", shown, lambda layer: layer.calls),
        *rest,
    ]
    return _grid("By layer, longest first", columns), len(profile.layers) - len(shown)


def class_grid(profile: CellProfile, limits: Limits | None) -> Grid:
    """What each class of layers takes and reaches, the network itself last."""
    works = shown_classes(profile)
    columns = [
        _texts("layers", [each.name for each in works]),
        _counts("modules", works, lambda each: each.layers),
        *_work(works, memory=False),
    ]
    columns.insert(6, _rated("MAC/B", [each.intensity if each.macs else None for each in works]))
    if limits is not None:
        placed = [place(each, limits) for each in works]
        columns += [
            _rated("of the peak, %", [_hundred(each.peak_share) if each else None for each in placed]),
            _rated("of the roof, %", [_hundred(each.share) if each else None for each in placed]),
            _texts("under", [_UNDER[each.bound] if each else MISSING for each in placed]),
        ]
    grid = _grid("By class of layers", columns)
    *rows, last = grid.rows
    return Grid(grid.caption, grid.columns, (*rows, Row(last.items, level="baseline")))


def shown_classes(profile: CellProfile) -> tuple[ClassWork, ...]:
    """Classes that take time or do MACs, most time first, and the whole network."""
    works = [each for each in list_classes(profile.layers) if each.own_s > 0 or each.macs]
    return (*works, whole_network(profile))


def class_records(
    label: str, profile: CellProfile, limits: Limits
) -> tuple[tuple[str | float | int | None, ...], ...]:
    """The same, unrounded, as named by `CLASS_RECORD`."""
    records = []
    for work in shown_classes(profile):
        placed = place(work, limits)
        under = (None, None, None) if placed is None else (placed.peak_share, placed.share, placed.bound)
        figures = (work.layers, work.own_s, work.share, work.macs, work.bytes_moved)
        records.append(
            (label, work.name, *figures, work.intensity, work.macs_per_s, work.bytes_per_s, *under)
        )
    return tuple(records)


def peak_grid(profile: CellProfile) -> Grid:
    """The layers at which most memory was given out."""
    found = [layer for layer in profile.layers if layer.peak_bytes is not None]
    rows = sorted(found, key=lambda layer: -(layer.peak_bytes or 0))[:PEAKS]
    columns = [
        _texts("layer", [layer.path or "(network)" for layer in rows]),
        _texts("stage", [layer.stage or MISSING for layer in rows]),
        _scaled("memory at it", [layer.peak_bytes for layer in rows], "B"),
    ]
    return _grid("Peak by layer", columns)


def kernel_grid(kernels: Sequence[KernelProfile]) -> Grid:
    """The kernels, copies and fills that take most of the GPU's time."""
    rows = sorted(kernels, key=lambda each: -each.time_s)[:KERNELS]
    columns = [
        _texts("kernel", [each.name for each in rows]),
        _counts("launches", rows, lambda each: each.calls),
        _scaled("time", [each.time_s for each in rows], "s"),
        _shares([each.share for each in rows]),
    ]
    return _grid("GPU kernels, longest first", columns)


_Columns = tuple[Column, Sequence[Item]]


def _work(
    rows: Sequence[LayerProfile] | Sequence[StageProfile] | Sequence[ClassWork], *, memory: bool = True
) -> list[_Columns]:
    made = [
        _scaled("own time", [row.own_s for row in rows], "s"),
        _shares([row.share for row in rows]),
        _scaled("MACs", [row.macs or None for row in rows], "MAC"),
        _scaled("bytes", [row.bytes_moved or None for row in rows], "B"),
        _rated("GMAC/s", [_billion(row.macs_per_s) for row in rows]),
        _rated("GB/s", [_billion(row.bytes_per_s) for row in rows]),
    ]
    if memory:
        made.append(_scaled("memory at it", [getattr(row, "peak_bytes", None) for row in rows], "B"))
    return made


def _grid(caption: str, columns: Sequence[_Columns]) -> Grid:
    rows = zip(*(items for _, items in columns), strict=True)
    return Grid(caption, tuple(column for column, _ in columns), tuple(Row(tuple(items)) for items in rows))


def _texts(title: str, texts: Sequence[str]) -> _Columns:
    shown = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in texts]
    return text_columns(title)[0], [Item(text) for text in shown]


def _counts(title: str, rows: Sequence[RowT], count: Callable[[RowT], float]) -> _Columns:
    return Column(title), [Item(f"{count(row):g}", value=count(row)) for row in rows]


def _scaled(title: str, values: Sequence[float | None], unit: str) -> _Columns:
    factor, shown = choose_scale(values, unit)
    return Column(heading(title, shown)), [_figure(value, factor) for value in values]


def _rated(title: str, values: Sequence[float | None]) -> _Columns:
    return Column(title), [_figure(value, 1.0) for value in values]


def _shares(values: Sequence[float]) -> _Columns:
    return Column("share"), [Item(percent(value), value=value) for value in values]


def _figure(value: float | None, factor: float) -> Item:
    return Item(MISSING) if value is None else Item(significant(value / factor), value=value)


def _billion(rate: float | None) -> float | None:
    return None if rate is None else rate / 1e9


def _hundred(share: float | None) -> float | None:
    return None if share is None else share * 100


def _layers(row: StageProfile) -> float:
    return row.layers
