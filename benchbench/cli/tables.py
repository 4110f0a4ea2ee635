"""Plain text for a terminal: tables, a network's description, the doctor's findings."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchbench.core.units import format_quantity

if TYPE_CHECKING:
    from benchbench.runner.describe import Description
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


def describe_text(found: Description) -> str:
    """A network's description as `benchbench describe` prints it."""
    lines = [f"{found.name}: {found.summary}" if found.summary else found.name]
    if found.paper:
        lines.append(f"paper: {found.paper.title} ({found.paper.year}) {found.paper.url or ''}".rstrip())
    inputs = ", ".join(f"{'x'.join(map(str, spec.shape))} {spec.dtype}" for spec in found.inputs)
    lines += [
        f"input: {inputs}",
        f"parameters: {found.parameters:,}",
        f"MACs: {format_quantity(found.macs, 'MAC')} ({found.macs:,})",
    ]
    if found.macs_output_size != found.macs:
        lines.append(f"MACs with transposed convolutions at output size: {found.macs_output_size:,}")
    if found.options:
        options = [
            (each.name, each.type, "required" if each.required else str(each.default), each.range, each.help)
            for each in found.options
        ]
        lines += ["", text_table(("option", "type", "default", "range", "what it is"), options)]
    stages = [
        (
            stage.name,
            f"{stage.parameters:,}",
            _share(stage.parameters, found.parameters),
            format_quantity(stage.macs, "MAC"),
            _share(stage.macs, found.macs),
            " ".join(stage.patterns) or _some(stage.layers),
        )
        for stage in found.stages
    ]
    lines += ["", text_table(("stage", "parameters", "share", "MACs", "share", "declared as"), stages)]
    for stage in found.stages:
        listed = ", ".join(stage.layers) or "no layer"
        lines += ["", *textwrap.wrap(f"{stage.name}: {listed}", 100, subsequent_indent="  ")]
    return "\n".join(lines)


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


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _some(layers: Sequence[str]) -> str:
    return " ".join(layers[:3]) + (" ..." if len(layers) > 3 else "")
