from __future__ import annotations

import dataclasses
from types import ModuleType

import numpy as np
import pytest

from benchbench.core.errors import GateError, OptionError, ProtocolMismatchError, UnknownNameError
from benchbench.core.gate_rules import GateRules
from benchbench.core.gating import GateReport
from benchbench.core.measurement import Failure, Interval, Measurement, Protocol
from benchbench.gate.statistics import Worse, mean_log_ratio, reject_by_holm
from benchbench.gate.tables import cells_to_confirm, judge_tables


def rules(**declared: object) -> GateRules:
    return GateRules.model_validate(declared)


def statuses(report: GateReport) -> dict[str, str]:
    return {f"{each.cell} {each.measure}": each.status for each in report.verdicts}


def reason(report: GateReport, measure: str, cell: str = "v1") -> str:
    (found,) = (each for each in report.verdicts if each.measure == measure and each.cell == cell)
    return found.reason


def test_equal_results_pass_and_absolute_times_annotate(factory: ModuleType) -> None:
    report = judge_tables(factory.run(), factory.run(seed=50), rules())
    found = statuses(report)
    assert report.exit_code == 0
    assert {each for each, status in found.items() if status == "note"} == {"baseline latency", "v1 latency"}
    assert set(found.values()) == {"pass", "note"}
    assert list(dict.fromkeys(each.cell for each in report.verdicts)) == ["baseline", "v1"]


def test_a_slow_down_that_every_process_shows_fails(factory: ModuleType) -> None:
    report = judge_tables(
        factory.run(1.4), factory.run(1.0, seed=50), rules(), rerun=lambda only: f"x {only}"
    )
    assert statuses(report)["v1 speedup"] == "fail"
    told = reason(report, "speedup")
    assert told.startswith("4")
    assert "slower against its baseline" in told
    assert "every process says so by itself" in told
    assert report.exit_code == 1
    assert next(each for each in report.verdicts if each.status == "fail").rerun == "x v1"


def test_a_slow_down_below_the_tolerance_never_fails(factory: ModuleType) -> None:
    for seed in range(20):
        head = factory.run(1.4 / 1.05, seed=100 + seed)
        assert judge_tables(factory.run(1.4), head, rules()).exit_code == 0


def test_without_several_processes_it_is_ambiguous(factory: ModuleType) -> None:
    report = judge_tables(factory.run(processes=1), factory.run(1.0, processes=1, seed=50), rules())
    assert statuses(report)["v1 speedup"] == "ambiguous"
    assert "one process says so" in reason(report, "speedup")


def test_a_noisy_control_is_ambiguous_and_never_a_pass(factory: ModuleType) -> None:
    for speedup in (1.4, 0.7):
        report = judge_tables(factory.run(), factory.run(speedup, noise=0.9, seed=50), rules())
        assert statuses(report)["v1 speedup"] == "ambiguous"
        assert "the A/A control of the head" in reason(report, "speedup")


def test_with_a_fresh_run_it_fails_only_if_that_says_so_again(factory: ModuleType) -> None:
    base, head = factory.run(1.4), factory.run(1.0, seed=50)
    assert [cell.label for cell in cells_to_confirm(base, head, rules())] == ["v1"]
    assert cells_to_confirm(base, factory.run(1.4, seed=50), rules()) == ()

    def judged(*again: object) -> tuple[str, str]:
        report = judge_tables(base, head, rules(), again=again, confirm="fresh run")
        return statuses(report)["v1 speedup"], reason(report, "speedup")

    assert judged() == ("ambiguous", judged()[1])
    assert "no fresh run" in judged()[1]
    assert judged(factory.run(1.0, seed=90))[0] == "fail"
    status, told = judged(factory.run(1.4, seed=90))
    assert status == "ambiguous"
    assert "does not say so again" in told
    assert judged(factory.run(1.0, seed=90, noise=0.9))[0] == "ambiguous"


