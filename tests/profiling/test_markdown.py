from __future__ import annotations

import re
from typing import Any

import pytest

from benchbench.core.cell import Cell
from benchbench.core.profile import (
    CellProfile,
    GapProfile,
    KernelProfile,
    LayerProfile,
    MemoryProfile,
    StageProfile,
)
from benchbench.core.suite import ArchitectureSpec
from benchbench.profiling.markdown import profile_markdown

HOSTILE = "<img src=x onerror=alert(1)> | `code` [link](javascript:x) **b** \n# head"


def _profile(name: str = "v1", **changes: Any) -> CellProfile:
    layer = LayerProfile(
        path=name, kind=name, stage=name, calls=2, time_s=0.004, own_s=0.003, share=0.75, macs=3_000_000,
        bytes_moved=6_000_000, macs_per_s=1e9, bytes_per_s=2e9, peak_bytes=2**20,
    )  # fmt: skip
    stage = StageProfile(stage=None, layers=1, own_s=0.003, share=0.75)
    fields: dict[str, Any] = {
        "cell": Cell(variant=name, architecture=ArchitectureSpec(name="transformer_net")),
        "device": "cpu",
        "threads": 2,
        "torch_version": "2",
        "clock": "host",
        "batch": 1,
        "input_shapes": ((1, 3, 8, 8),),
        "warmup": 1,
        "passes_s": (0.004,),
        "time_s": 0.004,
        "unprofiled_s": 0.003,
        "parameters": 1,
        "macs": 3_000_000,
        "layers": (layer,),
        "stages": (stage,),
        "memory": MemoryProfile(
            device="cpu", held_bytes=1024, peak_bytes=2**20, peak_at_s=0.0, peak_layer=name, duration_s=0.004,
            points=(),
        ),
        "trace": "t.pt.trace.json",
        "flame": "flame.svg",
        "notes": (name,),
    }  # fmt: skip
    return CellProfile(**{**fields, **changes})


def test_a_row_has_every_figure_with_its_unit() -> None:
    text = profile_markdown([("v1-0", _profile())])
    row = next(line for line in text.splitlines() if line.startswith("| `v1`"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "`v1`", "v1", "v1", "3.00 ms", "75.0 %", "4.00 ms", "2", "3.00 M", "5.72 MiB", "1", "2", "1.00 MiB",
    ]  # fmt: skip
    assert "2 threads; input 1×3×8×8; 1 passes of 4.00 ms, 3.00 ms without the profiler" in text
    assert "at most 1.00 MiB at `v1`" in text
    assert "(v1-0/t.pt.trace.json)" in text


def test_tables_are_rectangular_also_with_hostile_names() -> None:
    gaps = GapProfile(
        kernels=2, busy_s=0.1, idle_s=0.2, waiting_for_host_s=0.1, gaps=1, longest_s=0.2, launch_s=0.01
    )
    kernel = KernelProfile(name=HOSTILE, calls=2, time_s=0.1, share=1.0)
    text = profile_markdown([("c", _profile(HOSTILE, gaps=gaps, kernels=(kernel,), device_name=HOSTILE))])
    tables: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.startswith("|"):
            tables[-1].append(line)
        elif tables[-1]:
            tables.append([])
    assert len([table for table in tables if table]) == 3
    for table in filter(None, tables):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1


def test_nothing_that_is_named_is_read_as_markdown_or_html() -> None:
    text = profile_markdown([("c", _profile(HOSTILE))])
    assert "<img" not in text
    assert len([line for line in text.splitlines() if line.startswith("#")]) == 2
    outside_code = re.sub(r"`[^`]*`", "", text)
    assert "](javascript" not in outside_code
    assert "**b**" not in outside_code
    assert "`" not in outside_code.replace("\\`", "")


@pytest.mark.parametrize("layers", [25, 26])
def test_a_long_table_is_cut_and_says_so(layers: int) -> None:
    row = _profile().layers[0]
    text = profile_markdown([("c", _profile(layers=(row,) * layers))])
    assert text.count("| `v1`") == 25
    assert ("1 more modules are in" in text) == (layers == 26)
