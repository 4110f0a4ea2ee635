from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType
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
from benchbench.core.roof import FoundRoof
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
    assert len([table for table in tables if table]) == 4
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


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


def test_the_table_by_class_has_its_place_under_the_roof(made: ModuleType) -> None:
    profile = made.make_profile("v1", ("depthwise", 30, 0.24, 0.24), ("norm", 70, 0, 0.14))
    found = FoundRoof(made.make_machine(), made.make_roof())
    rows = {
        cells[0]: cells[1:]
        for line in profile_markdown([("v1-0", profile)], found=found).splitlines()
        if line.startswith("| ") and len(cells := [each.strip() for each in line.strip("|").split("|")]) == 12
    }
    assert rows["class"][-3:] == ["of the peak", "of the roof", "under"]
    assert rows["depthwise"] == [
        "1", "30.0 ms", "30.0 %", "240 M", "229 MiB", "1.00", "8", "8", "8.0 %", "80.0 %", "memory",
    ]  # fmt: skip
    assert rows["norm"][5:] == ["-", "-", "2", "-", "20.0 %", "memory"]
    assert rows["all"][:3] == ["2", "100 ms", "100.0 %"]


def test_a_sentence_per_network_but_the_first_with_names_escaped(made: ModuleType) -> None:
    profiles = [("a", made.make_profile("base", ("norm", 20, 1, 1))), ("b", made.make_profile(HOSTILE, ("norm", 10, 1, 1)))]  # fmt: skip  # noqa: E501
    found = FoundRoof(made.make_machine(), made.make_roof())
    text = profile_markdown(profiles, found=found, plots=("roofline.svg", "roofline.png"))
    (line,) = [line for line in text.splitlines() if "in the profiled pass" in line]
    assert line.startswith("- &lt;img src=x")
    assert "is 2.0x faster than base" in line
    assert "<img" not in text
    assert "![Classes of layers under the roof](roofline.svg)" in text
    assert "[PNG](roofline.png)" in text
    assert "100 GMAC/s, 10.0 GB/s of memory, 50.0 GB/s within" in text
    assert "Below 10.0 MAC/B memory is the limit" in text


def test_without_a_roof_the_page_says_why_and_what_measures_it(made: ModuleType) -> None:
    profile = made.make_profile("v1", ("norm", 20, 1, 1))
    machine = made.make_machine()
    why = profile_markdown([("a", profile)], found=FoundRoof(machine, why="no roof was measured yet"))
    assert "no roof was measured yet. `benchbench roofline --device cpu --threads 2` measures it." in why
    part = profile_markdown([("a", profile)], found=FoundRoof(machine, made.make_roof(memory=None)))
    assert "could not be measured whole (memory: RuntimeError\\: not here)" in part
    for text in (why, part):
        assert "of the peak" not in text
    assert "Roofline" not in profile_markdown([("a", profile)])
