"""The smaller views: the paper, trade-offs, structure, pictures, provenance."""

from __future__ import annotations

import pytest

from benchbench.core.measurement import CellResult, ImageRecord, Protocol
from benchbench.report.provenance_blocks import protocol_blocks
from benchbench.report.views.lines import group_lines
from benchbench.report.views.pictures import picture_grids
from benchbench.report.views.provenance import run_view
from benchbench.report.views.report import view_report
from benchbench.report.views.tradeoff import TradePoint, pareto_front


def test_counts_are_equal_or_differ_and_times_are_of_another_machine(table):
    verdicts = {(row.label, row.measure): row.verdict for row in view_report([table]).paper}
    assert verdicts["v1", "parameters"] == "equal"
    assert verdicts["v3", "parameters"] == "differs"
    assert verdicts["v1", "latency"] == "other machine"
    row = next(row for row in view_report([table]).paper if (row.label, row.measure) == ("v3", "parameters"))
    assert row.difference == pytest.approx(865 / 207000)
    assert row.note == "printed as 0.207M"


def test_an_expected_figure_that_was_not_measured_is_a_row(factory):
    rows = view_report([factory.make_table(results=[factory.make_result("baseline")])]).paper
    missing = [row for row in rows if row.label == "v3"]
    assert [row.verdict for row in missing] == ["missing"] * 3
    assert all(row.ours is None for row in missing)


def point(label, x, y):
    return TradePoint(label, 0, False, x, None, y, None)


def test_the_front_is_what_nothing_else_beats():
    points = [point("a", 1, 5), point("b", 2, 3), point("c", 3, 4), point("d", 4, 1), point("twin", 4, 1)]
    assert [each.label for each in pareto_front(points, y_direction="lower") if each.on_front] == [
        "a",
        "b",
        "d",
        "twin",
    ]
    assert [each.label for each in pareto_front(points, y_direction="higher") if each.on_front] == ["a"]


def test_without_quality_latency_stands_against_macs(factory, table):
    assert [plot.x.name for plot in view_report([table]).tradeoffs] == ["latency", "macs", "parameters"]
    bare = [
        result.model_copy(
            update={"measurements": tuple(e for e in result.measurements if not e.name.endswith("loss"))}
        )
        for result in table.results
    ]
    plots = view_report([factory.make_table(results=bare)]).tradeoffs
    assert [(plot.x.name, plot.y.name) for plot in plots] == [("macs", "latency")]


def test_gains_begin_with_the_baseline(table):
    gains = view_report([table]).gains
    assert [gain.label for gain in gains] == ["baseline", "v1", "v2", "v3"]
    assert gains[0].macs_ratio == 1.0
    assert gains[3].roof_share == pytest.approx(1315897344 / 0.0507 / 2.2e11)


def test_stage_shares_and_layers_of_no_stage(factory):
    result = factory.make_result("v1")
    layers = (result.layers[0], result.layers[1].model_copy(update={"stage": None}))
    rows = view_report([factory.make_table(results=[result.model_copy(update={"layers": layers})])]).stages
    assert [row.stage for row in rows] == ["encoder", "other"]
    assert sum(row.macs_share for row in rows) == pytest.approx(1.0)


def test_declined_layers_keep_their_reason(table):
    last = view_report([table]).replaced[-1]
    assert (last.label, len(last.done), len(last.declined)) == ("v3", 3, 1)
    assert last.declined[0].reason == "1x1: nothing to separate"


def test_pictures_are_content_style_earliest_and_latest(table):
    grids = view_report([table]).pictures
    assert [grid.index for grid in grids] == [0, 1]
    row = grids[1].rows[0]
    assert [picture.heading for picture in row.pictures] == [
        "content",
        "style",
        "early (step 20)",
        "final (step 200)",
    ]
    assert all(picture.file is not None for picture in row.pictures)


