"""From result tables to the files of a report: Markdown, HTML, tables and plots."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from benchbench.core.errors import StoreError
from benchbench.core.measurement import ResultTable
from benchbench.core.profile_reading import ProfilesRead
from benchbench.report.csv_text import write_rows
from benchbench.report.document import Block, Document, Flame, Fold, Gallery, Plot, Plots
from benchbench.report.flame_page import draw_flame
from benchbench.report.gallery import choose_side, compose_grid
from benchbench.report.html import write_html
from benchbench.report.markdown import write_markdown
from benchbench.report.picture_files import PictureFiles
from benchbench.report.sections import compose
from benchbench.report.style import plot_style
from benchbench.report.svg import draw_svg, embed_svg
from benchbench.report.tidy import tidy_frame
from benchbench.report.views.report import view_report

_PNG_DPI = 144
# Of photographs the highest takes four times as long for a tenth fewer bytes.
_PNG_LEVEL = 1


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """Where a report lies; `plots` are the PNG files."""

    folder: Path
    markdown: Path
    html: Path
    csv: Path
    plots: tuple[Path, ...]


def write_report(
    table: ResultTable | Sequence[ResultTable],
    *,
    out: str | Path = "reports",
    profiles: ProfilesRead | None = None,
) -> ReportFiles:
    """Write the report of one run, or one report on several runs, below `out`.

    The same tables give the same bytes. Files of an older report of the same run are replaced.

    Args:
        table: one result table, or several; several are shown in one report, each run compared
            with its own baseline only.
        out: the report lies in `<out>/<suite>/<run>/`.
        profiles: from `read_profiles`; those of the tables' networks are shown.

    Raises:
        StoreError: no table was given, or `out` cannot be written.
    """
    tables = (table,) if isinstance(table, ResultTable) else tuple(table)
    view = view_report(tables, profiles)
    document = compose(view)
    folder = Path(out) / _folder_name(tables, of="suite") / _folder_name(tables, of="run")
    try:
        return _write(tables, document, folder)
    except OSError as error:
        raise StoreError(
            f"the report cannot be written to '{error.filename or folder}': {error.strerror or error}",
            expected="a folder that can be written, on a disk with space left",
            fix="give another one with --out",
        ) from error


def _write(tables: Sequence[ResultTable], document: Document, folder: Path) -> ReportFiles:
    plots_folder = folder / "plots"
    plots_folder.mkdir(parents=True, exist_ok=True)
    files, drawings, opened = [], {}, PictureFiles()
    blocks = list(_walk(block for section in document.sections for block in section.blocks))
    side = choose_side([block.grid for block in blocks if isinstance(block, Gallery)])
    for block in blocks:
        if isinstance(block, Plots):
            for plot in block.plots:
                figure = _laid_out(plot.draw())
                files.append(_save(plot, figure, plots_folder))
                drawn = draw_svg(figure)
                (plots_folder / f"{plot.name}.svg").write_text(drawn, encoding="utf-8")
                drawings[plot.name] = embed_svg(drawn, name=plot.name, alt=plot.alt)
        elif isinstance(block, Gallery):
            file = plots_folder / f"{block.name}.png"
            grid = compose_grid(block.grid, side=side, files=opened)
            grid.save(file, format="PNG", compress_level=_PNG_LEVEL)
            files.append(file)
        elif isinstance(block, Flame):
            graph = draw_flame(block.bars, title=block.caption)
            (plots_folder / f"{block.name}.svg").write_text(graph, encoding="utf-8")
    runs = " and ".join(f"run {each.run.id} by benchbench {each.run.benchbench}" for each in tables)
    markdown, html, table_csv = folder / "report.md", folder / "report.html", folder / "table.csv"
    markdown.write_text(write_markdown(document), encoding="utf-8")
    page = write_html(document, drawings=drawings, foot=f"Made from {runs}.", files=opened)
    html.write_text(page, encoding="utf-8")
    tidy_frame(tables).to_csv(table_csv, index=False, lineterminator="\n")
    return ReportFiles(folder=folder, markdown=markdown, html=html, csv=table_csv, plots=tuple(files))


def _walk(blocks: Iterator[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from _walk(iter(block.blocks))


def _laid_out(figure: Figure) -> Figure:
    # The PNG and the SVG are one drawing: its layout, half of the time of each, is made once.
    with plot_style():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def _save(plot: Plot, figure: Figure, folder: Path) -> Path:
    file = folder / f"{plot.name}.png"
    buffer = io.BytesIO()
    with plot_style():
        figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": None})
    file.write_bytes(buffer.getvalue())
    (folder / f"{plot.name}.csv").write_text(write_rows((plot.columns, *plot.records)), encoding="utf-8")
    return file


def _folder_name(tables: Sequence[ResultTable], *, of: str) -> str:
    names = dict.fromkeys(each.suite.name if of == "suite" else each.run.id for each in tables)
    # A run's id comes from a file; it names a folder here and must not lead elsewhere.
    safe = [re.sub(r"[^A-Za-z0-9_.+-]", "_", name).lstrip(".") or "_" for name in names]
    return "+".join(safe)[:120]
