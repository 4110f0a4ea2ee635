"""Curves of several seeds: every point stays, and scores get their mean and deviation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from benchbench.core.measurement import Curve
from benchbench.report.curve_blocks import curve_plots
from benchbench.report.curves import draw_curves
from benchbench.report.views.lines import group_lines
from benchbench.report.views.training import CurveLine, CurvePanel, curve_panels, mean_curve

FID = "score/fid"
# v1's seed 1 was scored at step 25 as well, and ended at step 20.
SCORES = {
    ("baseline", 0): {10: 90.0, 20: 60.0, 30: 40.0},
    ("baseline", 1): {10: 96.0, 20: 62.0, 30: 43.0},
    ("baseline", 2): {10: 102.0, 20: 67.0, 30: 49.0},
    ("v1", 0): {10: 80.0, 20: 50.0, 30: 30.0},
    ("v1", 1): {10: 84.0, 15: 66.0, 20: 51.0},
}


def seed(number, values, *, label="v1"):
    return CurveLine(label, 1, number, tuple(values), tuple(values.values()))


def panels(factory, scores):
    results = []
    for (variant, number), values in scores.items():
        result = factory.make_result(variant, seed=number)
        curve = Curve(name=FID, steps=tuple(values), values=tuple(values.values()))
        results.append(result.model_copy(update={"curves": (*result.curves, curve)}))
    return {each.name: each for each in curve_panels(group_lines([factory.make_table(results=results)]))}


def drawn(panel):
    figure = draw_curves(panel)
    (axes,) = figure.axes
    return axes, [text.get_text() for text in figure.legends[0].get_texts()]


def test_mean_and_sample_deviation_at_every_step():
    mean = mean_curve([seed(0, {1: 2.0, 2: 1.0}), seed(3, {1: 4.0, 2: 1.0}), seed(5, {1: 9.0, 2: 4.0})])
    assert (mean.label, mean.colour, mean.seeds, mean.steps) == ("v1", 1, (0, 3, 5), (1, 2))
    assert mean.values == (5.0, 2.0)
    assert mean.deviations == pytest.approx((math.sqrt(13.0), math.sqrt(3.0)))


def test_the_mean_is_where_all_seeds_have_a_number():
    first = seed(0, {10: 1.0, 20: 2.0, 30: 3.0, 40: math.inf})
    other = seed(1, {10: 3.0, 15: 9.0, 20: math.nan, 30: 5.0, 40: 1.0})
    mean = mean_curve([first, other])
    assert (mean.steps, mean.values) == ((10, 30), (2.0, 4.0))


@pytest.mark.parametrize(
    "curves",
    [
        [seed(0, {1: 2.0})],
        [seed(0, {1: 2.0}), seed(1, {2: 2.0})],
        [seed(0, {1: 2.0}), seed(1, {})],
        [seed(0, {1: 2.0}), seed(1, {1: math.nan})],
        [],
    ],
)
def test_no_mean_of_one_seed_or_of_no_common_step(curves):
    assert mean_curve(curves) is None


def test_a_seed_that_has_nothing_is_not_counted():
    assert mean_curve([seed(0, {1: 2.0}), seed(1, {}), seed(2, {1: 4.0})]).seeds == (0, 2)


def test_scores_alone_have_means_and_each_line_its_own(factory):
    found = panels(factory, SCORES)
    assert {name for name, panel in found.items() if panel.means} == {FID}
    assert [(mean.label, mean.seeds) for mean in found[FID].means] == [
        ("baseline", (0, 1, 2)),
        ("v1", (0, 1)),
    ]
    assert found[FID].means[0].values == pytest.approx((96.0, 63.0, 44.0))
    assert found[FID].means[0].deviations == pytest.approx((6.0, math.sqrt(13.0), math.sqrt(21.0)))
    assert found[FID].means[1].steps == (10, 20)
    assert len(found[FID].curves) == 5


def test_every_point_is_drawn_below_one_mean_with_its_band(factory):
    panel = panels(factory, SCORES)[FID]
    axes, legend = drawn(panel)
    assert legend == ["baseline", "v1"]
    thin = [line for line in axes.get_lines() if line.get_alpha() is not None]
    assert [dict(zip(*line.get_data(), strict=True)) for line in thin] == list(SCORES.values())
    assert all(line.get_marker() not in ("None", None) for line in thin)
    thick = [line for line in axes.get_lines() if line.get_alpha() is None]
    assert [list(line.get_ydata()) for line in thick] == [pytest.approx(m.values) for m in panel.means]
    assert min(line.get_linewidth() for line in thick) > max(line.get_linewidth() for line in thin)
    bands = [each for each in axes.collections if isinstance(each, PolyCollection)]
    heights = [band.get_paths()[0].vertices[:, 1] for band in bands]
    assert [(float(np.min(each)), float(np.max(each))) for each in heights] == [
        (pytest.approx(44.0 - math.sqrt(21.0)), pytest.approx(102.0)),
        (pytest.approx(50.5 - math.sqrt(0.5)), pytest.approx(82.0 + math.sqrt(8.0))),
    ]


def test_one_seed_is_drawn_as_a_line_and_losses_of_several_share_a_legend_entry(factory):
    one = {key: values for key, values in SCORES.items() if key[1] == 0}
    axes, legend = drawn(panels(factory, one)[FID])
    assert legend == ["baseline", "v1"]
    assert [line.get_alpha() for line in axes.get_lines()] == [None, None]
    assert not axes.collections
    axes, legend = drawn(panels(factory, SCORES)["validation/loss"])
    assert legend == ["baseline", "v1"]
    assert len(axes.get_lines()) == 5


def test_a_band_below_0_leaves_a_logarithmic_axis_its_numbers():
    curves = (seed(0, {1: 4000.0, 2: 200.0}), seed(1, {1: 4100.0, 2: 1.0}))
    panel = CurvePanel(FID, "1", curves, (mean_curve(curves),))
    axes, _ = drawn(panel)
    axes.figure.canvas.draw()
    assert axes.get_yscale() == "log"
    assert 0.1 < axes.get_ylim()[0] < 1.0


def test_caption_and_alternative_text_say_what_the_band_is(factory):
    panel = panels(factory, SCORES)[FID]
    (plot,) = curve_plots([panel])
    assert plot.caption == (
        "FID over training steps. Thick: the mean of the seeds (baseline 3, v1 2), at the steps that all of "
        "them have; band: ± one standard deviation over the seeds (n − 1); thin: each seed."
    )
    assert plot.alt == (
        "FID: baseline ends at 44.00 ± 4.6 (mean of 3 seeds, step 30); "
        "v1 ends at 50.50 ± 0.71 (mean of 2 seeds, step 20)"
    )
    two = {key: values for key, values in SCORES.items() if key[1] < 2}
    (plot,) = curve_plots([panels(factory, two)[FID]])
    assert "Thick: the mean of 2 seeds, at" in plot.caption
    (plot,) = curve_plots([panels(factory, {("v1", 0): {10: 80.0}})[FID]])
    assert plot.caption == "FID over training steps."


def test_the_data_have_mean_and_deviation_beside_each_seed_and_the_records_every_point(factory):
    (plot,) = curve_plots([panels(factory, SCORES)[FID]])
    assert [column.title for column in plot.table.columns] == [
        "step",
        "baseline, mean ± deviation",
        "baseline, seed 0",
        "baseline, seed 1",
        "baseline, seed 2",
        "v1, mean ± deviation",
        "v1, seed 0",
        "v1, seed 1",
    ]
    rows = [[item.text for item in row.items] for row in plot.table.rows]
    assert rows[0] == ["10", "96.00 ± 6.0", "90.00", "96.00", "102.0", "82.00 ± 2.8", "80.00", "84.00"]
    assert rows[1] == ["15", "–", "–", "–", "–", "–", "–", "66.00"]
    assert rows[3] == ["30", "44.00 ± 4.6", "40.00", "43.00", "49.00", "–", "30.00", "–"]
    assert plot.columns == ("variant", "seed", "step", FID)
    assert plot.records == tuple(
        (variant, number, step, value)
        for (variant, number), values in SCORES.items()
        for step, value in values.items()
    )
