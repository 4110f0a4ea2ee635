"""Ways to run networks side by side: what each costs, gains and changes, within what may be compared."""

from __future__ import annotations

from collections.abc import Sequence

from benchbench.report.views.deployment_cells import deployed_cell
from benchbench.report.views.deployment_chart import chart_of
from benchbench.report.views.deployment_gains import best_of, chosen_pairs, every_pair, gain_of
from benchbench.report.views.deployment_model import DeploymentGroup
from benchbench.report.views.latency_pairs import LatencyPairs
from benchbench.report.views.lines import Line, estimate
from benchbench.report.views.quality import QualityColumn
from benchbench.report.views.quality_keys import main_keys
from benchbench.report.views.summary import CONTROLS, TimeKey, holds, time_keys

ALL_PAIRS = 12
"""Up to so many lines a report has every pair; of more, those with eager float32 and with the baseline."""


def deployment_groups(
    lines: Sequence[Line], qualities: Sequence[QualityColumn], run_ids: Sequence[str]
) -> tuple[DeploymentGroup, ...]:
    """A group per comparison that has deployed lines, and way of timing; none where no line is deployed."""
    compared: dict[object, list[Line]] = {}
    for line in lines:
        compared.setdefault(line.compared_with, []).append(line)
    deployed = [each for each in compared.values() if any(not line.deployment.is_reference for line in each)]
    chosen = main_keys([column.key for column in qualities])
    columns = [column for column in qualities if column.key in chosen]
    return tuple(
        _group(members, key, keys, columns, name=_name(members[0], run_ids) if len(deployed) > 1 else "")
        for members in deployed
        for keys in (time_keys(members),)
        for key in (keys or (None,))
    )


def _name(line: Line, run_ids: Sequence[str]) -> str:
    run = [run_ids[line.run]] if len(run_ids) > 1 else []
    return ", ".join([*run, *([line.group] if line.group else []), *map(str, line.settings)]) or "no group"


def _group(
    lines: Sequence[Line],
    key: TimeKey | None,
    keys: Sequence[TimeKey],
    columns: Sequence[QualityColumn],
    *,
    name: str,
) -> DeploymentGroup:
    baseline = next((line for line in lines if line.is_baseline), None)
    pairs = None if key is None else LatencyPairs(key, lines=len(lines))
    # What was made at no setting at all belongs to every way of timing.
    settings = {each.setting for each in keys if each.setting}
    cells = tuple(deployed_cell(line, lines, key, pairs, columns, baseline, timed=settings) for line in lines)
    timed = [each for each in cells if each.latency is not None]
    variants = tuple(dict.fromkeys(each.variant for each in cells))
    of_variant = {name: [each for each in timed if each.variant == name] for name in variants}
    base = [] if baseline is None else of_variant[baseline.variant]
    take = every_pair if len(timed) <= ALL_PAIRS else chosen_pairs
    shown = () if pairs is None else take(timed, pairs)
    control = (
        estimate(baseline.results, CONTROLS[key.name], key.setting)
        if baseline is not None and key is not None
        else None
    )
    return DeploymentGroup(
        name=name,
        key=key,
        baseline=baseline.variant if baseline is not None else "",
        variants=variants,
        ways=tuple(dict.fromkeys(each.way for each in cells)),
        cells=cells,
        bests=tuple(best_of(each, pairs) for each in of_variant.values() if each and pairs),
        gains=tuple(
            gain
            for each in of_variant.values()
            if pairs and each is not base and (gain := gain_of(each, base, pairs)) is not None
        ),
        pairs=shown,
        pairs_left_out=len(timed) * (len(timed) - 1) // 2 - len(shown) if pairs else 0,
        chart=chart_of(timed, columns),
        noise=control.interval if control is not None and not holds(control, 1.0) else None,
        latency_pairs=pairs,
    )
