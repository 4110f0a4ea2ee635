"""What a column of numbers is sorted by: the figure itself, never its rounded text."""

from __future__ import annotations

import re

from benchbench.report.document import Document, Fold, Grid, Item, Notes, Plots, Row, Section, text_columns
from benchbench.report.grids import summary_grid
from benchbench.report.html import write_html
from benchbench.report.sections import compose
from benchbench.report.views.report import view_report


def grids(blocks):
    for block in blocks:
        if isinstance(block, Grid):
            yield block
        elif isinstance(block, Fold):
            yield from grids(block.blocks)
        elif isinstance(block, Plots):
            yield from (plot.table for plot in block.plots)


def test_every_number_of_a_report_has_its_value(factory, table):
    figures = [factory.quality_figure("fd[rand-conv-64]", 4.0, real=2.0)]
    results = [factory.with_quality(result, *figures) for result in table.results]
    document = compose(view_report([table.model_copy(update={"results": tuple(results)})]))
    seen = set()
    for section in document.sections:
        for grid in grids(section.blocks):
            for row in grid.rows:
                for column, item in zip(grid.columns, row.items, strict=False):
                    if column.is_number and any(character.isdigit() for character in item.text):
                        assert item.value is not None, (section.id, grid.caption, column.title, item.text)
                        seen.add((section.id, column.title))
    assert {("cost", "share"), ("training", "step"), ("environment", "inside"), ("table", "ratio")} <= {
        (section, title) for section, title in seen
    }


def test_the_main_table_is_sorted_by_what_was_measured(factory):
    view = view_report([factory.make_table(results=[factory.make_result(name) for name in factory.COUNTS])])
    grid = summary_grid(view, Notes())
    at = [column.title for column in grid.columns].index("latency, ms")
    assert [row.items[at].value for row in grid.rows] == list(factory.LATENCY_S.values())


def test_what_is_no_number_has_nothing_to_sort_by():
    values = (1.4063, float("nan"), float("inf"), None, 0.0)
    rows = tuple(Row((Item("a"), Item("1.41x", value=value))) for value in values)
    grid = Grid("Table", text_columns("name", numbers=("times",)), rows)
    text = write_html(Document("t", "", None, (Section("s", "S", (grid,)),)), drawings={}, foot="")
    assert re.findall(r' data-v="([^"]*)"', text) == ["1.4063", "0.0"]
