"""Which ratios of deployments are paired, over which seeds, and what is said where they are not."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from benchbench.core.measurement import Protocol
from benchbench.report.deployment_blocks import deployment_blocks
from benchbench.report.deployment_grids import full_grid
from benchbench.report.deployment_tables import pair_grid
from benchbench.report.deployment_words import best_sentences, gain_sentences
from benchbench.report.document import Fold, Notes, Paragraph
from benchbench.report.export import export
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio
from benchbench.report.views.lines import group_lines
from benchbench.report.views.report import view_report
from benchbench.report.views.summary import TimeKey

DRIFT = "not interleaved: a drift of the machine is in this ratio"
ONE_AFTER_THE_OTHER = Protocol(name="latency/gan_compression", settings={"device": "cpu"})


def group_of(table):
    (group,) = view_report([table]).deployments
    return group


def paragraphs(group):
    found = deployment_blocks([group], Notes())
    inner = [each for block in found if isinstance(block, Fold) for each in block.blocks]
    return [each.text for each in (*found, *inner) if isinstance(each, Paragraph)]


@pytest.fixture(scope="module")
def one_after_the_other(deployed):
    """The run by GAN Compression's protocol: as many samples of each, and none of them side by side."""
    results = [
        deployed.changed(deployed.sped_up(each, DRIFT), "latency", protocol=ONE_AFTER_THE_OTHER)
        for each in deployed.deployed_results()
    ]
    return deployed.deployed_table(results)


@pytest.fixture(scope="module")
def seeds(deployed):
    """Two seeds; in the second v3 in openvino is half as fast, and in both all others as ever."""
    slower = {**deployed.LATENCY_S, ("v3", "openvino"): 2 * deployed.LATENCY_S["v3", "openvino"]}
    return [
        deployed.deployed_result(name, way, seed=seed, latencies=latencies)
        for name in ("baseline", "v3")
        for way in deployed.WORKING
        for seed, latencies in ((0, deployed.LATENCY_S), (1, slower))
    ]


def test_what_was_timed_one_after_the_other_is_not_paired(deployed, one_after_the_other):
    group = group_of(one_after_the_other)
    ratio = group.cell("v3", "openvino").over_eager
    medians = [np.median(np.concatenate(deployed.samples("v3", way))) for way in ("eager", "openvino")]
    assert ratio.value == pytest.approx(medians[0] / medians[1])
    assert (ratio.interval, ratio.flags) == (None, (DRIFT,))
    assert {row.items[3].text for row in pair_grid(group.pairs).rows} == {"not known"}


def test_the_section_does_not_call_it_paired_nor_told_apart(one_after_the_other):
    group = group_of(one_after_the_other)
    said = " ".join(paragraphs(group))
    assert "each ratio is paired" not in said
    assert "One without is of medians: the two were timed one after the other" in said
    assert "(baseline), of medians, without intervals; the size" in said
    best = {each.label: each for each in best_sentences(group).sentences}["v3"]
    assert "5.55x as fast as in eager float32, without an interval" in best.text
    assert best.cautions == (DRIFT,)
    (gain,) = gain_sentences(group).sentences
    assert gain.text.endswith("x as much in openvino as in eager, without an interval")
    assert gain.cautions == (DRIFT,)
    full = full_grid(group, Notes())
    assert dict(full.notes) == {1: DRIFT}
    row = next(each for each in full.rows if each.items[0].text == "v3 openvino")
    assert [item.notes for item in row.items[2:5]] == [(1,)] * 3


def test_side_by_side_it_is_paired(deployed):
    said = " ".join(paragraphs(group_of(deployed.deployed_table())))
    assert "All were timed side by side, round by round: each ratio is paired" in said
    assert "with 95 % intervals" in said
    assert "of medians" not in said


def test_one_pair_that_does_not_align_is_enough_not_to_say_all(deployed):
    results = deployed.deployed_results()
    at = next(at for at, each in enumerate(results) if each.cell.label == "v3 openvino")
    figure = next(each for each in results[at].measurements if each.name == "latency")
    results[at] = deployed.changed(
        results[at], "latency", samples=tuple(chunk[:-1] for chunk in figure.samples)
    )
    eager = next(at for at, each in enumerate(results) if each.cell.label == "v3")
    results[eager] = deployed.sped_up(results[eager], "unconverged")
    group = group_of(deployed.deployed_table(results))
    assert group.cell("v3", "openvino").over_eager.flags == ("unconverged",)
    said = " ".join(paragraphs(group))
    assert "A ratio with an interval (95 %) is paired" in said
    assert "(baseline), with 95 % intervals; the size" in said


