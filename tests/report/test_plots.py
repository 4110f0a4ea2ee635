from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from benchbench.report.curve_blocks import curve_plots
from benchbench.report.curves import draw_curves
from benchbench.report.labels import place_labels
from benchbench.report.plots import draw_gains, draw_stages, draw_tradeoff
from benchbench.report.style import new_figure, plot_style, variant_colour
from benchbench.report.svg import draw_svg, embed_svg
from benchbench.report.views.report import view_report
from benchbench.report.views.structure import StageCost
from benchbench.report.views.training import CurveLine, CurvePanel


def texts_of(axes):
    return [text for text in axes.texts if text.get_text()]


def test_labels_do_not_cover_each_other():
    points = [(0.5, 0.5), (0.52, 0.5), (0.5, 0.53), (0.53, 0.53), (0.9, 0.1)]
    with plot_style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        figure.draw_without_rendering()
        place_labels(axes, points, ["baseline", "v1", "v2", "v3", "alone"], ())
        renderer = figure.canvas.get_renderer()
        boxes = [text.get_window_extent(renderer) for text in texts_of(axes)]
    assert len(boxes) == 5
    for one, other in combinations(boxes, 2):
        assert not one.overlaps(other)
    inside = axes.get_window_extent(renderer)
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)


def test_a_trade_off_labels_every_point_and_draws_the_front(table):
    tradeoff = view_report([table]).tradeoffs[0]
    (axes,) = draw_tradeoff(tradeoff).axes
    assert [text.get_text() for text in texts_of(axes)] == ["baseline", "v1", "v2", "v3"]
    dashed = [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"]
    assert len(dashed) == 1
    assert list(dashed[0].get_xdata()) == pytest.approx([50.7, 57.7, 60.5, 71.3])
    assert axes.get_xlabel() == "latency, ms (cpu, 2 threads)  (← better)"


def test_gains_fit_their_words_into_the_axes(table):
    figure = draw_gains(view_report([table]).gains)
    (axes,) = figure.axes
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    right = axes.get_window_extent(renderer).x1
    assert all(text.get_window_extent(renderer).x1 <= right for text in texts_of(axes))


@pytest.mark.parametrize("of", ["parameters", "macs"])
def test_stage_bars_end_at_the_total(table, of):
    rows = view_report([table]).stages
    (axes,) = draw_stages(rows, of=of).axes
    longest = max(patch.get_x() + patch.get_width() for patch in axes.patches)
    total = sum(getattr(row, of) for row in rows if row.label == "baseline")
    assert longest == pytest.approx(total / (1e6 if of == "parameters" else 1e9))


def test_a_noisy_curve_has_its_running_mean_and_one_legend_entry(table):
    panel = view_report([table]).curves[0]
    figure = draw_curves(panel)
    (axes,) = figure.axes
    faint = [line for line in axes.get_lines() if line.get_alpha() is not None]
    assert len(faint) == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["baseline", "v1", "v2", "v3"]
    spread = [np.std(np.diff(line.get_ydata())) for line in axes.get_lines() if line not in faint]
    assert max(spread) < min(np.std(np.diff(line.get_ydata())) for line in faint)


def test_a_variant_has_one_colour_in_every_plot(table):
    view = view_report([table])
    point = view.tradeoffs[0].points[3]
    curve = next(curve for curve in view.curves[0].curves if curve.label == "v3")
    assert variant_colour(point.colour) == variant_colour(curve.colour)
    assert variant_colour(0) != variant_colour(1)


def test_svg_follows_the_theme_and_keeps_names_as_text(table):
    drawn = embed_svg(draw_svg(draw_tradeoff(view_report([table]).tradeoffs[0])), name="a", alt='x "y" <z>')
    assert drawn.startswith('<svg role="img" aria-label="x &quot;y&quot; &lt;z&gt;"')
    assert "var(--ink)" in drawn
    assert "#1f2328" not in drawn
    assert "<metadata" not in drawn
    assert ">v3</text>" in drawn


def test_a_dollar_sign_is_not_a_formula(table):
    tradeoff = view_report([table]).tradeoffs[0]
    odd = replace(tradeoff, points=tuple(replace(point, label="$a_$ & $") for point in tradeoff.points))
    assert "$a_$ &amp; $" in draw_svg(draw_tradeoff(odd))


def test_a_diverged_an_empty_and_a_single_valued_curve_are_drawn():
    panel = CurvePanel(
        "train/loss",
        "1",
        (
            CurveLine("diverged", 0, 0, tuple(range(200)), (*([2.0] * 150), *([math.nan] * 50))),
            CurveLine("empty", 1, 0, (), ()),
            CurveLine("single", 2, 0, (5,), (1.5,)),
        ),
    )
    (axes,) = draw_curves(panel).axes
    drawn = [line.get_ydata() for line in axes.get_lines() if line.get_alpha() is None]
    assert np.isfinite(drawn[0]).sum() > 100
    assert [len(values) for values in drawn[1:]] == [0, 1]
    assert "empty ends at nothing" in curve_plots([panel])[0].alt


def test_a_wide_range_of_losses_is_on_a_logarithmic_axis():
    falling = CurvePanel("train/loss", "1", (CurveLine("v1", 0, 0, (1, 2, 3), (1000.0, 30.0, 2.0)),))
    (axes,) = draw_curves(falling).axes
    assert axes.get_yscale() == "log"


def test_one_point_is_a_trade_off_without_a_front(table):
    tradeoff = view_report([table]).tradeoffs[1]
    (axes,) = draw_tradeoff(replace(tradeoff, points=tradeoff.points[:1])).axes
    assert [text.get_text() for text in texts_of(axes)] == ["baseline"]
    assert not [line for line in axes.get_lines() if line.get_drawstyle() == "steps-post"]


def test_layers_that_cost_nothing_are_drawn():
    rows = [StageCost("v1", "only", 0, 0.0, 0, 0.0)]
    (axes,) = draw_stages(rows, of="macs").axes
    assert axes.get_xlim() == (0.0, 1.0)


@pytest.mark.parametrize("count", [1, 8, 40])
def test_the_legend_of_many_lines_leaves_the_curves_their_room(count):
    curves = [CurveLine(f"a variant with a long name {at}", at, 0, (0, 1), (1.0, at)) for at in range(count)]
    figure = draw_curves(CurvePanel("score/fd[x]", "1", tuple(curves)))
    figure.canvas.draw()
    (axes,) = figure.axes
    # At least two inches of the page, and none of it under the legend.
    assert axes.get_window_extent().height / figure.dpi > 2
    assert not axes.get_window_extent().overlaps(figure.legends[0].get_window_extent())