def test_a_fresh_run_under_another_protocol_confirms_nothing_and_costs_no_verdict(
    factory: ModuleType,
) -> None:
    def otherwise(one: Measurement) -> Measurement:
        settings = {**one.protocol.settings, "untimed": 1}
        return one.model_copy(update={"protocol": one.protocol.model_copy(update={"settings": settings})})

    other = factory.run(1.0, seed=90)
    results = tuple(
        each.model_copy(update={"measurements": tuple(map(otherwise, each.measurements))})
        for each in other.results
    )
    base, head = factory.run(1.4), factory.run(1.0, seed=50)
    again = [other.model_copy(update={"results": results})]
    report = judge_tables(base, head, rules(), again=again, confirm="fresh run")
    assert statuses(report)["v1 parameters"] == "pass"
    assert statuses(report)["v1 speedup"] == "ambiguous"
    (caution,) = (each for each in report.cautions if "fresh run" in each)
    assert caution.startswith("a fresh run cannot be compared: parameters of baseline: untimed not told")
    assert caution.endswith("(and 6 more figures)")


def test_a_fresh_run_holds_no_counts_and_that_is_no_loss(factory: ModuleType) -> None:
    again = factory.run(1.0, seed=90)
    bare = tuple(
        each.model_copy(update={"measurements": each.measurements[2:], "output": None, "layers": ()})
        for each in again.results
    )
    again = again.model_copy(update={"results": bare})
    report = judge_tables(
        factory.run(1.4), factory.run(1.0, seed=50), rules(), again=[again], confirm="fresh run"
    )
    assert statuses(report)["v1 speedup"] == "fail"


def test_counts_and_outputs_are_exact(factory: ModuleType) -> None:
    base = factory.table(factory.result("v1"))
    head = factory.table(
        factory.result("v1", parameters=1001, macs=9000, made=factory.output("other", (9.0,)))
    )
    report = judge_tables(base, head, rules())
    assert statuses(report) == {
        "v1 parameters": "fail",
        "v1 macs": "fail",
        "v1 output": "ambiguous",
    }
    assert "Conv2d 10,000 -> 9,000" in reason(report, "macs")


def test_a_cell_that_vanished_or_appeared_is_told_by_rule(factory: ModuleType) -> None:
    base = factory.table(factory.result("baseline"), factory.result("old"))
    head = factory.table(factory.result("baseline"), factory.result("new"))

    def judged(**declared: object) -> list[tuple[str, str, bool]]:
        found = judge_tables(base, head, rules(**declared)).verdicts
        return [(each.cell, each.status, each.is_warning) for each in found if each.measure == "cell"]

    assert judged() == [("new", "note", True), ("old", "fail", False)]
    assert judged(vanished="warn", appeared="ignore") == [("old", "note", True)]
    assert judged(vanished="ignore", appeared="fail") == [("new", "fail", False)]


def test_a_cell_that_failed_and_a_figure_that_is_gone(factory: ModuleType) -> None:
    crash = Failure(of="cell", kind="crashed", reason="exit\nstatus 1")
    broken = Failure(of="macs", kind="unsupported", reason="no rule")
    whole = factory.result("v1")
    gone = whole.model_copy(update={"measurements": whole.measurements[:1], "failures": (broken,)})
    failed = factory.result("v2").model_copy(update={"measurements": (), "failures": (crash,)})
    report = judge_tables(factory.table(whole, factory.result("v2")), factory.table(gone, failed), rules())
    assert statuses(report)["v1 macs"] == "fail"
    assert reason(report, "macs") == "the base has it, the head has not: unsupported: no rule"
    assert reason(report, "cell", "v2") == "it failed in the head: crashed: exit status 1"


def test_what_the_head_never_timed_is_a_caution(factory: ModuleType) -> None:
    head = factory.table(factory.result("baseline"), factory.result("v1", parameters=300))
    report = judge_tables(factory.run(), head, rules())
    assert report.exit_code == 0
    assert "not judged, as the head has none of it: speedup of v1" in report.cautions


def test_what_the_base_lacks_is_a_caution(factory: ModuleType) -> None:
    base = factory.table(*(each.model_copy(update={"output": None}) for each in factory.run().results))
    bare = tuple(each.model_copy(update={"measurements": each.measurements[:2]}) for each in base.results)
    report = judge_tables(base.model_copy(update={"results": bare}), factory.run(), rules())
    assert report.exit_code == 0
    assert set(report.cautions) == {
        "not judged, as the base has none of it: latency of baseline, v1",
        "not judged, as the base has none of it: speedup of v1",
        "not judged, as the base has none of it: output of baseline, v1",
    }


