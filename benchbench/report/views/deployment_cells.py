"""One variant in one deployment: its figures, and what they are compared with."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.core.visible import on_one_line
from benchbench.report.views.deployment_model import DeployedCell, JudgedQuality
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio
from benchbench.report.views.lines import Line, estimate, find_figure
from benchbench.report.views.quality import QualityColumn, quality_ratio
from benchbench.report.views.quality_keys import QualityKey
from benchbench.report.views.summary import TimeKey


def deployed_cell(
    line: Line,
    lines: Sequence[Line],
    key: TimeKey | None,
    pairs: LatencyPairs | None,
    columns: Sequence[QualityColumn],
    baseline: Line | None,
) -> DeployedCell:
    """The cell of `line`, one of the `lines` that are compared; `baseline` is theirs in eager float32."""
    alike = [each for each in lines if each.variant == line.variant]
    eager = next((each for each in alike if each.deployment.is_reference), None)
    way = _way(line)
    there = next(
        (each for each in lines if baseline and each.variant == baseline.variant and _way(each) == way), None
    )

    def over(other: Line | None) -> PairedRatio | None:
        return None if pairs is None or other is None or other is line else pairs.speedup(line, over=other)

    failures = [each for result in line.results for each in result.failures]
    names = dict.fromkeys(each.name for result in line.results for each in result.measurements)
    made = {name: estimate(line.results, name, _setting(line, name, key)) for name in names}
    return DeployedCell(
        line=line,
        variant=line.variant,
        way=way,
        latency=None if key is None else estimate(line.results, key.name, key.setting),
        over_eager=over(eager),
        over_baseline=over(there) if there is not None and there.variant != line.variant else None,
        over_reference=over(baseline),
        figures={name: each for name, each in made.items() if each is not None},
        agreement=next(
            (
                each
                for result in line.results
                if (each := find_figure(result, "output_max_abs", None, declared={})) is not None
            ),
            None,
        ),
        qualities=tuple(
            judged for column in columns if (judged := _judge(line, column.key, eager, column)) is not None
        ),
        record=next((each.deployment for each in line.results if each.deployment is not None), None),
        failure=next((each for each in failures if each.of == "cell"), None),
        untimed=next((each for each in failures if each.of == "latency"), None),
    )


def _way(line: Line) -> str:
    # An option's value may be any text.
    return on_one_line(line.deployment.label)


def _setting(line: Line, name: str, key: TimeKey | None) -> str | None:
    """That of the timing, where the figure was made at it."""
    wanted = None if key is None else key.setting
    made = (each for result in line.results for each in result.measurements if each.name == name)
    return wanted if any(each.setting == wanted for each in made) else None


def _judge(line: Line, key: QualityKey, eager: Line | None, column: QualityColumn) -> JudgedQuality | None:
    figure = key.over(line.results)
    if figure is None:
        return None
    own = None if eager is None or eager is line else key.over(eager.results)
    own = own if own is not None and figure.is_comparable(own) else None
    change = None if own is None or line.is_baseline else quality_ratio(line, line.results, key, eager)
    return JudgedQuality(column, figure, own, change)