def pictures_of(factory, tmp_path, *images, folder=None):
    result = factory.make_result("v1").model_copy(update={"images": images})
    made = factory.make_table(results=[result]).model_copy(update={"folder": folder or str(tmp_path)})
    return picture_grids([made], group_lines([made]))[0].rows[0].pictures


def test_a_missing_picture_says_so(factory, tmp_path):
    (picture,) = pictures_of(factory, tmp_path, ImageRecord(path="gone.png", role="output", step=3))
    assert picture.file is None
    assert picture.missing == "gone.png: the file is missing"


def test_a_picture_outside_of_the_run_is_not_shown(factory, tmp_path):
    inner = tmp_path / "run"
    inner.mkdir()
    (tmp_path / "private.png").write_bytes(b"x")
    image = ImageRecord(path="../private.png", role="output")
    (picture,) = pictures_of(factory, tmp_path, image, folder=str(inner))
    assert picture.file is None
    assert picture.missing == "../private.png: outside of the run's folder"


def test_overhead_is_the_time_outside(table):
    run = run_view(table)
    assert run.total_s == 333.0
    assert run.overhead_share == pytest.approx((4 + 2 + 3) / 333)
    assert [round(phase.share, 3) for phase in run.phases] == [0.721, 0.27, 0.009]


def test_what_the_machine_did_not_say_is_unknown(table):
    facts = {fact.name: fact.value for fact in run_view(table).facts}
    assert facts["governor"] == "unknown"
    assert facts["gpus"] == "none found"
    assert facts["memory"] == "8.00 GiB"
    assert facts["load before"] == "load 1min 0.4, pressure cpu some 10s unknown, steal share unknown"


def test_failures_of_cells_and_measures(table):
    rows = view_report([table]).failures
    assert [(row.label, row.failure.of, row.failure.kind) for row in rows] == [
        ("baseline", "latency", "skipped"),
        ("wide", "cell", "diverged"),
    ]


def test_protocols_are_listed_once_with_every_measure(table):
    rows = view_report([table]).protocols
    assert [row.name for row in rows] == ["closed_form", "paired", "perceptual", "training"]
    assert "speedup (cpu, 2 threads)" in rows[1].measures
    assert "replicates = 3" in rows[1].settings


def test_the_control_is_quiet(table):
    (row,) = view_report([table]).controls
    assert row.meaning == "quiet"


@pytest.mark.parametrize(
    ("interval", "asked", "meaning"),
    [
        ((0.97, 1.03), 0.02, "quiet"),
        ((0.95, 1.05), 0.02, "wide"),
        ((0.95, 1.05), 0.05, "quiet"),
        ((0.95, 1.05), None, "quiet"),
        ((0.88, 1.14), None, "wide"),
        ((0.5587, 1.980), 0.02, "wide"),
        ((0.0, 2.0), None, "wide"),
        ((1.01, 1.03), 0.02, "noisy"),
    ],
)
def test_a_control_that_holds_1_and_is_wide_says_nothing(factory, interval, asked, meaning):
    result = factory.make_result("baseline", control=interval)
    settings = {} if asked is None else {"half_width": asked}
    protocol = Protocol.model_validate({"name": "paired", "settings": settings})
    figures = tuple(
        each.model_copy(update={"protocol": protocol}) if each.name == "aa_control" else each
        for each in result.measurements
    )
    table = factory.make_table(results=[result.model_copy(update={"measurements": figures})])
    (row,) = view_report([table]).controls
    assert row.meaning == meaning
    (_, grid, *_) = protocol_blocks(view_report([table]))
    said = grid.rows[0].items[-1]
    assert ("too wide to say that the machine was quiet" in said.text) == (meaning == "wide")
    assert (said.mark == "bad") == (meaning in ("wide", "noisy"))


def test_a_run_without_results_has_empty_views(factory):
    empty: tuple[CellResult, ...] = ()
    view = view_report([factory.make_table(results=empty)])
    assert view.lines == ()
    assert view.tradeoffs == ()
