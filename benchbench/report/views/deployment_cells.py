"""One variant in one deployment: its figures, and what they are compared with."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from benchbench.core.measurement import Failure
from benchbench.core.visible import on_one_line
from benchbench.report.views.deployment_model import DeployedCell, JudgedQuality
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio
from benchbench.report.views.lines import Estimate, Line, estimate, find_figure, settings_of
from benchbench.report.views.quality import QualityColumn, quality_ratio
from benchbench.report.views.quality_keys import QualityKey
from benchbench.report.views.summary import TimeKey

# Taken with the latency, at its setting.
_TIMED = frozenset({"first_call", "cold_start"})


def deployed_cell(
    line: Line,
    lines: Sequence[Line],
    key: TimeKey | None,
    pairs: LatencyPairs | None,
    columns: Sequence[QualityColumn],
    baseline: Line | None,
    *,
    timed: Collection[str],
) -> DeployedCell:
    """The cell of `line`, one of the `lines` that are compared.

    Args:
        line: its own.
        lines: all of one group.
        key: how the group was timed; None where nothing was.
        pairs: its ratios.
        columns: the qualities that are shown.
        baseline: the group's in eager float32.
        timed: the settings of every way of timing that the lines have.
    """
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
    made = {name: _figure(line, name, key, timed) for name in names}
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
        untimed=_why_untimed([each for each in failures if each.of == "latency"], key),
    )


def _way(line: Line) -> str:
    # An option's value may be any text.
    return on_one_line(line.deployment.label)


def _figure(line: Line, name: str, key: TimeKey | None, timed: Collection[str]) -> Estimate | None:
    """That of the timing; one that was made at none of the timed settings is every group's."""
    if key is None:
        return estimate(line.results, name)
    made = settings_of([line], name)
    if key.setting in made:
        return estimate(line.results, name, key.setting)
    common = [] if name in _TIMED else [each for each in made if each not in timed]
    return estimate(line.results, name, common[0]) if common else None


def _why_untimed(failures: Sequence[Failure], key: TimeKey | None) -> Failure | None:
    """Of one that this machine skipped at one setting, and that failed at another, the one of `key`.

    A failure has no setting of its own, and a skipped one opens with it.
    """
    here = [each for each in failures if key is not None and each.reason.startswith(f"{key.setting}: ")]
    return next(iter((*here, *(each for each in failures if each.kind != "skipped"), *failures)), None)


def _judge(line: Line, key: QualityKey, eager: Line | None, column: QualityColumn) -> JudgedQuality | None:
    figure = key.over(line.results)
    if figure is None:
        return None
    own = None if eager is None or eager is line else key.over(eager.results)
    own = own if own is not None and figure.is_comparable(own) else None
    change = None if own is None or line.is_baseline else quality_ratio(line, line.results, key, eager)
    return JudgedQuality(column, figure, own, change)
