"""The table of the paper's figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.report.document import Column, Grid, Item, Mark, Notes, Row
from benchbench.report.text import MISSING, exact, signed_percent, span
from benchbench.report.views.lines import Estimate
from benchbench.report.views.paper import PaperRow, Verdict
from benchbench.report.views.vocabulary import title

_NONE = Item(MISSING)
_VERDICTS: dict[Verdict, tuple[str, Mark]] = {
    "equal": ("✓ equal", "good"),
    "as printed": ("✓ as printed", "good"),
    "differs": ("✗ differs", "bad"),
    "explained": ("≠ see the note", ""),
    "other machine": ("other machine", "quiet"),
    "within interval": ("within our interval", "quiet"),
    "outside interval": ("≠ outside our interval", ""),
    "own run": ("own training", "quiet"),
    "missing": ("not measured", "quiet"),
}


def paper_grid(rows: Sequence[PaperRow], notes: Notes) -> Grid:
    """The paper's figures beside ours, with the difference."""
    made = []
    for row in rows:
        text, mark = _VERDICTS[row.verdict]
        ours = row.ours
        said = notes.number(row.note) if row.note else ()
        made.append(
            Row(
                (
                    Item(row.label),
                    Item(title(row.measure), detail=ours.setting if ours else ""),
                    _ours(ours),
                    Item(row.printed or exact(row.paper, row.unit), notes=said, value=row.paper),
                    Item(signed_percent(row.difference), value=row.difference)
                    if row.difference is not None
                    else _NONE,
                    Item(text, mark=mark),
                )
            )
        )
    titles = ("variant", "measure", "ours", "paper", "ours against paper", "verdict")
    numbers = (False, False, True, True, True, False)
    columns = tuple(Column(name, is_number=number) for name, number in zip(titles, numbers, strict=True))
    return Grid("The paper's figures beside ours", columns, tuple(made), notes.used_in(tuple(made)))


def _ours(ours: Estimate | None) -> Item:
    if ours is None:
        return _NONE
    return Item(
        exact(ours.value, ours.unit),
        span(ours.interval) if ours.interval and ours.unit == "1" else "",
        value=ours.value,
    )
