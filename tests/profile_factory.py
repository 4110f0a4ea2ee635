"""Made-up profiles and roofs, whose figures a test can work out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.profile import CellProfile, LayerProfile, MemoryProfile
from benchbench.core.profile_reading import RecordedRoof
from benchbench.core.roof import Roof, RoofFigure, RoofMachine
from benchbench.core.suite import ArchitectureSpec

Row = tuple[str, float, float, float]


def make_profile(name: str, *rows: Row, unprofiled_s: float | None = None, **changes: Any) -> CellProfile:
    """A network of one layer per row: (class, milliseconds, 10^9 MACs, 10^9 bytes)."""
    time_s = sum(row[1] for row in rows) / 1e3
    layers = tuple(
        LayerProfile(
            path=f"layer.{index}",
            kind="Layer",
            layer_class=layer_class,
            calls=1,
            time_s=spent / 1e3,
            own_s=spent / 1e3,
            share=spent / 1e3 / time_s if time_s else 0.0,
            macs=int(macs * 1e9),
            bytes_moved=int(moved * 1e9),
        )
        for index, (layer_class, spent, macs, moved) in enumerate(rows)
    )
    fields: dict[str, Any] = {
        "cell": Cell(variant=name, architecture=ArchitectureSpec(name="transformer_net")),
        "device": "cpu",
        "threads": 2,
        "torch_version": "2.13.0",
        "clock": "host",
        "batch": 1,
        "input_shapes": ((1, 3, 8, 8),),
        "warmup": 1,
        "passes_s": (time_s,),
        "time_s": time_s,
        "unprofiled_s": time_s if unprofiled_s is None else unprofiled_s,
        "parameters": 1,
        "macs": sum(layer.macs for layer in layers),
        "layers": layers,
        "stages": (),
        "memory": MemoryProfile(
            device="cpu", held_bytes=0, peak_bytes=0, peak_at_s=0, peak_layer=None, duration_s=1, points=()
        ),
        "trace": "t.pt.trace.json",
        "flame": "flame.svg",
    }  # fmt: skip
    return CellProfile(**{**fields, **changes})


def make_machine(**changes: Any) -> RoofMachine:
    """Two threads of a CPU."""
    fields = {"device": "cpu", "threads": 2, "torch_version": "2.13.0", "cpu_model": "Slow 1"}
    return RoofMachine.model_validate({**fields, **changes})


def make_roof(machine: RoofMachine | None = None, **best: float | None) -> Roof:
    """100 GMAC/s, 10 GB/s of memory, 50 GB/s of cache, or what is given, in 10^9; None: not measured."""
    rates = {"float32": 100.0, "memory": 10.0, "cache": 50.0, **best}
    figures = tuple(
        RoofFigure(name=name, reason="RuntimeError: not here")  # type: ignore[arg-type]
        if rate is None
        else RoofFigure(name=name, blocks=(0.9e9 * rate, 1e9 * rate, 0.8e9 * rate), how="by hand")  # type: ignore[arg-type]
        for name, rate in rates.items()
    )
    return Roof(
        machine=machine or make_machine(),
        environment=Environment(cpu_model="Slow 1"),
        measured_at=datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        figures=figures,
    )


def make_record(roof: Roof | None = None, *, day: int = 21, why: str | None = None) -> RecordedRoof:
    """What stands beside a profile of that day: the roof, or `why` there is none."""
    return RecordedRoof(
        profiled_at=datetime(2026, 11, day, 13, 0, tzinfo=UTC),
        machine=roof.machine if roof is not None else make_machine(),
        roof=roof,
        why=why if roof is None else None,
    )


def make_flame(*names: str) -> str:
    """A bar for the network and one per name below it, as profiling/flame.py writes them."""
    bars = [("(network)", 0.0, 48.0, 1200.0)]
    bars += [(name, 100.0 * at, 70.0, 100.0) for at, name in enumerate(names)]
    drawn = "\n".join(
        f'<g tabindex="0" role="img" aria-label="{escape(name)}"><title>{escape(name)}</title>'
        f'<rect x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="22" fill="#8fccf0"/>'
        f'<text x="{x + 3:.2f}" y="{y + 15:g}">{escape(name)}</text></g>'
        for name, x, y, width in bars
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1200 92" role="group">\n{drawn}\n</svg>\n'


def write_profile(
    folder: Path, profile: CellProfile, record: RecordedRoof | None = None, *, flame: str | None = None
) -> Path:
    """A profile on disk, as `benchbench profile` leaves it but for its trace; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.json").write_text(profile.model_dump_json(by_alias=True), encoding="utf-8")
    if record is not None:
        (folder / "roof.json").write_text(record.model_dump_json(), encoding="utf-8")
    if flame is not None:
        (folder / profile.flame).write_text(flame, encoding="utf-8")
    return folder
