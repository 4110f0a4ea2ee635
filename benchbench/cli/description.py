"""A network's description as text: a tree by stage, a stage map to paste, or two networks side by side."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import yaml

from benchbench.cli.tables import text_table
from benchbench.core.units import format_quantity

if TYPE_CHECKING:
    from benchbench.core.model import JsonValue
    from benchbench.runner.describe_records import (
        ComparisonDescription,
        Costs,
        Description,
        ModuleDescription,
        NetworkDescription,
        OptionDescription,
        ReplacementDescription,
        StageComparison,
    )

WIDTH = 100
_COST_HEADER = ("parameters", "share", "MACs", "share", "peak memory", "share")


def describe_text(found: Description, *, depth: int = 2) -> str:
    """A network's description as `benchbench describe` prints it.

    Args:
        found: what is known of it.
        depth: how deep the tree goes: 1 is stages alone, 2 the modules of each.
    """
    lines = _head(found)
    if found.comparisons:
        titles = {each.name: each.title or "" for each in found.variants}
        for each in found.comparisons:
            lines += ["", *_comparison(each, titles)]
        return "\n".join(lines)
    lines += _network(found, depth)
    if found.discriminator is not None:
        lines += ["", f"discriminator: {found.discriminator.label}", *_network(found.discriminator, depth)]
    if found.options:
        lines += ["", "options, with their defaults:", *_options(found.options)]
    if found.variants:
        lines += ["", "variants, each beside its baseline with --variant NAME:"]
        width = max(len(each.name) for each in found.variants)
        lines += [f"  {each.name:<{width}}  {each.title or ''}".rstrip() for each in found.variants]
    return "\n".join(lines)


def stages_text(found: Description) -> str:
    """The stage map as YAML, to go under a suite's `architecture:`."""
    declared = {stage.name: list(stage.patterns) for stage in found.stages if stage.patterns}
    if found.stages_guessed:
        lines = [
            "# Guessed from resolution: encoder until the smallest map, residual at it, decoder after.",
            "# Correct it, and put it under `architecture:`, beside `import`.",
        ]
    elif ":" in found.label:
        lines = ["# As declared." if declared else "# None could be guessed: no layer inside it has a map."]
    else:
        lines = [f"# Those of {found.label}: a variant names them, `replace: {{stages: [...]}}`."]
    text = yaml.safe_dump(
        {"stages": declared}, sort_keys=False, default_flow_style=None, width=WIDTH, allow_unicode=True
    )
    lines += text.splitlines()
    for stage in found.stages:
        if not stage.patterns and stage.layers:
            told = f"in no stage: {', '.join(path or '(itself)' for path in stage.layers)}"
            lines += textwrap.wrap(told, WIDTH, initial_indent="# ", subsequent_indent="#   ")
    return "\n".join(lines)


def _head(found: Description) -> list[str]:
    lines = [f"{found.name}: {found.summary}" if found.summary else found.name]
    if found.variant is not None:
        lines.append(f"network: {found.label}, variant {found.variant}")
    if found.paper:
        lines.append(f"paper: {found.paper.title} ({found.paper.year}) {found.paper.url or ''}".rstrip())
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="  ")]


def _network(found: NetworkDescription, depth: int) -> list[str]:
    inputs = ", ".join(
        f"{f'{spec.place} ' if spec.place else ''}{'x'.join(map(str, spec.shape))} {spec.dtype}"
        for spec in found.inputs
    )
    rows: list[tuple[str, ...]] = []
    for stage in found.stages:
        rows.append((stage.name, *_cells(stage)))
        rows += _tree(stage.modules, depth - 1, indent=1)
    # The network itself has the figures that the shares are of.
    total = (f"{found.parameters:,}", "", f"{format_quantity(found.macs, 'MAC')}", "")
    rows.append(("all", *total, format_quantity(found.peak_activation_bytes, "B"), ""))
    guessed = " (stages guessed from resolution; --stages shows them)" if found.stages_guessed else ""
    header = ("stage" if depth < 2 else "stage and modules", *_COST_HEADER)
    table = text_table(header, _fitted(header, rows))
    return [f"input: {inputs}{guessed}", "", *table.splitlines(), "", *_totals(found)]


