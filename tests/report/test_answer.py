from __future__ import annotations

import pytest

from benchbench.core.measurement import Protocol
from benchbench.report.answer import write_answer
from benchbench.report.views.report import view_report

OVERLAP = "loss +{} % (the intervals overlap)"


def sentences(factory, *results):
    said, common = write_answer(view_report([factory.make_table(results=results)]))
    return {each.label: each for each in said}, common


def with_figures(result, **changed):
    """The result with some measurements changed: name -> fields."""
    figures = tuple(
        each.model_copy(update=changed[each.name]) if each.name in changed else each
        for each in result.measurements
    )
    return result.model_copy(update={"measurements": figures})


def test_the_synthetic_run(table):
    said, common = write_answer(view_report([table]))
    assert [(each.label, each.text) for each in said] == [
        ("baseline", "the baseline, 1,679,235 parameters, 10.1 GMAC, 71.3 ms (cpu, 2 threads), loss 2.31"),
        (
            "v1",
            "77.3 % fewer parameters, 2.1x fewer MACs, 1.18x faster [1.16, 1.20], " + OVERLAP.format("0.9"),
        ),
        (
            "v2",
            "82.6 % fewer parameters, 2.7x fewer MACs, 1.24x faster [1.22, 1.25], " + OVERLAP.format("2.2"),
        ),
        ("v3", "87.6 % fewer parameters, 7.7x fewer MACs, 1.41x faster [1.39, 1.43], loss +11.7 %"),
        ("wide", "not measured: diverged at step 120: loss became NaN"),
    ]
    assert common == ("random-weights VGG-16: not comparable to the paper",)
    assert all(each.cautions == () for each in said)


def test_slower_is_said_as_slower_with_the_interval_turned_round(factory):
    slow = factory.make_result("v1", speedup=0.8, speedup_interval=(0.78, 0.82))
    said, _ = sentences(factory, factory.make_result("baseline"), slow)
    assert "1.25x slower [1.22, 1.28]" in said["v1"].text
    assert "faster" not in said["v1"].text


def test_an_interval_with_1_is_no_measurable_difference(factory):
    same = factory.make_result("v1", speedup=1.01, speedup_interval=(0.98, 1.04))
    said, _ = sentences(factory, factory.make_result("baseline"), same)
    assert "no measurable difference in latency (1.01x [0.980, 1.04])" in said["v1"].text


def test_without_an_interval_a_speed_up_is_said_to_have_none(factory):
    bare = with_figures(factory.make_result("v1", speedup=1.5), speedup={"interval": None})
    said, _ = sentences(factory, factory.make_result("baseline"), bare)
    assert "1.5x faster without an interval" in said["v1"].text


def test_more_parameters_and_more_macs(factory):
    heavy = with_figures(factory.make_result("v1"), parameters={"value": 3358470}, macs={"value": 2e10})
    said, _ = sentences(factory, factory.make_result("baseline"), heavy)
    assert said["v1"].text.startswith("100.0 % more parameters, 2.0x more MACs")


def test_equal_counts_are_the_same(factory):
    same = with_figures(factory.make_result("v1"), parameters={"value": 1679235}, macs={"value": 10078912512})
    said, _ = sentences(factory, factory.make_result("baseline"), same)
    assert said["v1"].text.startswith("the same parameters, the same MACs")


def test_a_ratio_of_one_network_after_the_other_says_so(factory):
    flag = "not interleaved: a drift of the machine is in this ratio"
    result = with_figures(factory.make_result("v1", speedup=1.5), speedup={"flags": (flag,)})
    said, _ = sentences(factory, factory.make_result("baseline"), result)
    assert said["v1"].cautions == (flag,)


def test_unconverged_and_a_noisy_control_are_cautions(factory):
    base = factory.make_result("baseline", control=(1.02, 1.05))
    said, common = sentences(factory, base, factory.make_result("v1", flags=("unconverged",)))
    assert said["v1"].cautions == ("latency unconverged (cpu, 2 threads)",)
    assert "noisy machine (cpu, 2 threads): the A/A control [1.02, 1.05] does not hold 1" in common


