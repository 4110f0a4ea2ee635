"""Several runs side by side: what is compared, with what interval, and why the rest is not."""

from __future__ import annotations

import json
import math

import pytest

from benchbench.core.changes import change_between
from benchbench.core.environment import Environment, Gpu
from benchbench.core.errors import StoreError, UnknownNameError
from benchbench.core.measurement import Failure, Protocol
from benchbench.report.compare_blocks import compose_comparison
from benchbench.report.compare_records import comparison_record
from benchbench.report.compare_view import compare_runs
from benchbench.report.markdown import write_markdown

TIMES = {"latency", "cold_start", "training_time", "training_10k_steps"}


@pytest.fixture
def run(factory):
    """Make a run; `change` is given each measurement and gives what stands in its place, or None."""

    def make(run_id="a", *, change=lambda each: each, variants=("baseline", "v1"), seeds=(0,), **changed):
        results = []
        for name in variants:
            for seed in seeds:
                result = factory.without_drawings(factory.make_result(name, seed=seed))
                kept = tuple(made for each in result.measurements if (made := change(each)) is not None)
                results.append(result.model_copy(update={"measurements": kept}))
        table = factory.make_table(results=results, run_id=run_id)
        environment = table.environment.model_copy(update=changed)
        return table.model_copy(update={"environment": environment})

    return make


def slower(factor, name="latency"):
    def change(each):
        if each.name != name:
            return each
        samples = tuple(tuple(sample * factor for sample in chunk) for chunk in each.samples)
        return each.model_copy(update={"value": each.value * factor, "samples": samples})

    return change


def side(comparison, cell, name, at=1):
    (row,) = [row for row in comparison.rows if (row.cell, row.name) == (cell, name)]
    return row.sides[at]


def names(comparison):
    return {row.name for row in comparison.rows}


def test_equal_machines_are_compared_in_everything_with_a_ratio_to_the_first(run) -> None:
    made = compare_runs([run("a"), run("b", change=slower(1.2)), run("c")])
    assert made.runs == ("a", "b", "c")
    assert made.refusals == ()
    assert made.missing == ()
    change = side(made, "v1", "latency").change
    assert change.value == pytest.approx(1.2)
    assert change.how == "samples"
    assert change.interval[0] < 1.2 < change.interval[1]
    assert change.verdict(direction="lower") == "worse"
    assert side(made, "v1", "latency", 2).change.verdict(direction="lower") == "no difference"
    assert side(made, "v1", "parameters").change.verdict(direction="lower") == "equal"
    assert side(made, "v1", "training_time").change.verdict(direction="lower") == "unknown"
    assert side(made, "v1", "latency", 0).change is None


def test_no_time_is_compared_across_processors_and_every_speedup_is(run) -> None:
    made = compare_runs([run("a"), run("b", cpu_model="Another CPU", change=slower(3))])
    assert not names(made) & TIMES
    assert {"speedup", "parameters", "macs", "perceptual_loss"} <= names(made)
    (refusal,) = made.refusals
    assert refusal.reason == "another CPU: Example CPU and Another CPU"
    assert {each.partition(" (")[0] for each in refusal.measures} == TIMES
    assert refusal.cells == ("baseline", "v1")
    assert side(made, "v1", "speedup").change.interval == pytest.approx((0.979, 1.0214), abs=1e-3)


def test_an_unknown_processor_is_no_equal_one(run) -> None:
    made = compare_runs([run("a", cpu_model=None), run("b", cpu_model=None)])
    assert not names(made) & TIMES
    assert made.refusals[0].reason == "the CPU of a run is unknown"


def test_other_threads_refuse_times_and_compare_speedups(run) -> None:
    def four(each):
        if not each.setting:
            return each
        settings = {**each.protocol.settings, "threads": 4}
        protocol = Protocol(name=each.protocol.name, settings=settings)
        return each.model_copy(update={"setting": "cpu, 4 threads", "protocol": protocol})

    made = compare_runs([run("a"), run("b", change=four)])
    assert "latency" not in names(made)
    assert side(made, "v1", "speedup").setting == "cpu, 4 threads"
    reasons = {refusal.reason: refusal.measures for refusal in made.refusals}
    assert reasons == {
        "another protocol: threads none and 4": ("latency (cpu, 2 threads)", "cold_start (cpu, 2 threads)")
    }
    text = write_markdown(compose_comparison(made))
    assert "cpu, 4 threads" in text


