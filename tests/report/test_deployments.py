"""What is said of deployments: ratios from raw samples, the best of each, what a variant is worth in each."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from benchbench.core.cell import Setting
from benchbench.report.deployment_words import best_sentences, gain_sentences
from benchbench.report.views.deployment_gains import every_pair
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio
from benchbench.report.views.lines import group_lines
from benchbench.report.views.report import view_report
from benchbench.report.views.summary import TimeKey


def group_of(*tables):
    (group,) = view_report(tables).deployments
    return group


@pytest.fixture(scope="module")
def group(deployed):
    return group_of(deployed.deployed_table())


def by_hand(top, bottom):
    """Mean over processes of the median log ratio of rounds."""
    logs = [np.log(np.array(a) / np.array(b)) for a, b in zip(top, bottom, strict=True)]
    return math.exp(np.mean([np.median(each) for each in logs]))


def test_a_run_without_deployments_has_no_such_view(table):
    assert view_report([table]).deployments == ()


def test_rows_are_variants_and_columns_deployments_in_the_order_of_the_plan(group, deployed):
    assert group.variants == ("baseline", "v3")
    assert group.ways == tuple(way.label for way in deployed.WAYS)
    assert group.key == TimeKey("latency", "cpu, 2 threads")
    assert (group.name, group.baseline, group.noise) == ("", "baseline", None)


@pytest.mark.parametrize("way", ["compile", "openvino", "openvino int8"])
def test_ratios_are_those_of_the_rounds(group, deployed, way):
    cell = group.cell("v3", way)
    ours = deployed.samples("v3", way)
    for ratio, other in (
        (cell.over_eager, ("v3", "eager")),
        (cell.over_baseline, ("baseline", way)),
        (cell.over_reference, ("baseline", "eager")),
    ):
        assert ratio.value == pytest.approx(by_hand(deployed.samples(*other), ours))
        # Rounds drift by 8 % together; what is left is two times 1 %.
        assert ratio.interval[0] < ratio.value < ratio.interval[1]
        assert ratio.interval[1] / ratio.interval[0] < 1.03


def test_nothing_is_compared_with_itself(group):
    assert group.cell("v3", "eager").over_eager is None
    assert group.cell("baseline", "openvino").over_baseline is None
    eager = group.cell("baseline", "eager")
    assert (eager.over_eager, eager.over_baseline, eager.over_reference) == (None, None, None)


def test_every_pair_is_there_once(group, deployed):
    timed = 2 * len(deployed.WORKING)
    assert len(group.pairs) == timed * (timed - 1) // 2
    assert group.pairs_left_out == 0
    found = {(pair.one.line.label, pair.other.line.label): pair.ratio.value for pair in group.pairs}
    expected = by_hand(deployed.samples("baseline", "compile"), deployed.samples("v3", "openvino"))
    assert found["v3 openvino", "baseline compile"] == pytest.approx(expected)


def test_of_many_lines_there_are_the_pairs_with_eager_and_with_the_baseline(deployed):
    group = group_of(deployed.deployed_table(deployed.many_results()))
    named = {(pair.one.line.label, pair.other.line.label) for pair in group.pairs}
    assert ("v3 a", "v3") in named
    assert ("v3 a", "baseline a") in named
    assert ("v3 a", "baseline") in named
    assert ("v3 a", "v3 b") not in named
    assert len(group.pairs) + group.pairs_left_out == 14 * 13 // 2
    assert len(every_pair(group.cells, group.latency_pairs)) == 14 * 13 // 2


def test_the_best_is_the_fastest_and_float32_stands_beside_it(group):
    best = {each.cells[0].variant: each for each in group.bests}
    assert [cell.way for cell in best["v3"].cells] == ["openvino int8"]
    assert [cell.way for cell in best["v3"].plain] == ["openvino"]


def test_the_sentence_of_the_best_has_the_figures(group, deployed):
    said = {each.label: each.text for each in best_sentences(group).sentences}["v3"]
    fast = deployed.samples("v3", "openvino int8")
    eager = by_hand(deployed.samples("v3", "eager"), fast)
    base = by_hand(deployed.samples("baseline", "eager"), fast)
    assert said.startswith(f"runs best in openvino int8: {np.median(np.concatenate(fast)) * 1e3:.1f} ms, ")
    assert re.search(rf"{eager:.2f}x \[[\d., ]+\] as fast as in eager float32, {base:.2f}x \[", said)
    assert "a PSNR of 31.0 dB" in said
    assert "loss rises from 2.58 to 2.66 (+3.0 % [" in said
    assert ". In float32 best in openvino: 55.1 ms, " in said


def test_two_that_are_not_told_apart_are_both_named(deployed):
    latencies = {**deployed.LATENCY_S, ("v3", "openvino"): 0.0402}
    results = deployed.deployed_results(latencies=latencies)
    # Wide enough that half a percent between the medians is within the interval.
    noisy = [
        each.model_copy(
            update={
                "measurements": tuple(
                    made.model_copy(update={"samples": shaken(made.samples, str(each.cell.label))})
                    if made.name == "latency"
                    else made
                    for made in each.measurements
                )
            }
        )
        for each in results
    ]
    group = group_of(deployed.deployed_table(noisy))
    best = next(each for each in group.bests if each.cells[0].variant == "v3")
    assert {cell.way for cell in best.cells} == {"openvino", "openvino int8"}
    assert all(ratio.is_open for ratio in best.ratios)
    said = best_sentences(group).sentences[1].text
    assert re.search(r", not told apart \([\d.]+x \[[\d., ]+\]\); openvino( int8)? is ", said)
    assert "compile" not in said


def test_what_rounds_say_counts_before_what_medians_say(deployed):
    """In two thirds of the rounds int8 is the faster one, and yet its median is the slower one."""
    quick = tuple(0.04 + 0.0001 * at for at in range(30))
    slow = tuple(each * 0.99 if at % 3 else each * 1.5 for at, each in enumerate(quick))
    chosen = {"openvino": quick, "openvino int8": slow}
    results = [deployed.deployed_result("baseline", deployed.EAGER)]
    for way in (deployed.OPENVINO, deployed.INT8):
        result = deployed.deployed_result("baseline", way)
        rounds = chosen[way.label]
        figures = tuple(
            each.model_copy(update={"samples": (rounds,) * 3, "value": float(np.median(rounds))})
            if each.name == "latency"
            else each
            for each in result.measurements
        )
        results.append(result.model_copy(update={"measurements": figures}))
    group = group_of(deployed.deployed_table(results))
    assert np.median(slow) > np.median(quick)
    assert group.bests[0].cells[0].way == "openvino int8"


def shaken(samples, label):
    random = np.random.default_rng([7, *label.encode()])
    return tuple(tuple(each * math.exp(random.normal(0, 0.15)) for each in process) for process in samples)


def test_what_a_variant_is_worth_in_each_and_how_many_times_as_much(group, deployed):
    (gain,) = group.gains
    assert gain.variant == "v3"
    worth = {way: ratio.value for way, ratio in gain.worth}
    for way in ("eager", "compile", "openvino", "openvino int8"):
        expected = by_hand(deployed.samples("baseline", way), deployed.samples("v3", way))
        assert worth[way] == pytest.approx(expected)
    assert gain.there == ("openvino",)
    product = [
        (
            np.array(deployed.samples("baseline", "openvino"))[process]
            * np.array(deployed.samples("v3", "eager"))[process],
            np.array(deployed.samples("v3", "openvino"))[process]
            * np.array(deployed.samples("baseline", "eager"))[process],
        )
        for process in range(3)
    ]
    apart = by_hand([top for top, _ in product], [bottom for _, bottom in product])
    assert gain.apart.value == pytest.approx(apart)
    (said,) = gain_sentences(group).sentences
    assert f"the same change is worth {apart:.2f}x [" in said.text
    assert said.text.endswith("as much in openvino as in eager")
    assert f"{worth['eager']:.2f}x [" in said.text


def test_no_superlative_where_the_intervals_hold_1(deployed):
    proportional = {
        (name, way): value * (1.0 if name == "baseline" else 0.8)
        for (_, way), value in deployed.LATENCY_S.items()
        for name in ("baseline", "v3")
    }
    for way in ("eager", "compile", "openvino", "openvino int8"):
        proportional["baseline", way] = proportional["v3", way] / 0.8
    results = deployed.deployed_results(latencies=proportional)
    (said,) = gain_sentences(group_of(deployed.deployed_table(results))).sentences
    assert "no measurable difference between deployments" in said.text
    assert "as much in" not in said.text


def test_what_is_slower_is_not_called_faster(deployed):
    latencies = {**deployed.LATENCY_S, ("v3", "compile"): 0.5, ("v3", "openvino"): 0.6}
    latencies["v3", "openvino int8"] = 0.7
    group = group_of(deployed.deployed_table(deployed.deployed_results(latencies=latencies)))
    said = {each.label: each.text for each in best_sentences(group).sentences}["v3"]
    assert said.startswith("runs best in eager: 224 ms, 1.20x [")
    assert "In float32" not in said
    gain = gain_sentences(group).sentences[0].text
    factor = float(re.search(r"is worth ([\d.]+)x \[[\d., ]+\] as much in", gain).group(1))
    assert factor < 1


def test_seeds_are_a_mean_with_the_hull_of_their_intervals(deployed):
    results = [
        deployed.deployed_result(name, way, seed=seed)
        for name in ("baseline", "v3")
        for way in deployed.WORKING
        for seed in (0, 1)
    ]
    group = group_of(deployed.deployed_table(results))
    ratio = group.cell("v3", "openvino").over_eager
    each = [
        by_hand(deployed.samples("v3", "eager", seed=seed), deployed.samples("v3", "openvino", seed=seed))
        for seed in (0, 1)
    ]
    assert ratio.value == pytest.approx(np.mean(each))
    assert ratio.interval[0] < min(each) < max(each) < ratio.interval[1]
    assert best_sentences(group).sentences[0].cautions == ("mean of 2 seeds",)


@pytest.mark.parametrize("damage", ["shape", "protocol", "zero", "none", "nan"])
def test_without_aligned_rounds_there_is_no_interval(deployed, damage):
    result = deployed.deployed_result("v3", deployed.OPENVINO)
    figure = next(each for each in result.measurements if each.name == "latency")
    samples = [list(process) for process in figure.samples]
    changed = {}
    if damage == "shape":
        samples[0].pop()
    elif damage == "protocol":
        changed["protocol"] = figure.protocol.model_copy(update={"name": "other"})
    elif damage in ("zero", "nan"):
        samples[1][3] = 0.0 if damage == "zero" else math.nan
    else:
        samples = []
    changed["samples"] = tuple(map(tuple, samples))
    figures = tuple(
        each.model_copy(update=changed) if each.name == "latency" else each for each in result.measurements
    )
    results = [
        deployed.deployed_result("v3", deployed.EAGER),
        result.model_copy(update={"measurements": figures}),
    ]
    one, other = group_lines([deployed.deployed_table(results)])
    ratio = LatencyPairs(TimeKey("latency", deployed.SETTING), lines=2).speedup(other, over=one)
    assert ratio.interval is None
    assert not ratio.is_open
    assert not ratio.is_clear
    assert ratio.value == pytest.approx(4.06, rel=0.05)


def test_an_inverse_is_the_same_pair_from_the_other_side(deployed):
    lines = group_lines([deployed.deployed_table()])
    pairs = LatencyPairs(TimeKey("latency", deployed.SETTING), lines=2)
    one, other = lines[0], lines[1]
    there, back = pairs.speedup(one, over=other), pairs.speedup(other, over=one)
    assert there.value * back.value == pytest.approx(1)
    assert back == there.inverse
    assert PairedRatio(2.0, None).inverse == PairedRatio(0.5, None)


def test_a_swept_setting_has_a_group_of_its_own_and_no_front_across(deployed):
    results = []
    for width in (16, 32):
        for each in deployed.deployed_results():
            swept = (Setting(key="architecture.width", value=width), *each.cell.settings)
            cell = each.cell.model_copy(update={"settings": swept, "seed": each.cell.seed})
            slower = tuple(
                made.model_copy(
                    update={
                        "value": made.value * width / 16,
                        "samples": tuple(tuple(s * width / 16 for s in chunk) for chunk in made.samples),
                    }
                )
                if made.name == "latency"
                else made
                for made in each.measurements
            )
            results.append(each.model_copy(update={"cell": cell, "measurements": slower}))
    groups = view_report([deployed.deployed_table(results)]).deployments
    assert [group.name for group in groups] == ["architecture.width=16", "architecture.width=32"]
    fronts = [{p.way for p in group.chart.points if p.on_front} for group in groups]
    # All of the second are beaten by one of the first, and yet it has a front.
    assert fronts[0] == fronts[1] != set()


def test_the_front_is_what_no_other_beats(group):
    chart = group.chart
    assert (chart.x.name, chart.y.name) == ("latency", "perceptual_loss")
    front = {point.label for point in chart.points if point.on_front}
    for point in chart.points:
        beaten = any(
            other.x <= point.x and other.y <= point.y and (other.x, other.y) != (point.x, point.y)
            for other in chart.points
        )
        assert (point.label in front) == (not beaten)
    colours = {point.variant: point.colour for point in chart.points}
    assert len({(point.variant, point.colour) for point in chart.points}) == len(colours) == 2
    assert len({point.marker for point in chart.points}) == 4


def test_without_quality_the_chart_is_against_the_psnr_and_then_the_size(deployed):
    bare = [
        each.model_copy(
            update={"measurements": tuple(m for m in each.measurements if m.name != "perceptual_loss")}
        )
        for each in deployed.deployed_results()
    ]
    chart = group_of(deployed.deployed_table(bare)).chart
    assert chart.y.name == "output_psnr"
    assert chart.left_out == ("baseline", "v3")
    smaller = [
        each.model_copy(
            update={"measurements": tuple(m for m in each.measurements if m.name != "output_psnr")}
        )
        for each in bare
    ]
    assert group_of(deployed.deployed_table(smaller)).chart.y.name == "file_size"


def test_a_control_without_1_is_told_before_the_sentences(deployed):
    results = deployed.deployed_results()
    figures = tuple(
        each.model_copy(update={"interval": each.interval.model_copy(update={"low": 1.01, "high": 1.04})})
        if each.name == "aa_control"
        else each
        for each in results[0].measurements
    )
    results[0] = results[0].model_copy(update={"measurements": figures})
    answer = best_sentences(group_of(deployed.deployed_table(results)))
    assert answer.cautions == ("noisy machine: the A/A control [1.01, 1.04] does not hold 1",)


def test_a_failed_baseline_leaves_what_is_left(deployed):
    results = [each for each in deployed.deployed_results() if each.cell.variant == "v3"]
    failed = [
        deployed.broken_result("baseline", way, deployed.SKIPPED)
        for way in (deployed.EAGER, deployed.COMPILE)
    ]
    group = group_of(deployed.deployed_table([*failed, *results]))
    assert group.gains == ()
    (said,) = best_sentences(group).sentences
    assert "as fast as in eager float32" in said.text
    assert "the baseline" not in said.text


def test_nothing_is_best_where_nothing_was_compared(deployed):
    results = [
        each if each.cell.deploy.is_reference else deployed.without(each, "latency", "first_call")
        for each in deployed.deployed_results()
    ]
    said = best_sentences(group_of(deployed.deployed_table(results))).sentences
    assert [each.label for each in said] == ["baseline", "v3"]
    for each in said:
        assert "runs best" not in each.text
        assert each.text.startswith("was timed in eager alone, ")
        assert each.text.endswith("none of its deployments was")
