"""The report as one short Markdown without pictures: what `$GITHUB_STEP_SUMMARY` takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchbench.core.measurement import ResultTable
from benchbench.core.profile_reading import ProfilesRead
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
    Plots,
    Row,
    Section,
)
from benchbench.report.markdown import write_markdown
from benchbench.report.sections import compose
from benchbench.report.views.report import view_report

# GitHub refuses a step's summary above 1 MiB; 1 MB leaves room for what else the step says.
LIMIT_BYTES = 1_000_000
_MAIN_ROWS, _DETAIL_ROWS = 200, 25
_LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class Cut:
    """How much is kept: rows of the main table (and sentences), of any other, characters of one text."""

    main: int
    detail: int
    text: int


def write_summary(
    tables: Sequence[ResultTable],
    *,
    profiles: ProfilesRead | None = None,
    limit_bytes: int = LIMIT_BYTES,
) -> str:
    """The report without its pictures, cut by one rule that the text itself states.

    The first table, the sentences and the list of failures keep 200 rows, every other table 25, a section 25
    tables; a text keeps 400 characters. While that is above the limit, all of these are halved. What is left
    out is counted where it stood. Of profiles there are the sentences alone.

    Raises:
        StoreError: no table was given.
    """
    document = compose(view_report(tables, profiles))
    cut = Cut(_MAIN_ROWS, _DETAIL_ROWS, _LONGEST_TEXT)
    while True:
        text = write_markdown(cut_document(document, cut))
        if len(text.encode()) <= limit_bytes or cut.text <= 1:
            return text
        cut = Cut(cut.main // 2, cut.detail // 2, cut.text // 2)


def cut_document(document: Document, cut: Cut) -> Document:
    """The document without pictures, tables and texts cut."""
    rule = (
        f"This is the short report: no pictures, the main table and failures up to {cut.main} rows, other "
        f"tables up to {cut.detail}, texts up to {cut.text} characters. `benchbench report` has the rest."
    )
    link = document.link if document.link and sum(map(len, document.link)) <= cut.text * 2 else None
    sections = [
        Section(section.id, section.title, _cut_blocks(section.blocks, cut, section=section.id))
        for section in document.sections
    ]
    return Document(
        title=_cut_text(document.title, cut),
        lead=_cut_text(document.lead, cut),
        link=link,
        sections=(
            *(section for section in sections if section.blocks),
            Section("rule", "What was left out", (Paragraph(rule),)),
        ),
    )


def _cut_blocks(blocks: Sequence[Block], cut: Cut, *, section: str) -> tuple[Block, ...]:
    made: list[Block] = []
    if section == "why":
        # A sentence on a profile is worth its length.
        cut = replace(cut, text=2 * cut.text)
    kept = blocks[: cut.detail + 3]
    for at, block in enumerate(kept):
        is_main = (section == "table" and at == 0) or section == "failures"
        made += _cut_block(block, cut, section=section, rows=cut.main if is_main else cut.detail)
    if len(blocks) > len(kept):
        made.append(Paragraph(f"{len(blocks) - len(kept):,} more parts of this section are left out."))
    return tuple(made)


def _cut_block(block: Block, cut: Cut, *, section: str, rows: int) -> Sequence[Block]:
    match block:
        case Plots() | Gallery() | Flame():
            return ()
        case Paragraph(text):
            # Words about the drawings and pictures beside it.
            return () if section in ("trade-offs", "pictures") else (Paragraph(_cut_text(text, cut)),)
        case Code(text):
            return (Code(text),) if len(text) <= 4 * cut.text else ()
        case Answer(sentences, cautions):
            said = tuple(
                replace(
                    each,
                    label=_cut_text(each.label, cut),
                    text=_cut_text(each.text, cut),
                    cautions=tuple(_cut_text(caution, cut) for caution in each.cautions[: cut.detail]),
                )
                for each in sentences[: cut.main]
            )
            common = tuple(_cut_text(each, cut) for each in cautions[: cut.detail])
            answer = Answer(said, common)
            more = len(sentences) - len(said)
            return (answer, Paragraph(f"{more:,} more sentences are left out.")) if more else (answer,)
        case Grid():
            return _cut_grid(block, cut, rows=rows)
        case Fold() if section == "why":
            # The sentences say what the tables of each network show.
            return ()
        case Fold(title, inner):
            within = _cut_blocks(inner, cut, section=section)
            return (Fold(_cut_text(title, cut), within),) if within else ()


def _cut_grid(grid: Grid, cut: Cut, *, rows: int) -> Sequence[Block]:
    # Seeds go first: their line says their mean.
    chosen = list(grid.rows)
    if len(chosen) > rows:
        chosen = [row for row in chosen if row.level != "seed"][:rows]
    made = tuple(_cut_row(row, cut) for row in chosen)
    used = {number for row in made for item in row.items for number in item.notes}
    used |= {number for column in grid.columns for number in column.notes}
    notes = [(number, _cut_text(text, cut)) for number, text in grid.notes if number in used]
    columns = tuple(
        replace(column, title=_cut_text(column.title, cut), detail=_cut_text(column.detail, cut))
        for column in grid.columns
    )
    left = len(grid.rows) - len(made)
    blocks: list[Block] = [Grid(_cut_text(grid.caption, cut), columns, made, tuple(notes[: max(rows, 1)]))]
    if left:
        blocks.append(Paragraph(f"{left:,} more {'row is' if left == 1 else 'rows are'} left out."))
    return blocks


def _cut_row(row: Row, cut: Cut) -> Row:
    items = tuple(
        Item(
            _cut_text(item.text, cut),
            _cut_text(item.detail, cut),
            item.notes[: cut.detail],
            item.mark,
            tuple(_cut_text(each, cut) for each in item.more[: cut.detail]),
        )
        for item in row.items
    )
    return Row(items, row.level, _cut_text(row.reason, cut))


def _cut_text(text: str, cut: Cut) -> str:
    return text if len(text) <= cut.text else f"{text[: max(cut.text - 1, 0)]}…"
