from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchbench.core.markdown_text import escape
from benchbench.report.document import Column, Document, Grid, Item, Paragraph, Row, Section
from benchbench.report.markdown import write_markdown

GOLDEN = Path(__file__).parents[1] / "golden" / "report.md"


def test_golden_report(files):
    """To accept a change: BENCHBENCH_UPDATE_GOLDEN=1 pytest tests/report/test_markdown.py; read the diff."""
    made = files.markdown.read_text(encoding="utf-8")
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("snake_case and _emphasis_", r"snake_case and \_emphasis\_"),
        ("*x* `y` ~z~", r"\*x\* \`y\` \~z\~"),
        ("[1.38, 1.43]", "[1.38, 1.43]"),
        ("[a](http://b)", r"[a\](http://b)"),
        ("two\nlines", "two lines"),
        ("$x$", "&#36;x&#36;"),
    ],
)
def test_escape(text, expected):
    assert escape(text) == expected


def test_a_pipe_in_a_name_does_not_add_a_column():
    grid = Grid("t", (Column("a|b", is_number=False), Column("n")), (Row((Item("x|y"), Item("1"))),))
    text = write_markdown(Document("t", "", None, (Section("s", "S", (grid,)),)))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(row.replace(r"\|", "").count("|") == 3 for row in rows)


def test_every_row_of_the_report_has_as_many_cells_as_its_heading(files):
    width = 0
    for line in files.markdown.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        cells = line.replace(r"\|", "").count("|")
        width = width or cells
        assert cells == width, line


def test_a_paragraph_cannot_become_a_heading():
    text = write_markdown(Document("t", "", None, (Section("s", "S", (Paragraph("# not a heading"),)),)))
    assert r"\# not a heading" in text


def test_every_picture_of_the_report_exists(files):
    import re

    text = files.markdown.read_text(encoding="utf-8")
    linked = re.findall(r"\]\((plots/[^)]+)\)", text)
    assert len(linked) > 10
    for path in linked:
        assert (files.folder / path).is_file()
