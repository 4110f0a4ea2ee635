from __future__ import annotations

import pytest

from benchbench.report.views.lines import group_lines
from benchbench.report.views.report import view_report
from benchbench.report.views.summary import summary_rows


def snapshot(rows):
    return [
        (
            row.label,
            row.level,
            row.parameters and row.parameters.value,
            row.parameters_change and round(row.parameters_change, 4),
            row.macs_ratio and round(row.macs_ratio, 3),
            [time.speedup and round(time.speedup.value, 3) for time in row.times],
            [time.roof_share and round(time.roof_share, 3) for time in row.times],
            row.failure and row.failure.kind,
        )
        for row in rows
    ]


def test_rows_of_the_synthetic_run(table):
    assert snapshot(view_report([table]).summary) == [
        ("baseline", "line", 1679235, None, None, [None], [0.643], None),
        ("v1", "line", 381315, -0.7729, 2.119, [1.179], [0.357], None),
        ("v2", "line", 292796, -0.8256, 2.695, [1.236], [0.295], None),
        ("v3", "line", 207865, -0.8762, 7.659, [1.406], [0.118], None),
        ("wide", "line", None, None, None, [None], [None], "diverged"),
    ]


def test_several_seeds_stand_below_their_mean(factory):
    results = [factory.make_result("baseline", seed=0), factory.make_result("baseline", seed=1)]
    rows = summary_rows(group_lines([factory.make_table(results=results)]))
    assert [(row.label, row.level) for row in rows] == [
        ("baseline", "line"),
        ("seed 0", "seed"),
        ("seed 1", "seed"),
    ]


def test_quality_is_found_from_the_data_and_cost_is_not_quality(factory):
    result = factory.make_result("baseline")
    score = factory.figure("fd[rand-conv-512]", 12.5, protocol=result.measurements[-1].protocol)
    memory = factory.figure("peak_resident", 2e9, "B")
    result = result.model_copy(update={"measurements": (score, memory, *result.measurements)})
    view = view_report([factory.make_table(results=[result])])
    assert [column.key.name for column in view.qualities] == [
        "perceptual_loss",
        "fd[rand-conv-512]",
        "content_loss",
    ]


def test_the_roof_of_another_run_is_not_used(factory):
    first = factory.make_table(results=[factory.make_result("baseline")], run_id="a")
    second = factory.make_table(results=[factory.make_result("v1")], run_id="b")
    rows = view_report([first, second]).summary
    assert rows[0].times[0].roof_share is not None
    assert rows[1].label == "v1 (b)"
    assert rows[1].times[0].roof_share is None
    assert rows[1].macs_ratio is None


@pytest.mark.parametrize(("control", "noisy"), [((0.98, 1.01), False), ((1.02, 1.05), True)])
def test_a_control_without_1_is_noise(factory, control, noisy):
    results = [factory.make_result("baseline", control=control), factory.make_result("v1")]
    rows = view_report([factory.make_table(results=results)]).summary
    assert rows[1].times[0].is_noisy is noisy