def test_a_cell_that_failed_in_both_is_not_silent(factory: ModuleType) -> None:
    crash = Failure(of="cell", kind="crashed", reason="r")
    failed = factory.table(factory.result("v1", failures=[crash]))
    assert statuses(judge_tables(failed, failed, rules())) == {"v1 cell": "ambiguous"}
    assert statuses(judge_tables(failed, factory.table(factory.result("v1")), rules())) == {"v1 cell": "note"}


def test_a_cell_declared_otherwise_is_a_caution(factory: ModuleType) -> None:
    base, head = factory.table(factory.result("v1")), factory.table(factory.result("v1", width=64))
    assert judge_tables(base, head, rules()).cautions == (
        "v1 is declared otherwise: architecture.width 32 and 64",
    )


def quality(factory: ModuleType, value: float, **more: object):
    interval = Interval(low=0.97 * value, high=1.03 * value)
    return factory.figure("fd[rand-conv-64]", value, interval=interval, protocol=factory.QUALITY, **more)


@pytest.mark.parametrize(
    ("value", "status"), [(4.0, "pass"), (4.0001, "pass"), (3.0, "pass"), (4.5, "ambiguous"), (5.0, "fail")]
)
def test_quality_by_its_interval(factory: ModuleType, value: float, status: str) -> None:
    base, head = (factory.table(factory.result("v1", quality(factory, each))) for each in (4.0, value))
    report = judge_tables(base, head, rules(measures={"fd[*": "10 %"}))
    assert statuses(report)["v1 fd[rand-conv-64]"] == status


def test_quality_that_is_better_when_higher_or_in_decibels(factory: ModuleType) -> None:
    def judged(name: str, unit: str, values: tuple[float, float], half: float) -> str:
        sides = [
            factory.table(
                factory.result(
                    "v1",
                    factory.figure(
                        name,
                        value,
                        unit,
                        direction="higher",
                        protocol=factory.QUALITY,
                        interval=Interval(low=value - half, high=value + half),
                    ),
                )
            )
            for value in values
        ]
        return statuses(judge_tables(*sides, rules()))[f"v1 {name}"]

    assert judged("ssim", "1", (0.8, 0.9), 0.001) == "pass"
    assert judged("ssim", "1", (0.8, 0.7), 0.001) == "fail"
    assert judged("psnr", "dB", (25.0, 24.8), 0.1) == "pass"
    assert judged("psnr", "dB", (25.0, 23.0), 0.1) == "fail"


def test_a_kernel_distance_about_zero_is_judged_by_its_own_uncertainty(factory: ModuleType) -> None:
    def side(value: float):
        interval = Interval(low=value - 0.001, high=value + 0.001)
        made = factory.figure("kd[r]", value, interval=interval, protocol=factory.QUALITY)
        return factory.table(factory.result("v1", made))

    assert statuses(judge_tables(side(-0.0001), side(0.0001), rules()))["v1 kd[r]"] == "ambiguous"
    assert statuses(judge_tables(side(-0.0001), side(0.1), rules()))["v1 kd[r]"] == "fail"


def test_quality_without_an_interval_never_fails_by_tolerance(factory: ModuleType) -> None:
    def side(value: float):
        return factory.table(factory.result("v1", factory.figure("miou", value, direction="higher")))

    report = judge_tables(side(0.5), side(0.3), rules())
    assert statuses(report)["v1 miou"] == "ambiguous"
    assert "no interval says how sure" in reason(report, "miou")
    assert (
        statuses(judge_tables(side(0.5), side(0.3), rules(measures={"miou": "exact"})))["v1 miou"] == "fail"
    )


