from __future__ import annotations

import pytest

from benchbench.report.document import Item, Notes
from benchbench.report.grids import summary_grid
from benchbench.report.sort_value import sort_value
from benchbench.report.views.report import view_report


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,679,235", 1679235),
        ("−87.6 %", -87.6),
        ("+3.1 %", 3.1),
        ("7.66x", 7.66),
        ("0.0205 ± 0.00071", 0.0205),
        ("471 ms", 0.471),
        ("2 min 5 s", 125),
        ("3 h 12 min", 11520),
        ("17.5 GiB", 17.5 * 2**30),
        ("1e-07", 1e-7),
        ("12.5 GMAC", 12.5e9),
        ("–", None),
        ("not reached", None),
        ("", None),
    ],
)
def test_a_text_is_sorted_by_its_number(text, value):
    assert sort_value(Item(text)) == (None if value is None else pytest.approx(value))


def test_the_raw_value_goes_before_the_text():
    assert sort_value(Item("1.41x", value=1.4063)) == 1.4063
    assert sort_value(Item("nan", value=float("nan"))) is None


def test_the_main_table_has_its_raw_values(factory):
    view = view_report([factory.make_table(results=[factory.make_result(name) for name in factory.COUNTS])])
    grid = summary_grid(view, Notes())
    at = [column.title for column in grid.columns].index("latency, ms")
    assert [row.items[at].value for row in grid.rows] == list(factory.LATENCY_S.values())
    for number, column in enumerate(grid.columns):
        shown = [row.items[number] for row in grid.rows if column.is_number]
        assert all(item.value is not None for item in shown if item.text not in ("–", "1")), column.title
