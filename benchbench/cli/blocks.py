"""Blocks of a report on a terminal."""

from __future__ import annotations

from benchbench.cli.tables import text_table
from benchbench.report.document import Block, Grid, Paragraph


def block_text(block: Block) -> str:
    """A table under its caption, or a paragraph; other blocks are not for a terminal."""
    if isinstance(block, Grid):
        header = [printable(column.title) for column in block.columns]
        rows = [
            [printable(" ".join(filter(None, (item.text, item.detail, *item.more)))) for item in row.items]
            for row in block.rows
        ]
        return f"{printable(block.caption)}\n{text_table(header, rows)}"
    return printable(block.text) if isinstance(block, Paragraph) else ""


def printable(text: str) -> str:
    """The text without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