def test_a_gpu_is_compared_with_the_same_gpu_alone(run) -> None:
    def cuda(each):
        if each.name != "latency":
            return each if not each.setting else None
        protocol = Protocol(name="paired", settings={"device": "cuda"})
        return each.model_copy(update={"setting": "cuda", "protocol": protocol})

    one, same, other = (
        run(name, change=cuda, gpus=(Gpu(name=gpu),), cpu_model=name)
        for name, gpu in (("a", "H200"), ("b", "H200"), ("c", "A100"))
    )
    made = compare_runs([one, same, other])
    assert side(made, "v1", "latency").change.value == pytest.approx(1.0)
    assert side(made, "v1", "latency", 2) is None
    assert "another GPU: H200 and A100" in {refusal.reason for refusal in made.refusals}


def test_another_protocol_is_refused_with_the_settings_that_differ(run) -> None:
    def other(each):
        if each.name != "perceptual_loss":
            return each
        settings = {**each.protocol.settings, "crops": 8}
        return each.model_copy(update={"protocol": Protocol(name=each.protocol.name, settings=settings)})

    made = compare_runs([run("a"), run("b", change=other)])
    assert "perceptual_loss" not in names(made)
    assert [refusal.reason for refusal in made.refusals] == ["another protocol: crops 4 and 8"]


def test_cells_that_a_run_lacks_are_listed_and_the_others_compared(run) -> None:
    made = compare_runs([run("a"), run("b", variants=("baseline", "v2"))])
    assert made.missing == (("v1", ("b",)), ("v2", ("a",)))
    assert {row.cell for row in made.rows} == {"baseline"}
    assert "| v1 | b |" in write_markdown(compose_comparison(made))


def test_a_measure_that_a_run_lacks_is_told_with_the_reason_of_its_failure(run) -> None:
    without = run("b", change=lambda each: None if each.name == "perceptual_loss" else each)
    results = list(without.results)
    failure = Failure(of="perceptual_loss", kind="crashed", reason="killed\nby 9")
    results[0] = results[0].model_copy(update={"failures": (failure,)})
    made = compare_runs([run("a"), without.model_copy(update={"results": tuple(results)})])
    told = {(refusal.reason, refusal.cells) for refusal in made.refusals}
    assert told == {("not measured: killed by 9", ("baseline",)), ("not measured", ("v1",))}
    back = compare_runs([without, run("a")])
    assert {refusal.reason for refusal in back.refusals} == {"b has no such figure"}


def test_seeds_are_set_against_the_same_seeds(run) -> None:
    made = compare_runs([run("a", seeds=(0, 1, 2)), run("b", seeds=(1, 2, 3), change=slower(1.2))])
    figure = side(made, "v1", "latency")
    assert figure.figure.seeds == 2
    assert figure.change.value == pytest.approx(1.2)
    apart = compare_runs([run("a", seeds=(0,)), run("b", seeds=(1,))])
    assert apart.rows == ()
    assert {refusal.reason for refusal in apart.refusals} == {"other seeds: 0 and 1"}


def test_what_is_declared_otherwise_is_told_and_another_network_refused(run, factory) -> None:
    base = run("a")
    wide = [
        result.model_copy(
            update={
                "cell": result.cell.model_copy(
                    update={
                        "architecture": result.cell.architecture.model_validate(
                            {"name": result.cell.architecture.name, "width": 64}
                        )
                    }
                )
            }
        )
        for result in base.results
    ]
    made = compare_runs([base, base.model_copy(update={"results": tuple(wide)})])
    assert "v1 is declared otherwise in a (2): architecture.width none and 64" in made.cautions
    other = [
        result.model_copy(
            update={
                "cell": result.cell.model_copy(
                    update={"architecture": result.cell.architecture.model_validate({"name": "other"})}
                )
            }
        )
        for result in base.results
    ]
    made = compare_runs([base, base.model_copy(update={"results": tuple(other)})])
    assert made.rows == ()
    assert made.refusals[0].reason == "another network under the same name"


def test_a_noisy_or_unfinished_run_is_told(run, factory) -> None:
    noisy = factory.make_table(
        results=[factory.without_drawings(factory.make_result("baseline", control=(1.02, 1.05)))], run_id="n"
    )
    unfinished = noisy.model_copy(update={"run": noisy.run.model_copy(update={"id": "u", "finished": None})})
    cautions = compare_runs([run("a"), noisy, unfinished]).cautions
    assert "n was noisy (cpu, 2 threads): its A/A control does not hold 1" in cautions
    assert "u has not finished" in cautions


def test_environments_that_differ_stand_first_and_the_roof_is_shown(run) -> None:
    made = compare_runs(
        [run("a"), run("b", packages={"torch": "2.14.0", "numpy": "2.4.6"}, governor="powersave")]
    )
    facts = {fact.name: fact for fact in made.facts}
    assert facts["torch"].values == ("2.13.0", "2.14.0")
    assert facts["governor"].values == ("unknown", "powersave")
    assert not facts["cpu model"].differs
    assert "numpy" not in facts
    assert "roof_compute" not in names(made)


