"""A history as one Markdown and one HTML file, with its drawings as SVG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from benchbench.core.errors import StoreError
from benchbench.core.markdown_text import escape
from benchbench.core.store import write_atomically
from benchbench.report.csv_text import write_rows
from benchbench.report.history_blocks import RULE, measure_grid, measure_title, runs_grid, steps_grid
from benchbench.report.history_model import History, MeasureHistory, Series
from benchbench.report.history_plots import draw_history
from benchbench.report.html import finalize
from benchbench.report.markdown import write_grid
from benchbench.report.style import plot_style
from benchbench.report.svg import draw_svg, embed_svg
from benchbench.report.text import choose_scale, file_stem, heading

_TEMPLATES = Path(__file__).parent / "templates"
_MOST_PANELS = 24


@dataclass(frozen=True, slots=True)
class HistoryFiles:
    """Where a history lies."""

    markdown: Path
    html: Path
    csv: Path


@dataclass(frozen=True, slots=True)
class Drawing:
    """One drawing of some cells of a measure: its file's name, its words, and how it is drawn."""

    name: str
    heading: str
    alt: str
    measure: MeasureHistory
    series: tuple[Series, ...]


def write_history(history: History, *, out: str | Path) -> HistoryFiles:
    """Write `<out>/<suite>/history/`; what lies there is replaced.

    Raises:
        StoreError: it cannot be written.
    """
    folder = Path(out) / (re.sub(r"[^A-Za-z0-9_.+-]", "_", history.suite).lstrip(".") or "_") / "history"
    files = HistoryFiles(folder / "history.md", folder / "history.html", folder / "history.csv")
    drawings = tuple(_drawings(history))
    inline = {}
    try:
        (folder / "plots").mkdir(parents=True, exist_ok=True)
        for each in drawings:
            figure = draw_history(history, each.measure, each.series)
            (folder / "plots" / f"{each.name}.svg").write_text(_standalone(figure), encoding="utf-8")
            inline[each.name] = embed_svg(draw_svg(figure), name=each.name, alt=each.alt)
    except OSError as error:
        raise StoreError(
            f"the history cannot be written to '{error.filename or folder}': {error.strerror or error}",
            expected="a folder that can be written, on a disk with space left",
            fix="give another one with --out",
        ) from error
    write_atomically(files.markdown, history_markdown(history, drawings))
    write_atomically(files.html, history_html(history, drawings, inline))
    write_atomically(files.csv, history_csv(history))
    return files


def history_markdown(history: History, drawings: tuple[Drawing, ...]) -> str:
    """The page in Markdown; drawings are named as lying in `plots/` beside it."""
    steps = steps_grid(history)
    lines = [f"# {escape(history.title)}: history", "", escape(RULE), ""]
    lines += [line for told in history.told for line in (f"- {escape(told)}", "")]
    lines += ["## Steps", "", write_grid(steps) if steps.rows else "No step is marked.", ""]
    lines += ["## Measures", ""]
    for measure in history.measures:
        lines += [f"### {escape(measure_title(measure))}", ""]
        if said := _unchanged(measure, len(history.runs)):
            lines += [escape(said), ""]
            continue
        for each in drawings:
            if each.measure is measure:
                lines += [
                    f"![{escape(each.alt)}](plots/{each.name}.svg)",
                    "",
                    f"*{escape(each.heading)}*",
                    "",
                ]
        lines += [write_grid(measure_grid(history, measure)), ""]
    lines += ["## Runs", "", write_grid(runs_grid(history))]
    return "\n".join(lines).rstrip() + "\n"


def history_html(history: History, drawings: tuple[Drawing, ...], inline: dict[str, str]) -> str:
    """The page as one HTML file that loads nothing; every text is escaped."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    measures = [
        (
            measure_title(measure),
            _unchanged(measure, len(history.runs)),
            [each for each in drawings if each.measure is measure],
            measure_grid(history, measure),
        )
        for measure in history.measures
    ]
    return environment.get_template("history.html").render(
        history=history,
        rule=RULE,
        steps=steps_grid(history),
        runs=runs_grid(history),
        measures=measures,
        # Our own drawings; what users named was escaped when drawn.
        inline={name: Markup(drawing) for name, drawing in inline.items()},  # noqa: S704
    )


def history_csv(history: History) -> str:
    """A row per run, cell and measure; values in SI units, nothing rounded."""
    rows: list[tuple[object, ...]] = [
        ("measure", "setting", "declared", "unit", "cell", "run", "started", "machine", "value", "low",
         "high", "protocol", "is_step")
    ]  # fmt: skip
    for measure in history.measures:
        for series in measure.series:
            steps = {marked.run for marked in series.steps}
            for point in series.points:
                run = history.runs[point.run]
                low, high = point.interval or ("", "")
                rows.append(
                    (measure.name, measure.setting, measure.declared, measure.unit, series.cell, run.name,
                     run.started, history.environments[point.environment], point.value, low, high,
                     point.protocol, "yes" if point.run in steps else "no")
                )  # fmt: skip
    return write_rows(rows)


def _drawings(history: History) -> Iterator[Drawing]:
    used: set[str] = set()
    for measure in history.measures:
        if _unchanged(measure, len(history.runs)):
            continue
        # Cells with a step come first: they are what the page is opened for.
        ordered = sorted(measure.series, key=lambda series: not series.steps)
        _, unit = choose_scale((point.value for series in ordered for point in series.points), measure.unit)
        for start in range(0, len(ordered), _MOST_PANELS):
            chosen = tuple(ordered[start : start + _MOST_PANELS])
            name = base = file_stem("history", measure.name, measure.setting, measure.declared)
            number = 2
            while name in used:
                name, number = f"{base}-{number}", number + 1
            used.add(name)
            better = "lower is better" if measure.direction == "lower" else "higher is better"
            said = f"{heading(measure_title(measure), unit)}; {better}"
            marked = [series.cell for series in chosen if series.steps]
            steps = f"steps in {', '.join(marked)}" if marked else "no step"
            yield Drawing(name, said, f"{said}; {len(chosen)} cells over {len(history.runs)} runs, {steps}",
                          measure, chosen)  # fmt: skip


def _unchanged(measure: MeasureHistory, runs: int) -> str:
    if not all(series.is_constant for series in measure.series):
        return ""
    if all(len(series.points) == runs for series in measure.series):
        return "The same in every run, in every cell."
    return "The same in every run that has it, in every cell; not all have it."


def _standalone(figure: Figure) -> str:
    stream = io.StringIO()
    with plot_style():
        figure.savefig(stream, format="svg", facecolor="white", metadata={"Date": None, "Creator": None})
    return stream.getvalue()