def test_seeds_are_one_sentence(factory):
    results = [
        factory.make_result(name, seed=seed, loss=loss)
        for name, loss in (("baseline", 2.0), ("v1", 3.0))
        for seed in (0, 1, 2)
    ]
    said, common = sentences(factory, *results)
    assert list(said) == ["baseline", "v1"]
    assert "loss +50.0 %" in said["v1"].text
    assert "mean of 3 seeds" in common


def test_quality_of_another_protocol_is_not_compared(factory):
    other = with_figures(
        factory.make_result("v1"),
        perceptual_loss={"protocol": Protocol(name="perceptual", settings={"n": 9})},
    )
    said, _ = sentences(factory, factory.make_result("baseline"), other)
    assert (
        "loss not comparable with the baseline's (another protocol: aggregate, crops, n, weights)"
        in said["v1"].text
    )


def test_a_measure_of_no_vocabulary_keeps_its_name_and_sign(factory):
    changed = {"perceptual_loss": {"name": "road_accuracy", "direction": "higher", "interval": None}}
    base = with_figures(factory.make_result("baseline", loss=0.8), **changed)
    variant = with_figures(factory.make_result("v1", loss=0.6), **changed)
    said, _ = sentences(factory, base, variant)
    assert said["v1"].text.endswith("road accuracy −25.0 %")


@pytest.mark.parametrize("missing", ["baseline", "parameters"])
def test_what_cannot_be_compared_is_left_out(factory, missing):
    result = factory.make_result("v1")
    if missing == "baseline":
        said, _ = sentences(factory, result)
        assert said["v1"].text.startswith("no baseline to compare with, 381,315 parameters")
        return
    figures = tuple(each for each in result.measurements if each.name != missing)
    said, _ = sentences(
        factory, factory.make_result("baseline"), result.model_copy(update={"measurements": figures})
    )
    assert said["v1"].text.startswith("2.1x fewer MACs")


def _with_crops(factory, variant, crops):
    mean = sum(crops) / len(crops)
    return with_figures(
        factory.make_result(variant), perceptual_loss={"samples": (tuple(crops),), "value": mean}
    )


def test_a_loss_on_the_same_crops_is_compared_crop_by_crop(factory):
    easy_and_hard = (0.5, 1.0, 2.0, 4.0, 8.0)
    base = _with_crops(factory, "baseline", easy_and_hard)
    worse = _with_crops(factory, "v1", [1.1 * each for each in easy_and_hard])
    said, _ = sentences(factory, base, worse)
    # The crops differ by a factor of 16, the networks by the same 10 % on each.
    assert said["v1"].text.endswith("loss +10.0 % [+10.0 %, +10.0 %]")


def test_a_loss_that_differs_either_way_is_no_measurable_difference(factory):
    base = _with_crops(factory, "baseline", (1.0, 1.0, 1.0, 1.0))
    mixed = _with_crops(factory, "v1", (1.2, 0.8, 1.2, 0.81))
    said, _ = sentences(factory, base, mixed)
    assert "no measurable difference in loss (+0.2 % [" in said["v1"].text


def test_clear_changes_that_cancel_in_the_sum_are_told(factory):
    crops = (1.0, 2.0, 4.0, 8.0)

    def cell(variant, content, style):
        def figure(factor):
            values = tuple(factor * each for each in crops)
            return {"samples": (values,), "value": sum(values) / len(values), "interval": None}

        whole = {"samples": (crops,), "value": sum(crops) / len(crops)}
        return with_figures(
            factory.make_result(variant),
            perceptual_loss=whole,
            content_loss=figure(content),
            style_loss=figure(style),
        )

    said, _ = sentences(factory, cell("baseline", 0.5, 0.5), cell("v1", 0.6, 0.4))
    assert "no measurable difference in loss" in said["v1"].text
    assert "but content loss, weighted +20.0 %" in said["v1"].text
