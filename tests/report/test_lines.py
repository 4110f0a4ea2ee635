from __future__ import annotations

import pytest

from benchbench.core.cell import Setting
from benchbench.core.errors import StoreError
from benchbench.report.views.lines import estimate, group_lines, reference_of


def test_without_a_run_there_is_no_report():
    with pytest.raises(StoreError, match="no run to report on"):
        group_lines(())


def test_seeds_of_one_variant_are_one_line(factory):
    results = [
        factory.make_result(name, seed=seed, settings=(Setting(key="seed", value=seed),))
        for name in ("baseline", "v1")
        for seed in (1, 0)
    ]
    lines = group_lines([factory.make_table(results=results)])
    assert [(line.label, line.is_baseline, line.colour) for line in lines] == [
        ("baseline", True, 0),
        ("v1", False, 1),
    ]
    assert [result.cell.seed for result in lines[1].results] == [0, 1]


def test_other_settings_are_lines_of_their_own_with_their_own_baseline(factory):
    results = [
        factory.make_result(name, settings=(Setting(key="architecture.width", value=width),))
        for width in (16, 32)
        for name in ("baseline", "v1")
    ]
    lines = group_lines([factory.make_table(results=results)])
    assert [line.label for line in lines][1] == "v1 architecture.width=16"
    for line in lines:
        reference = reference_of(line, lines)
        assert reference is not None
        assert reference.is_baseline
        assert reference.settings == line.settings


def test_an_estimate_over_seeds_is_the_mean_with_the_hull_of_the_intervals(factory):
    results = [factory.make_result("v1", seed=seed, loss=loss) for seed, loss in ((0, 2.0), (1, 3.0))]
    found = estimate(results, "perceptual_loss")
    assert found is not None
    assert found.value == pytest.approx(2.5)
    assert found.sd == pytest.approx(0.5**0.5)
    assert found.interval == pytest.approx((2.0 * 0.97, 3.0 * 1.03))
    assert found.seeds == 2
    assert found.samples == 8


def test_one_seed_without_an_interval_keeps_the_hull_unknown(factory):
    first = factory.make_result("v1")
    second = factory.make_result("v1", seed=1)
    figures = tuple(each.model_copy(update={"interval": None}) for each in second.measurements)
    found = estimate([first, second.model_copy(update={"measurements": figures})], "perceptual_loss")
    assert found is not None
    assert found.interval is None


def test_a_single_count_is_not_touched_by_arithmetic(factory):
    found = estimate([factory.make_result("baseline")], "macs")
    assert found is not None
    assert found.value == 10078912512
    assert found.sd is None
    assert found.quartiles is None


def test_what_nobody_measured_is_none(factory):
    assert estimate([factory.make_result("v1")], "fid") is None
