"""Plain text for a terminal: tables, and the doctor's findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchbench.runner.doctor import Finding


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns side by side; those whose cells are figures stand to the right."""
    columns = list(zip(header, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    right = [any(column[1:]) and all(_is_figure(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        placed = [
            cell.rjust(width) if figures else cell.ljust(width)
            for cell, width, figures in zip(cells, widths, right, strict=True)
        ]
        return "  ".join(placed).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *map(line, rows)])


def findings_text(findings: Sequence[Finding]) -> str:
    """The doctor's findings, each with what to do about it."""
    width = max(len(finding.name) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.status:<5} {finding.name:<{width}}  {finding.what}")
        if finding.fix:
            lines.append(f"{'':<{width + 6}}  -> {finding.fix}")
    return "\n".join(lines)


def _is_figure(cell: str) -> bool:
    return cell in {"", "-"} or cell[0].isdigit() or cell[0] in "-+<>≈"
