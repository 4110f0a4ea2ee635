"""Several tasks in one table: every group has its own baseline, and a discriminator its own columns."""

from __future__ import annotations

import pytest

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.measurement import CellResult, Measurement, Protocol, ResultTable, RunRecord
from benchbench.core.suite import Suite
from benchbench.report.document import Notes
from benchbench.report.grids import summary_grid
from benchbench.report.markdown import write_markdown
from benchbench.report.paper_table import paper_grid
from benchbench.report.sections import compose
from benchbench.report.views.report import view_report

FIGURES = {"horse": 104.0, "horse_light": 10.4, "gaugan": 1000.0, "gaugan_light": 500.0}


@pytest.fixture
def grouped() -> ResultTable:
    suite = Suite.model_validate(
        {
            "name": "tables",
            "architecture": "transformer_net",
            "variants": {name: {"group": name.removesuffix("_light")} for name in FIGURES},
            "measure": ["parameters"],
            "expect": {
                "horse": {"parameters": {"value": "0.1k", "note": "n"}},
                "gaugan": {
                    "parameters": {"value": "2.0k", "reproducible": False, "note": "counted otherwise"}
                },
                "gaugan_light": {"parameters": "0.6k", "total_parameters": 501},
            },
        }
    )
    results = []
    for name, value in FIGURES.items():
        figures = {"parameters": value, "discriminator_parameters": 1.0, "total_parameters": value + 1}
        cell = Cell(variant=name, variant_group=suite.variants[name].group, architecture=suite.architecture)
        made = (
            Measurement(name=key, unit="1", direction="lower", value=each, protocol=Protocol(name="p"))
            for key, each in figures.items()
        )
        results.append(CellResult(cell=cell, measurements=tuple(made)))
    record = RunRecord(id="r", command="c", started="now", benchbench="0")
    return ResultTable(suite=suite, run=record, environment=Environment(), results=tuple(results))


def test_changes_are_against_the_baseline_of_the_group(grouped: ResultTable) -> None:
    rows = {row.label: row for row in view_report([grouped]).summary}
    assert [rows[name].is_baseline for name in FIGURES] == [True, False, True, False]
    assert rows["horse_light"].parameters_change == pytest.approx(-0.9)
    assert rows["gaugan_light"].parameters_change == pytest.approx(-0.5)


def test_the_table_names_the_group_and_has_both_networks(grouped: ResultTable) -> None:
    view = view_report([grouped])
    grid = summary_grid(view, Notes())
    assert [column.title for column in grid.columns] == [
        *("variant", "parameters", "change", "discriminator", "both")
    ]
    assert grid.rows[2].items[0].detail == "baseline of gaugan"
    assert (grid.rows[3].items[-1].text, grid.rows[3].items[-1].detail) == ("501", "✓ paper")
    assert "against the baseline of the same group" in write_markdown(compose(view))


def test_a_printed_figure_agrees_with_all_that_is_printed_so(grouped: ResultTable) -> None:
    grid = paper_grid(view_report([grouped]).paper, Notes())
    told = [(row.items[0].text, row.items[3].text, row.items[5].text) for row in grid.rows]
    assert told == [
        ("horse", "0.1k", "✓ as printed"),
        ("gaugan", "2.0k", "≠ see the note"),
        ("gaugan_light", "0.6k", "✗ differs"),
        ("gaugan_light", "501", "✓ equal"),
    ]