def test_image_by_image_and_over_seeds(factory: ModuleType) -> None:
    random = np.random.default_rng(0)
    hard = np.exp(random.normal(0, 1, 40))
    aggregate = Protocol(name="perceptual", settings={"aggregate": "mean"})

    def loss(factor: float, seed: int | None = None):
        values = hard * factor * np.exp(random.normal(0, 0.01, 40))
        made = factory.figure(
            "perceptual_loss", float(values.mean()), samples=(tuple(values.tolist()),), protocol=aggregate
        )
        return factory.result("v1", made, seed=seed)

    report = judge_tables(factory.table(loss(1.0)), factory.table(loss(1.2)), rules())
    assert "(image by image)" in reason(report, "perceptual_loss")
    assert report.exit_code == 1
    seeds = [factory.table(*(loss(factor * (1 + 0.02 * at), at) for at in range(4))) for factor in (1.0, 1.2)]
    report = judge_tables(*seeds, rules())
    (found,) = (each for each in report.verdicts if each.measure == "perceptual_loss")
    assert (found.cell, found.status) == ("v1", "fail")
    assert "over 4 seeds" in found.reason


def test_another_protocol_is_refused_unless_it_is_ignored(factory: ModuleType) -> None:
    other = Protocol(name="quality", settings={"metric": "fd", "generated_count": 50})
    base = factory.table(factory.result("v1", quality(factory, 4.0)))
    changed = quality(factory, 4.0).model_copy(update={"protocol": other})
    head = factory.table(factory.result("v1", changed))
    with pytest.raises(ProtocolMismatchError, match="generated_count 100 in the base and 50 in the head"):
        judge_tables(base, head, rules())
    assert judge_tables(base, head, rules(measures={"fd[*": "ignore"})).exit_code == 0


def test_other_pictures_of_the_baseline_are_nothing_to_compare_with(factory: ModuleType) -> None:
    def side(digest: str):
        settings = {"reference": "outputs of the baseline", "reference_digest": digest}
        made = quality(factory, 4.0).model_copy(
            update={"protocol": Protocol(name="quality", settings=settings)}
        )
        return factory.table(factory.result("v1", made))

    report = judge_tables(side("a"), side("b"), rules())
    assert statuses(report)["v1 fd[rand-conv-64]"] == "ambiguous"


def test_what_cannot_be_judged_is_refused(factory: ModuleType) -> None:
    run = factory.run()
    with pytest.raises(GateError, match="of the suite 'other', the head of 'toy'"):
        judge_tables(factory.table(*factory.pair(), name="other"), run, rules())
    with pytest.raises(GateError, match="share no cell"):
        judge_tables(factory.table(factory.result("x")), run, rules())
    bare = tuple(
        each.model_copy(
            update={
                "measurements": tuple(made.model_copy(update={"samples": ()}) for made in each.measurements)
            }
        )
        for each in run.results
    )
    with pytest.raises(GateError, match="the base has no samples of speedup of v1"):
        judge_tables(run.model_copy(update={"results": bare}), run, rules())
    with pytest.raises(OptionError, match="no two times are equal"):
        judge_tables(run, run, rules(measures={"*": "exact"}))
    with pytest.raises(UnknownNameError, match="unknown cell 'nothing'"):
        judge_tables(run, run, rules(), only="nothing")
    assert {each.cell for each in judge_tables(run, run, rules(), only="v*").verdicts} == {"v1"}


def test_holm() -> None:
    assert reject_by_holm({"a": 0.001, "b": 0.02, "c": 0.011}) == {"a", "b", "c"}
    assert reject_by_holm({"a": 0.001, "b": 0.02, "c": 0.014}) == {"a"}
    assert reject_by_holm({"a": 0.02, "b": 0.9}) == frozenset()


def test_the_tail_is_students() -> None:
    sure = Worse(1.2, Interval(low=1.1, high=1.3), "")
    assert sure.p_beyond(0.1) == pytest.approx(0.025, abs=1e-3)
    assert sure.p_beyond(0.2) == pytest.approx(0.5)
    assert Worse(1.2, Interval(low=1.2, high=1.2), "").p_beyond(0.1) == 0.0
    value, interval = mean_log_ratio([1.0, 1.21, 1.1])
    assert value == pytest.approx(1.1)
    assert interval.low < 1.0 < 1.3 < interval.high
    # Three seeds: their t is 6.9646, of which two degrees of freedom leave 1 % above.
    logs = np.array([-1.0, 0.0, 1.0]) * 0.01
    logs += np.log(1.05) + 6.9646 * 0.01 / np.sqrt(3)
    value, interval = mean_log_ratio(np.exp(logs).tolist())
    assert Worse(value, interval, "", freedom=2).p_beyond(0.05) == pytest.approx(0.01, rel=1e-3)
    better_when_higher = Worse(
        1 / value, Interval(low=1 / interval.high, high=1 / interval.low), "", "higher", 2
    )
    assert better_when_higher.p_beyond(1 - 1 / 1.05) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("figures", [1, 20])
