"""The figures behind the interactive chart."""

from __future__ import annotations

import math

import pytest

from benchbench.core.cell import Setting
from benchbench.report.explorer import explore
from benchbench.report.views.report import view_report


def explored(factory, results, **changed):
    return explore(view_report([factory.make_table(results=results, **changed)]))


def bare(factory, variant, **changed):
    return factory.without_drawings(factory.make_result(variant, **changed))


def test_every_measure_of_every_line(factory):
    chart = explored(factory, [bare(factory, name) for name in factory.COUNTS])
    keys = [measure.key for measure in chart.measures]
    assert keys[:4] == [
        ("latency", "cpu, 2 threads"),
        ("speedup", "cpu, 2 threads"),
        ("parameters", ""),
        ("macs", ""),
    ]
    assert ("style_loss", "") not in keys
    assert {("perceptual_loss", ""), ("content_loss", ""), ("training_time", "")} <= set(keys)
    v3 = next(point for point in chart.points if point.label == "v3")
    latency = v3.figures[0]
    assert latency.value == factory.LATENCY_S["v3"]
    assert latency.text.startswith("50.70 ms [")
    assert v3.figures[2].text == "207,865"
    assert chart.points[0].figures[1] is None
    assert chart.measures[0].title == "latency, ms (cpu, 2 threads)"
    assert chart.measures[2].title == "parameters, M"
    assert [measure.direction for measure in chart.measures[:2]] == ["lower", "higher"]


def test_it_opens_with_the_first_drawing(factory):
    chart = explored(factory, [bare(factory, name) for name in factory.COUNTS])
    assert chart.measures[chart.x].key == ("latency", "cpu, 2 threads")
    assert chart.measures[chart.y].key == ("perceptual_loss", "")
    assert chart.measures[chart.size].key == ("parameters", "")


def test_each_variant_knows_its_baseline(factory):
    results = [
        bare(factory, name, settings=(Setting(key="data.size", value=size),))
        for size in (32, 64)
        for name in ("baseline", "v1")
    ]
    chart = explored(factory, results)
    assert [point.baseline for point in chart.points] == [None, 0, None, 2]
    assert [point.group for point in chart.points] == [0, 0, 1, 1]
    assert chart.groups == ("data.size=32", "data.size=64")


def test_what_was_measured_otherwise_is_a_measure_of_its_own(factory):
    results = [
        factory.with_quality(bare(factory, name), factory.quality_figure("fid", value, generated_count=count))
        for name, value, count in (("baseline", 30.0, 208), ("v1", 31.0, 208), ("v2", 12.0, 416))
    ]
    chart = explored(factory, results)
    found = [(at, each) for at, each in enumerate(chart.measures) if each.key[0] == "fid"]
    assert [each.name for _, each in found] == ["FID (part 1 of 2)", "FID (part 2 of 2)"]
    have = [[point.label for point in chart.points if point.figures[at]] for at, _ in found]
    assert have == [["baseline", "v1"], ["v2"]]
    assert all(each.is_distance for _, each in found)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_has_no_place(factory, value):
    results = [bare(factory, "baseline"), bare(factory, "v1")]
    broken = factory.figure("peak_resident", value, "B")
    results[1] = factory.with_quality(results[1], broken)
    results[0] = factory.with_quality(results[0], factory.figure("peak_resident", 2.0**20, "B"))
    chart = explored(factory, results)
    at = [measure.key[0] for measure in chart.measures].index("peak_resident")
    assert chart.points[0].figures[at].text == "1.000 MiB"
    assert chart.points[1].figures[at] is None


def test_nothing_to_choose_from_is_no_chart(factory):
    assert explored(factory, [bare(factory, "baseline")]) is None
    kept = [
        result.model_copy(update={"measurements": result.measurements[:1]})
        for result in (bare(factory, "baseline"), bare(factory, "v1"))
    ]
    assert explored(factory, kept) is None


def test_the_sample_is_the_final_output(factory, table):
    chart = explore(view_report([table]))
    assert chart.points[0].picture == (0, "baseline", "final (step 200)")