def test_too_few_runs_and_runs_without_a_common_cell_are_a_wrong_request(run) -> None:
    with pytest.raises(StoreError, match="one run"):
        compare_runs([run("a")])
    with pytest.raises(StoreError, match="no cell of a is in another run"):
        compare_runs([run("a", variants=("v1",)), run("b", variants=("v2",))])
    with pytest.raises(UnknownNameError, match="latncy") as caught:
        compare_runs([run("a"), run("b")], measures=["latncy"])
    assert caught.value.fix == "did you mean 'latency'?"


def test_one_measure_alone(run) -> None:
    assert names(compare_runs([run("a"), run("b")], measures=["macs"])) == {"macs"}


def test_intervals_of_two_runs_join_as_independent_ones(factory) -> None:
    first = factory.figure("fid", 100.0, interval=(90.0, 110.0))
    other = factory.figure("fid", 120.0, interval=(110.0, 135.0))
    change = change_between([(first, other)])
    assert change.how == "intervals"
    low = math.log(1.2) - math.hypot(math.log(120 / 110), math.log(110 / 100))
    high = math.log(1.2) + math.hypot(math.log(135 / 120), math.log(100 / 90))
    assert change.interval == pytest.approx((math.exp(low), math.exp(high)))


def test_decibels_and_what_may_be_negative_differ_and_have_no_ratio(factory) -> None:
    first, other = (factory.figure("psnr", value, "dB", direction="higher") for value in (20.0, 23.0))
    change = change_between([(first, other)])
    assert (change.value, change.is_difference, change.how) == (3.0, True, "no interval")
    low, high = (
        factory.figure("kd", -0.1, interval=(-0.3, 0.1)),
        factory.figure("kd", 0.4, interval=(0.2, 0.6)),
    )
    change = change_between([(low, high)])
    assert change.value == pytest.approx(0.5)
    assert change.interval == pytest.approx((0.5 - math.hypot(0.2, 0.2), 0.5 + math.hypot(0.2, 0.2)))
    assert change.verdict(direction="lower") == "worse"


def test_means_over_the_same_images_are_paired(factory) -> None:
    hard = [1.0, 2.0, 4.0, 8.0]
    first = factory.quality_figure("lpips", 3.75, samples=hard)
    other = factory.quality_figure("lpips", 4.125, samples=[1.1 * each for each in hard])
    change = change_between([(first, other)])
    assert change.how == "image by image"
    assert change.interval == pytest.approx((1.1, 1.1))


def test_a_figure_that_is_no_number_has_no_change(factory) -> None:
    first, other = factory.figure("psnr", math.inf, "dB"), factory.figure("psnr", 20.0, "dB")
    assert change_between([(first, other)]) is None
    assert change_between([]) is None


def test_names_are_escaped_and_the_record_is_json(run) -> None:
    hostile = "<script>|`x`"
    made = compare_runs([run("a", cpu_model=hostile), run("b", cpu_model="ok")])
    text = write_markdown(compose_comparison(made))
    assert "<script>" not in text
    record = json.loads(json.dumps(comparison_record(made), allow_nan=False))
    assert record["runs"] == ["a", "b"]
    row = next(row for row in record["rows"] if row["measure"] == "macs")
    assert row["figures"][1]["change"] == {
        "kind": "ratio", "value": 1.0, "interval": None, "from": "exact", "verdict": "equal",
    }  # fmt: skip


def test_an_empty_environment_is_no_error(run) -> None:
    made = compare_runs([run("a"), run("b").model_copy(update={"environment": Environment()})])
    assert {fact.name for fact in made.facts} >= {"cpu model", "torch"}


def test_over_seeds_the_ratio_is_that_of_the_means_which_are_shown(factory) -> None:
    pairs = [
        (
            factory.figure("fd", before, interval=(0.9 * before, 1.1 * before)),
            factory.figure("fd", after, interval=(0.9 * after, 1.1 * after)),
        )
        for before, after in ((1.0, 2.0), (9.0, 9.0))
    ]
    change = change_between(pairs)
    # Neither the mean of the ratios, 1.5, nor their geometric mean, 1.41.
    assert change.value == pytest.approx(11 / 10)
    assert change.interval[0] < change.value < change.interval[1]
    louder = [
        (factory.figure("psnr", a, "dB"), factory.figure("psnr", b, "dB")) for a, b in ((20, 22), (30, 31))
    ]
    assert change_between(louder).value == pytest.approx(1.5)
