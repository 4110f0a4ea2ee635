"""Everything that a report shows, as typed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.measurement import ResultTable
from benchbench.core.profile_reading import ProfilesRead
from benchbench.core.suite import Suite
from benchbench.report.views.absent import AbsentRow, absent_rows
from benchbench.report.views.costs import CostRow, cost_rows
from benchbench.report.views.deployment_model import DeploymentGroup
from benchbench.report.views.deployments import deployment_groups
from benchbench.report.views.lines import Line, group_lines
from benchbench.report.views.paper import PaperRow, paper_rows
from benchbench.report.views.pictures import PictureGrid, picture_grids, picture_indices
from benchbench.report.views.profiles import ProfilesView, view_profiles
from benchbench.report.views.provenance import (
    ControlRow,
    FailureRow,
    ProtocolRow,
    RunView,
    control_rows,
    failure_rows,
    protocol_rows,
    run_view,
)
from benchbench.report.views.quality import QualityColumn, quality_columns
from benchbench.report.views.structure import Replaced, StageCost, replaced_layers, stage_costs
from benchbench.report.views.summary import SummaryRow, TimeKey, summary_rows, time_keys
from benchbench.report.views.tradeoff import GainRow, Tradeoff, gain_rows, tradeoffs
from benchbench.report.views.training import CurvePanel, curve_panels


@dataclass(frozen=True, slots=True)
class ReportView:
    """The rows of each part of a report; `suites` holds each run's suite, in the order of the runs.

    What a network has whichever way it is run (counts, structure, training, pictures) is told of eager
    float32 alone, and so is the main table; `deployments` and `lines` have the others as well.
    """

    suites: tuple[Suite, ...]
    lines: tuple[Line, ...]
    times: tuple[TimeKey, ...]
    qualities: tuple[QualityColumn, ...]
    summary: tuple[SummaryRow, ...]
    paper: tuple[PaperRow, ...]
    tradeoffs: tuple[Tradeoff, ...]
    gains: tuple[GainRow, ...]
    costs: tuple[CostRow, ...]
    curves: tuple[CurvePanel, ...]
    pictures: tuple[PictureGrid, ...]
    picture_indices: tuple[int, ...]
    stages: tuple[StageCost, ...]
    replaced: tuple[Replaced, ...]
    failures: tuple[FailureRow, ...]
    absent: tuple[AbsentRow, ...]
    protocols: tuple[ProtocolRow, ...]
    controls: tuple[ControlRow, ...]
    runs: tuple[RunView, ...]
    profiles: ProfilesView | None = None
    deployments: tuple[DeploymentGroup, ...] = ()


def view_report(tables: Sequence[ResultTable], profiles: ProfilesRead | None = None) -> ReportView:
    """The rows of a report on one or several runs, and of what was profiled of their networks.

    Raises:
        StoreError: no table was given.
    """
    lines = group_lines(tables)
    networks = tuple(line for line in lines if line.deployment.is_reference)
    times, qualities = time_keys(networks), quality_columns(networks)
    summary = summary_rows(networks)
    return ReportView(
        suites=tuple(table.suite for table in tables),
        lines=lines,
        times=times,
        qualities=qualities,
        summary=summary,
        paper=paper_rows(tables, networks),
        tradeoffs=tradeoffs(networks, times, [each.key for each in qualities]),
        gains=gain_rows(summary),
        costs=cost_rows(tables, networks),
        curves=curve_panels(networks),
        pictures=picture_grids(tables, networks),
        picture_indices=picture_indices(networks),
        stages=stage_costs(networks),
        replaced=replaced_layers(networks),
        failures=failure_rows(lines),
        absent=absent_rows(tables),
        protocols=protocol_rows(lines),
        controls=control_rows(lines),
        runs=tuple(run_view(table) for table in tables),
        profiles=view_profiles(networks, profiles),
        deployments=deployment_groups(lines, qualities, [table.run.id for table in tables]),
    )
