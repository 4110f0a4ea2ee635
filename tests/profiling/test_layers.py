from __future__ import annotations

import pytest

from benchbench.core.layer_record import LayerCount
from benchbench.profiling.layers import Facts, list_layers, list_stages
from benchbench.profiling.tree import Node

KINDS = {"": "Net", "a": "Sequential", "a.conv": "Conv2d", "b": "ReLU"}


def _tree() -> Node:
    """Two passes: 10 s in all, `a` 6 of them, its convolution 5; `b` 3."""
    conv = Node("a.conv", time_s=5.0, device_s=4.0, calls=2)
    a = Node("a", time_s=6.0, calls=2, children={"a.conv": conv})
    b = Node("b", time_s=3.0, device_s=1.0, calls=6)
    return Node("", time_s=10.0, device_s=0.5, calls=2, children={"a": a, "b": b})


FACTS = Facts(
    kinds=KINDS,
    counts={
        "a.conv": LayerCount(path="a.conv", kind="Conv2d", parameters=7, macs=100, output_shape=(1, 2)),
        "unused": LayerCount(path="unused", kind="Conv2d", parameters=3),
    },
    bytes_moved={"a.conv": 50, "b": 40, "": 10},
    peaks={"a.conv": 900, "b": 300},
    stages={"front": ("a",)},
)


def test_rows_are_of_one_pass_most_own_time_first() -> None:
    rows = list_layers(_tree(), FACTS, passes=2, clock="host")
    assert [row.path for row in rows] == ["a.conv", "b", "", "a", "unused"]
    conv, b, whole, a, unused = rows
    assert (conv.own_s, conv.time_s, conv.calls, conv.host_s) == (2.5, 2.5, 1.0, None)
    assert (a.own_s, a.time_s) == (0.5, 3.0)
    assert (whole.own_s, whole.time_s) == (0.5, 5.0)
    assert (b.calls, b.peak_bytes, b.stage) == (3.0, 300, None)
    assert (unused.own_s, unused.calls, unused.parameters) == (0.0, 0.0, 3)
    assert sum(row.own_s for row in rows) == pytest.approx(whole.time_s)
    assert sum(row.share for row in rows) == pytest.approx(1.0)


def test_rates_are_own_work_by_own_time() -> None:
    conv, b, *_ = list_layers(_tree(), FACTS, passes=2, clock="host")
    assert (conv.macs_per_s, conv.bytes_per_s) == (100 / 2.5, 50 / 2.5)
    assert (b.macs_per_s, b.bytes_per_s) == (None, 40 / 1.5)


def test_by_the_gpus_clock() -> None:
    rows = {row.path: row for row in list_layers(_tree(), FACTS, passes=2, clock="device")}
    assert (rows["a.conv"].own_s, rows["a.conv"].host_s) == (2.0, 2.5)
    assert (rows["a"].own_s, rows["a"].time_s, rows["a"].host_s) == (0.0, 2.0, 3.0)
    assert rows[""].time_s == pytest.approx(sum(row.own_s for row in rows.values()))
    assert rows["a"].bytes_per_s is None


def test_stages_add_up() -> None:
    layers = list_layers(_tree(), FACTS, passes=2, clock="host")
    stages = {row.stage: row for row in list_stages(layers)}
    assert (stages["front"].own_s, stages["front"].layers, stages["front"].macs) == (3.0, 2, 100)
    assert stages["front"].macs_per_s == 100 / 3.0
    assert (stages["front"].peak_bytes, stages[None].peak_bytes) == (900, 300)
    assert stages[None].bytes_moved == 50
    assert sum(row.share for row in stages.values()) == pytest.approx(1.0)


def test_a_module_that_calls_itself_counts_its_time_once() -> None:
    inner = Node("a", time_s=2.0, calls=1)
    outer = Node("a", time_s=5.0, calls=1, children={"a": inner})
    root = Node("", time_s=6.0, calls=1, children={"a": outer})
    row = next(row for row in list_layers(root, Facts(kinds={}), passes=1, clock="host") if row.path == "a")
    assert (row.time_s, row.own_s, row.calls) == (5.0, 5.0, 2.0)


def test_a_network_that_was_not_seen_has_no_shares() -> None:
    rows = list_layers(Node(""), FACTS, passes=1, clock="host")
    assert {row.share for row in rows} == {0.0}
    assert {row.bytes_per_s for row in rows} == {None}