def _totals(found: NetworkDescription) -> Iterator[str]:
    facts = [("parameters", f"{found.parameters:,}")]
    if found.trainable_parameters != found.parameters:
        facts.append(("trainable parameters", f"{found.trainable_parameters:,}"))
    if found.buffers:
        facts.append(("buffers", f"{found.buffers:,}"))
    facts.append(("MACs", f"{found.macs:,}"))
    if found.macs_output_size != found.macs:
        facts.append(("MACs, transposed convolutions at output size", f"{found.macs_output_size:,}"))
    facts.append(("peak activation memory", f"{found.peak_activation_bytes:,} B"))
    by_size = sorted(found.elementwise.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{kind} {format_quantity(number, '').strip()}" for kind, number in by_size if number)
    if kinds:
        facts.append(("element-wise operations", kinds))
    facts += [("note", note) for note in found.notes]
    for name, told in facts:
        yield from textwrap.wrap(f"{name}: {told}", WIDTH, subsequent_indent="  ")


def _tree(modules: Sequence[ModuleDescription], depth: int, *, indent: int) -> Iterator[tuple[str, ...]]:
    if depth < 1:
        return
    for each in modules:
        # What has neither is an activation or the like: JSON holds it, a reader of costs can do without.
        if each.parameters or each.macs:
            kind = each.kind if each.count == 1 else f"{each.count} x {each.kind}"
            yield (f"{'  ' * indent}{each.name} ({kind})", *_cells(each))
            yield from _tree(each.children, depth - 1, indent=indent + 1)


def _fitted(header: Sequence[str], rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """`rows` with their first cells cut so far that the table is no wider than the terminal."""
    figures = list(zip(header, *rows, strict=True))[1:]
    room = WIDTH - sum(2 + max(map(len, column)) for column in figures)
    return [(label if len(label) <= room else f"{label[: room - 3]}...", *cells) for label, *cells in rows]


def _cells(costs: Costs) -> tuple[str, ...]:
    return (
        f"{costs.parameters:,}",
        _percent(costs.parameters_share),
        format_quantity(costs.macs, "MAC") if costs.macs else "-",
        _percent(costs.macs_share) if costs.macs else "-",
        format_quantity(costs.peak_activation_bytes, "B"),
        _percent(costs.peak_activation_share),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _options(options: Sequence[OptionDescription]) -> Iterator[str]:
    names = [
        f"  {each.name}" if each.required else f"  {each.name}={_plain(each.default)}" for each in options
    ]
    width = max(map(len, names))
    for name, each in zip(names, options, strict=True):
        kind = ", ".join(
            filter(None, (each.type, each.range.replace(", ", " and "), "required" * each.required))
        )
        told = textwrap.wrap(f"{kind}: {each.help}" if each.help else kind, WIDTH - width - 2)
        yield f"{name:<{width}}  {told[0]}"
        yield from (" " * (width + 2) + more for more in told[1:])


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _comparison(found: ComparisonDescription, titles: Mapping[str, str]) -> list[str]:
    told = [f"{name} ({titles[name]})" if titles.get(name) else name for name in (found.before, found.after)]
    lines = textwrap.wrap(f"{found.network}: {' -> '.join(told)}", WIDTH, subsequent_indent="  ")
    header = ("stage", *("before", "after", "ratio") * 3)
    table = text_table(header, [_compared(each) for each in (*found.stages, found.total)]).splitlines()
    lines += ["", _group_line(table[1]), *table]
    if found.replaced:
        lines += ["", "layers exchanged:"]
        for each in found.replaced:
            lines += _exchanged(each)
    return lines


def _group_line(rule: str) -> str:
    """What each three columns are of, above a table whose columns are as wide as `rule` says."""
    starts = [0, *(index + 2 for index in range(len(rule)) if rule[index : index + 2] == "  ")]
    line = ""
    for name, column in (("parameters", 1), ("MACs", 4), ("peak activation memory", 7)):
        line = line.ljust(starts[column]) + name
    return line


def _compared(each: StageComparison) -> tuple[str, ...]:
    before, after = each.before, each.after
    return (
        each.name,
        f"{before.parameters:,}",
        f"{after.parameters:,}",
        _ratio(each.parameters_ratio),
        format_quantity(before.macs, "MAC"),
        format_quantity(after.macs, "MAC"),
        _ratio(each.macs_ratio),
        format_quantity(before.peak_activation_bytes, "B"),
        format_quantity(after.peak_activation_bytes, "B"),
        _ratio(each.peak_activation_ratio),
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _exchanged(each: ReplacementDescription) -> list[str]:
    told = f"{each.count} x {each.before}"
    told += f" => {each.after}" if each.after else f" left as it was: {each.reason}"
    example = textwrap.wrap(
        f"for one, {each.example}", WIDTH, initial_indent="    ", subsequent_indent="      "
    )
    return [*textwrap.wrap(told, WIDTH, initial_indent="  ", subsequent_indent="    "), *example]
