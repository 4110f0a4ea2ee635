"""The report as Markdown that GitHub shows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from benchbench.core.markdown_text import escape
from benchbench.core.visible import show_controls
from benchbench.report.document import (
    Answer,
    Block,
    Code,
    Document,
    Flame,
    Fold,
    Gallery,
    Grid,
    Item,
    Paragraph,
    Plot,
    Plots,
    Row,
)

_LINE_START = re.compile(r"^(\s*)([#+\-=]|\d+[.)])(?=\s|$)")


def write_markdown(document: Document) -> str:
    """The whole document; pictures are named as lying in `plots/` beside it."""
    lines = [f"# {escape(document.title)}", ""]
    if document.lead:
        lines += [_paragraph(document.lead), ""]
    if document.link:
        lines += [f"Paper: [{escape(document.link[0])}](<{_address(document.link[1])}>)", ""]
    for section in document.sections:
        if not section.blocks:
            continue
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def write_grid(grid: Grid) -> str:
    """One table under its caption."""
    return "\n".join(_block(grid)) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text):
            yield _paragraph(text)
        case Answer(sentences, common):
            for sentence in sentences:
                caution = f" *({escape('; '.join(sentence.cautions))})*" if sentence.cautions else ""
                yield f"- **{escape(sentence.label)}**: {escape(sentence.text)}{caution}"
            if common:
                yield ""
                yield f"For all of them: {escape('; '.join(common))}."
        case Code(text):
            text = "\n".join(map(show_controls, text.splitlines()))
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
            yield from (f"{fence}sh", text, fence)
        case Grid():
            yield f"**{escape(block.caption)}**"
            yield ""
            yield from _grid(block)
        case Plots(plots):
            for plot in plots:
                yield from _plot(plot)
        case Gallery(name, caption, grid):
            variants = ", ".join(row.label for row in grid.rows)
            yield f"![{escape(f'{caption}: {variants}')}](plots/{name}.png)"
            yield ""
            yield f"*{escape(caption)}.*"
            yield ""
            for row in grid.rows:
                for picture in row.pictures:
                    if picture.missing:
                        yield f"- {escape(row.label)}, {escape(picture.heading)}: {escape(picture.missing)}"
        case Flame(name, caption):
            yield f"[{escape(caption)}](plots/{name}.svg)"
        case Fold(title, blocks):
            yield from _fold(title, [line for inner in blocks for line in (*_block(inner), "")])


def _plot(plot: Plot) -> Iterator[str]:
    yield f"![{escape(plot.alt)}](plots/{plot.name}.png)"
    yield ""
    yield f"*{escape(plot.caption)}* [data](plots/{plot.name}.csv)"
    yield ""
    yield from _fold("The figures", [*_grid(plot.table), ""])
    yield ""


def _fold(title: str, lines: list[str]) -> Iterator[str]:
    yield f"<details><summary>{escape(title)}</summary>"
    yield ""
    yield from lines
    yield "</details>"


def _grid(grid: Grid) -> Iterator[str]:
    titles = (Item(column.title, column.detail, column.notes) for column in grid.columns)
    yield f"| {' | '.join(map(_item, titles))} |"
    yield f"|{'|'.join('---:' if column.is_number else '---' for column in grid.columns)}|"
    for row in grid.rows:
        yield f"| {' | '.join(_items(row, len(grid.columns)))} |"
    for number, text in grid.notes:
        yield ""
        yield f"<sup>{number}</sup> {escape(text)}"


def _items(row: Row, width: int) -> Iterator[str]:
    label, *rest = row.items
    text = _item(label)
    yield f"&nbsp;&nbsp;{text}" if row.level == "seed" else f"**{text}**" if row.level == "baseline" else text
    if row.reason:
        yield f"*{escape(row.reason)}*"
        yield from [""] * (width - 2)
        return
    yield from map(_item, rest)


def _item(item: Item) -> str:
    detail = "".join(f"<br>{escape(text)}" for text in (item.detail, *item.more) if text)
    notes = f"<sup>{','.join(map(str, item.notes))}</sup>" if item.notes else ""
    return f"{escape(item.text)}{notes}{detail}"


def _paragraph(text: str) -> str:
    # A text that begins with `#` or `1.` would become a heading or a list.
    return _LINE_START.sub(r"\1\\\2", escape(text))


def _address(url: str) -> str:
    return show_controls(url).replace("<", "%3C").replace(">", "%3E").replace("\n", "").replace("\\", "%5C")