def test_figures_of_three_seeds_at_the_very_tolerance_are_red_as_seldom_as_promised(figures: int) -> None:
    random = np.random.default_rng(0)
    trials, red = 400, 0
    for _ in range(trials):
        found = [
            mean_log_ratio(np.exp(random.normal(np.log(1.05), 0.02, 3)).tolist()) for _ in range(figures)
        ]
        p = {at: Worse(value, span, "", freedom=2).p_beyond(0.05) for at, (value, span) in enumerate(found)}
        red += bool(reject_by_holm(p))
    # 2.5 % promised; normal tails make it 19 % of 20 figures.
    assert red <= 0.05 * trials


def test_a_figure_that_is_better_when_higher_may_lose_the_tolerances_share_of_the_base(
    factory: ModuleType,
) -> None:
    def side(value: float, seeds: int):
        more = {"direction": "higher", "protocol": factory.QUALITY}
        if seeds == 1:
            more["interval"] = Interval(low=value - 0.001, high=value + 0.001)
        made = [factory.figure("recall", value * (1 + 1e-4 * at), **more) for at in range(seeds)]
        cells = [factory.result("v1", each, seed=at if seeds > 1 else None) for at, each in enumerate(made)]
        return factory.table(*cells)

    for seeds in (1, 3):
        for value, status in ((0.6, "pass"), (0.5, "fail")):
            report = judge_tables(side(0.8, seeds), side(value, seeds), rules(measures={"recall": "30 %"}))
            (found,) = (each for each in report.verdicts if each.measure == "recall")
            assert found.status == status, found.reason
            assert found.change == pytest.approx(value / 0.8, rel=1e-3)
            assert found.interval is not None
            assert found.change in found.interval
        assert "(−37.5 %)" in found.reason
        assert "worse by [+37." in found.reason


def test_a_kernel_distance_has_no_interval_of_its_ratio(factory: ModuleType) -> None:
    def side(value: float):
        interval = Interval(low=value - 0.002, high=value + 0.002)
        return factory.table(
            factory.result("v1", factory.figure("kd[r]", value, interval=interval, protocol=factory.QUALITY))
        )

    (found,) = (
        each
        for each in judge_tables(side(0.001), side(0.05), rules()).verdicts
        if each.unit == "1" and "kd" in each.measure
    )
    assert (found.status, found.interval) == ("fail", None)


def test_speed_ups_know_how_many_processes_their_intervals_are_of(factory: ModuleType) -> None:
    from benchbench.gate.walk import gather

    def freedom(base: int, head: int) -> int:
        tables = factory.run(processes=base), factory.run(processes=head, seed=50)
        return gather(*tables, rules(), str, only=None, what="all").ratios[0].worse.freedom

    assert 1 <= freedom(2, 2) <= 2
    assert 2 <= freedom(3, 3) <= 4
    assert 9 <= freedom(10, 10) <= 18


def test_many_cells_ask_for_more(factory: ModuleType) -> None:
    """A ratio that is just clear alone is not clear among a hundred."""
    from benchbench.gate.ratios import judge_speedups
    from benchbench.gate.rules import Rule
    from benchbench.gate.walk import gather

    base, head = factory.run(1.4), factory.run(1.0, seed=50)
    (found,) = gather(base, head, rules(), str, only=None, what="all").ratios
    just = dataclasses.replace(
        found, worse=Worse(1.2, Interval(low=1.102, high=1.31), ""), rule=Rule("within", 0.1, "fail")
    )
    assert judge_speedups([just], {}, fresh=False)[0].status == "fail"
    quiet = dataclasses.replace(found, worse=Worse(1.0, Interval(low=0.99, high=1.01), ""))
    others = [
        dataclasses.replace(quiet, make=dataclasses.replace(found.make, label=f"c{at}")) for at in range(99)
    ]
    verdict = judge_speedups([just, *others], {}, fresh=False)[0]
    assert verdict.status == "ambiguous"
    assert "not among 100 ratios (Holm)" in verdict.reason
