"""What a report is made of; Markdown and HTML print the same blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from benchbench.report.answer import Sentence
from benchbench.report.flame_page import FlameBar, flame_height

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from benchbench.report.explorer import Explorer
    from benchbench.report.views.pictures import PictureGrid

Mark = Literal["", "good", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Item:
    """One place in a table: a main text, smaller ones below it, and the numbers of its footnotes.

    `value` is what a reader's sorting goes by; in a column of numbers what has none comes last.
    """

    text: str
    detail: str = ""
    notes: tuple[int, ...] = ()
    mark: Mark = ""
    more: tuple[str, ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `reason` stands in place of its items where there is nothing to show."""

    items: tuple[Item, ...]
    level: Literal["line", "seed", "baseline"] = "line"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title with its unit, a smaller line below it, its footnotes, whether it holds numbers."""

    title: str
    is_number: bool = True
    detail: str = ""
    notes: tuple[int, ...] = ()


def text_columns(*texts: str, numbers: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of texts, and after them those of numbers."""
    return (*(Column(name, is_number=False) for name in texts), *(Column(name) for name in numbers))


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. `notes` are (number, text) of the footnotes that its columns and items point at.

    `is_of_pairs` is whether a row is of the two that its first items name, by which a reader chooses.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[tuple[int, str], ...] = ()
    is_of_pairs: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The sentences that open a report; `cautions` hold for all of them."""

    sentences: tuple[Sentence, ...]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Code:
    """Something to type."""

    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with its words and the table of what it shows.

    Attributes:
        name: file name without its ending, and prefix of the ids in its SVG (`file_stem`).
        draw: makes the figure; called once per report.
        table: the data as shown; `columns` and `records` are the data as stored beside it.
        is_explored: whether the interactive chart shows the same.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[], Figure]
    table: Grid
    columns: tuple[str, ...]
    records: tuple[tuple[str | float | int | bool | None, ...], ...]
    is_explored: bool = False


@dataclass(frozen=True, slots=True)
class Plots:
    """Drawings that stand side by side where there is room."""

    plots: tuple[Plot, ...]


@dataclass(frozen=True, slots=True)
class Gallery:
    """Pictures of every line for one index."""

    name: str
    caption: str
    grid: PictureGrid


@dataclass(frozen=True, slots=True)
class Flame:
    """A flame graph.

    Attributes:
        name: file name without its ending.
        bars: each call's place and words.
        is_embedded: whether the HTML holds it; if not, it says where it lies.
    """

    name: str
    caption: str
    bars: tuple[FlameBar, ...]
    is_embedded: bool = True

    @property
    def height(self) -> float:
        """Of the drawing."""
        return flame_height(self.bars)


@dataclass(frozen=True, slots=True)
class Fold:
    """Blocks that a reader opens when wanted."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report under its heading; `chart` is the interactive one, which HTML alone has."""

    id: str
    title: str
    blocks: tuple[Block, ...]
    chart: Explorer | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report.

    Attributes:
        lead: says in one line what it is about.
        link: the paper's title and address.
        explorer: the interactive chart; with a script it stands in place of the drawings it is a part of.
    """

    title: str
    lead: str
    link: tuple[str, str] | None
    sections: tuple[Section, ...]
    explorer: Explorer | None = None


Block = Paragraph | Answer | Grid | Code | Plots | Gallery | Flame | Fold


@dataclass(slots=True)
class Notes:
    """Footnotes of one report: one number per text, in order of first use."""

    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, *texts: str) -> tuple[int, ...]:
        """The number of each text, ascending."""
        for text in texts:
            self._numbers.setdefault(text, len(self._numbers) + 1)
        return tuple(sorted({self._numbers[text] for text in texts}))

    def used_in(self, rows: tuple[Row, ...], columns: tuple[Column, ...] = ()) -> tuple[tuple[int, str], ...]:
        """Number and text of each footnote that `rows` and `columns` point at."""
        used = {number for row in rows for item in row.items for number in item.notes}
        used |= {number for column in columns for number in column.notes}
        return tuple((number, text) for text, number in self._numbers.items() if number in used)
