"""What a suite calls something is never a formula in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from benchbench.core.cell import Cell
from benchbench.core.suite import ArchitectureSpec
from benchbench.report.csv_text import guard_text, write_rows
from benchbench.report.export import export
from benchbench.report.export_tables import TABLES
from benchbench.report.write import write_report

FORMULA = '=HYPERLINK("https://example.org","v1")'
MARKS = ("=", "+", "-", "@", "\t", "＝")


@pytest.mark.parametrize("mark", MARKS)
def test_what_begins_a_formula_is_guarded(mark):
    assert guard_text(f"{mark}1+1") == f"'{mark}1+1"


@pytest.mark.parametrize("mark", ["\r", "\n", "\r\n"])
def test_a_line_end_is_a_space_and_hides_no_formula(mark):
    assert guard_text(f"{mark}=1+1") == "' =1+1"
    assert write_rows([(f"v{mark}1", "a\u202eb")]) == "v 1,a[U+202E]b\n"


@pytest.mark.parametrize("text", ["", "v1", "a=b", "–", "1e-3", "-Infinity", "'=1"])
def test_other_texts_are_as_they_were(text):
    assert guard_text(text) == text


def test_numbers_stay_numbers():
    assert write_rows([("=a", -1.5, -2, None, True)]) == "'=a,-1.5,-2,,True\n"


def test_no_csv_of_a_report_holds_a_formula(factory, tmp_path):
    results = [factory.make_result(name) for name in ("baseline", "v1")]
    cell = Cell(variant=FORMULA, architecture=ArchitectureSpec(name="net"))
    results[1] = results[1].model_copy(update={"cell": cell, "images": ()})
    table = factory.make_table(results=results)
    # Of deployments: test_deployment_files.py.
    names = [name for name in TABLES if name not in ("deployments", "pairs")]
    texts = {name: export([table], name, form="csv") for name in names}
    folder = write_report(table, out=tmp_path).folder
    texts |= {path.name: path.read_text(encoding="utf-8") for path in folder.rglob("*.csv")}
    assert len(texts) > len(TABLES) + 5
    found = 0
    for name, text in texts.items():
        for row in csv.reader(io.StringIO(text)):
            for place in row:
                found += place == f"'{FORMULA}"
                is_number = place.lstrip("+-").replace(".", "").replace("e", "").replace("-", "").isdigit()
                assert is_number or not place.startswith(MARKS) or place == "-Infinity", (name, place)
    assert found > 10
    # JSON and people read it as it is.
    assert FORMULA.replace('"', '\\"') in export([table], "summary", form="json")