@pytest.mark.parametrize(
    ("name", "of", "columns"),
    [
        ("deployments", "variant", ("over_eager", "over_baseline", "over_reference")),
        ("pairs", "this", ("ratio",)),
    ],
)
def test_exported_ratios_have_the_flags_of_their_speedups(one_after_the_other, name, of, columns):
    rows = csv.DictReader(io.StringIO(export([one_after_the_other], name, form="csv")))
    row = next(each for each in rows if each[of] == "v3 openvino")
    for column in columns:
        assert row[f"{column}_flags"] == DRIFT
        assert row[f"{column}_low"] == ""


def test_flags_of_both_sides_are_told_and_what_the_section_says_once_is_not_repeated(deployed):
    noisy = "A/A control excludes 1: the machine was too noisy"
    results = [
        deployed.sped_up(each, *(("unconverged", noisy) if each.cell.label == "v3" else ()))
        for each in deployed.deployed_results()
    ]
    group = group_of(deployed.deployed_table(results))
    best = {each.label: each for each in best_sentences(group).sentences}
    # Over its own eager float32, of which the speed-up is not known well.
    assert best["v3"].cautions == ("latency unconverged", noisy)
    assert best["baseline"].cautions == ()
    control = next(each for each in results[0].measurements if each.name == "aa_control").interval
    results[0] = deployed.changed(
        results[0], "aa_control", interval=control.model_copy(update={"low": 1.01, "high": 1.04})
    )
    answer = best_sentences(group_of(deployed.deployed_table(results)))
    assert [each.cautions for each in answer.sentences] == [(), ("latency unconverged",)]
    assert len(answer.cautions) == 1


def test_over_seeds_a_ratio_is_the_same_whoever_is_asked_first(deployed, seeds):
    lines = {line.label: line for line in group_lines([deployed.deployed_table(seeds)])}
    one, other = lines["v3 openvino"], lines["v3"]
    key = TimeKey("latency", deployed.SETTING)
    first, second = LatencyPairs(key, lines=8), LatencyPairs(key, lines=8)
    there, back = first.speedup(one, over=other), first.speedup(other, over=one)
    assert second.speedup(other, over=one).value == pytest.approx(back.value, rel=1e-12)
    assert second.speedup(one, over=other).value == pytest.approx(there.value, rel=1e-12)
    # About 4 and about 2: the mean of the two would be 3.
    assert there.value == pytest.approx(math.sqrt(4.0 * 2.0), rel=0.02)
    assert there.flags == ()


def test_an_inverse_keeps_its_flags():
    assert PairedRatio(2.0, None, (DRIFT,)).inverse == PairedRatio(0.5, None, (DRIFT,))


def test_a_gain_over_seeds_is_the_ratio_of_the_gains(deployed, seeds):
    slower = {**deployed.LATENCY_S, ("v3", "eager"): 3 * deployed.LATENCY_S["v3", "eager"]}
    results = [
        deployed.deployed_result("v3", deployed.EAGER, seed=1, latencies=slower)
        if (each.cell.label, each.cell.seed) == ("v3", 1)
        else each
        for each in seeds
    ]
    (gain,) = group_of(deployed.deployed_table(results)).gains
    worth = {way: ratio.value for way, ratio in gain.worth}
    # Medians of sums of logs are not sums of medians, but for the noise of 1 % of a round.
    assert gain.apart.value == pytest.approx(worth[gain.there[0]] / worth["eager"], rel=0.005)


@pytest.mark.parametrize("damage", ["no latency", "no alignment"])
def test_fewer_seeds_paired_than_timed_are_told(deployed, seeds, damage):
    def damaged(result):
        if result.cell.label != "v3 openvino" or result.cell.seed == 0:
            return result
        if damage == "no latency":
            return deployed.without(result, "latency")
        figure = next(each for each in result.measurements if each.name == "latency")
        return deployed.changed(result, "latency", samples=tuple(chunk[:-1] for chunk in figure.samples))

    # Without int8 it is the best of its variant.
    results = [damaged(each) for each in seeds if each.cell.deploy.precision == "fp32"]
    table = deployed.deployed_table(results)
    group = group_of(table)
    cell = group.cell("v3", "openvino")
    assert cell.over_eager.flags == ("paired in 1 of 2 seeds",)
    assert cell.over_eager.value == pytest.approx(4.02, rel=0.01)
    said = {each.label: each for each in best_sentences(group).sentences}["v3"]
    seeds_said = "1 of 2 seeds" if damage == "no latency" else "mean of 2 seeds"
    assert said.cautions == ("paired in 1 of 2 seeds", seeds_said)
    assert group.cell("v3", "compile").over_eager.flags == ()
    rows = csv.DictReader(io.StringIO(export([table], "deployments", form="csv")))
    row = next(each for each in rows if each["variant"] == "v3 openvino")
    assert row["over_eager_flags"] == "paired in 1 of 2 seeds"
