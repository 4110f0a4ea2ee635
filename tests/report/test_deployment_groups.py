"""Deployments timed in several ways: which figure, which failure and which words belong to which group."""

from __future__ import annotations

import csv
import io

import pytest

from benchbench.core.measurement import Failure, Interval
from benchbench.report.deployment_blocks import deployment_blocks
from benchbench.report.deployment_grids import full_grid, matrix_grids, why_failed
from benchbench.report.deployment_words import best_sentences
from benchbench.report.document import Fold, Grid, Notes, Paragraph
from benchbench.report.export import export
from benchbench.report.views.report import view_report
from benchbench.report.write import write_report

ON_CPU_ALONE = Failure(of="latency", kind="skipped", reason="cuda: 'openvino' runs on cpu alone")
NO_GPU = Failure(of="latency", kind="skipped", reason="cuda: no NVIDIA GPU is visible")
DAMAGED = Failure(of="latency", kind="invalid", reason="the artefact does not open")


def groups_of(deployed, results):
    return view_report([deployed.deployed_table(results)]).deployments


def first_calls(group):
    grid = full_grid(group, Notes())
    titles = [column.title for column in grid.columns]
    if "first call" not in titles:
        return {}
    at = titles.index("first call")
    return {row.items[0].text: row.items[at].text for row in grid.rows if not row.reason}


@pytest.fixture(scope="module")
def on_both(deployed):
    """CPU and GPU; OpenVINO is on the CPU alone."""

    def more(result):
        if result.failure is not None:
            return result
        if result.cell.deploy.backend == "openvino":
            return result.model_copy(update={"failures": (ON_CPU_ALONE,)})
        return deployed.timed_again(result, setting="cuda", factor=0.02)

    return [more(each) for each in deployed.deployed_results()]


@pytest.fixture(scope="module")
def by_both_clocks(deployed):
    """End to end and by device time; every speed-up but one is flagged in one of the two."""

    def more(result, end_to_end, device):
        if result.failure is not None:
            return result
        result = deployed.timed_again(result, name="device_latency", factor=0.9)
        return deployed.sped_up(deployed.sped_up(result, *end_to_end), *device, name="device_speedup")

    def make(end_to_end, device):
        return [more(each, end_to_end, device) for each in deployed.deployed_results()]

    return make


def test_a_first_call_is_of_its_own_device(deployed, on_both):
    cpu, cuda = groups_of(deployed, on_both)
    assert (cpu.key.setting, cuda.key.setting) == ("cpu, 2 threads", "cuda")
    assert first_calls(cpu)["v3 openvino"] == "400 ms"
    assert first_calls(cuda)["v3 compile"] == "8.00 ms"
    assert first_calls(cuda)["v3 openvino"] == "–"
    # Of a file there is one, whatever runs it.
    assert cuda.cell("v3", "openvino").figures["file_size"].value == 831460
    assert "memory_resident" not in cuda.cell("v3", "compile").figures


def test_what_failed_at_one_thread_count_has_no_first_call_of_another(deployed):
    results = [
        each
        if each.failure is not None or each.cell.label == "v3 compile"
        else deployed.timed_again(each, setting="cpu, 4 threads", factor=0.6)
        for each in deployed.deployed_results()
    ]
    two, four = groups_of(deployed, results)
    assert first_calls(two)["v3 compile"] == "400 ms"
    assert first_calls(four)["v3 compile"] == "–"
    assert first_calls(four)["v3"] == "240 ms"


def test_a_first_call_without_any_timing_of_its_own_belongs_to_no_group(deployed):
    results = [
        deployed.changed(each, "first_call", setting="cpu, 8 threads") for each in deployed.deployed_results()
    ]
    (group,) = groups_of(deployed, results)
    assert first_calls(group) == {}


def test_memory_of_one_device_is_not_the_others(deployed, on_both):
    results = [
        deployed.changed(each, "memory_resident", setting="cuda") if each.cell.label == "v3 compile" else each
        for each in on_both
    ]
    cpu, cuda = groups_of(deployed, results)
    assert "memory_resident" not in cpu.cell("v3", "compile").figures
    assert "memory_resident" in cuda.cell("v3", "compile").figures


def test_what_was_made_without_a_setting_is_every_groups(deployed, on_both):
    results = [
        each.model_copy(
            update={
                "measurements": tuple(
                    one.model_copy(update={"setting": one.setting if one.setting == "cuda" else ""})
                    for one in each.measurements
                )
            }
        )
        for each in on_both
    ]
    found = groups_of(deployed, results)
    assert [group.key.setting for group in found] == ["", "cuda"]
    assert all("file_size" in group.cell("v3", "compile").figures for group in found)


def test_memory_at_a_setting_of_its_own_is_every_groups(deployed):
    results = [
        deployed.changed(each, "memory_resident", setting="cpu, 1 thread")
        for each in deployed.deployed_results()
    ]
    (group,) = groups_of(deployed, results)
    assert group.cell("v3", "compile").figures["memory_resident"].value == 3.1e8


@pytest.mark.parametrize("order", [1, -1])
def test_a_file_that_does_not_open_is_not_told_to_lack_a_gpu(deployed, order):
    """Whichever comparison was made first."""
    results = [
        deployed.without(each, "latency", "first_call").model_copy(
            update={"failures": (NO_GPU, DAMAGED)[::order]}
        )
        if each.cell.label == "v3 openvino"
        else each
        for each in deployed.deployed_results()
    ]
    (group,) = groups_of(deployed, results)
    assert why_failed(group.cell("v3", "openvino")) == "invalid: the artefact does not open"


@pytest.mark.parametrize("order", [1, -1])
def test_each_group_has_the_failure_of_its_own_setting(deployed, on_both, order):
    results = [
        deployed.without(each, "latency", "first_call").model_copy(
            update={"failures": (ON_CPU_ALONE, DAMAGED)[::order]}
        )
        if each.cell.label == "v3 openvino"
        else each
        for each in on_both
    ]
    cpu, cuda = groups_of(deployed, results)
    assert why_failed(cpu.cell("v3", "openvino")) == "invalid: the artefact does not open"
    assert why_failed(cuda.cell("v3", "openvino")) == "skipped: cuda: 'openvino' runs on cpu alone"


def test_what_only_this_machine_lacks_is_told(deployed):
    results = [
        deployed.without(each, "latency", "first_call").model_copy(update={"failures": (NO_GPU,)})
        if each.cell.label == "v3 openvino"
        else each
        for each in deployed.deployed_results()
    ]
    (group,) = groups_of(deployed, results)
    assert why_failed(group.cell("v3", "openvino")) == "skipped: cuda: no NVIDIA GPU is visible"


@pytest.mark.parametrize("flagged", ["latency", "device_latency"])
def test_a_clock_is_flagged_by_its_own_ratio(deployed, by_both_clocks, flagged):
    flags = [("unconverged",) if name == flagged else () for name in ("latency", "device_latency")]
    found = groups_of(deployed, by_both_clocks(*flags))
    assert [group.key.name for group in found] == ["latency", "device_latency"]
    for group in found:
        expected = ("latency unconverged",) if group.key.name == flagged else ()
        assert {each.cautions for each in best_sentences(group).sentences} == {expected}


def test_each_group_of_the_section_has_its_heading_and_what_is_the_same_stands_once(
    deployed, by_both_clocks, tmp_path
):
    table = deployed.deployed_table(by_both_clocks((), ()))
    found = deployment_blocks(view_report([table]).deployments, Notes())
    said = [block.text for block in found if isinstance(block, Paragraph)]
    assert said[0] == "cpu, 2 threads:"
    assert "device time, cpu, 2 threads:" in said
    titles = [each.caption if isinstance(each, Grid) else getattr(each, "title", "") for each in found]
    assert sum(title.startswith("Latency, ms") for title in titles) == 2
    assert titles.count("Outputs against eager float32") == 1
    assert titles.count("Operators that were run otherwise") == 1
    assert titles.count("What the libraries say") == 1
    text = write_report(table, out=tmp_path).markdown.read_text(encoding="utf-8")
    assert "\ndevice time, cpu, 2 threads:\n" in text
    names = {path.name for path in (tmp_path / "deployed").rglob("deployments-*.csv")}
    assert names == {"deployments-perceptual-loss-1.csv", "deployments-perceptual-loss-2.csv"}


def test_groups_of_other_networks_have_each_what_is_behind_them(deployed):
    tables = [deployed.deployed_table(run_id="a"), deployed.deployed_table(run_id="b")]
    found = deployment_blocks(view_report(tables).deployments, Notes())
    said = [block.text for block in found if isinstance(block, Paragraph)]
    assert [text for text in said if text.endswith("threads:")] == [
        "a, cpu, 2 threads:",
        "b, cpu, 2 threads:",
    ]
    grids = [block.caption for block in found if isinstance(block, Grid)]
    assert grids.count("Outputs against eager float32") == 2


@pytest.mark.parametrize("name", ["deployments", "pairs"])
def test_exported_rows_say_by_which_clock(deployed, by_both_clocks, name):
    table = deployed.deployed_table(by_both_clocks((), ()))
    rows = list(csv.DictReader(io.StringIO(export([table], name, form="csv"))))
    timed = [row["timed"] for row in rows]
    assert timed.count("cpu, 2 threads") == timed.count("device time, cpu, 2 threads") == len(rows) / 2


def test_of_many_pairs_those_left_out_are_counted_and_where_they_are_is_told(deployed):
    (group,) = groups_of(deployed, deployed.many_results())
    assert group.pairs_left_out > 0
    folds = [block for block in deployment_blocks([group], Notes()) if isinstance(block, Fold)]
    fold = next(each for each in folds if each.title.startswith("Pairs with"))
    assert fold.title == f"Pairs with eager float32 and with the baseline ({len(group.pairs)})"
    told = f"{group.pairs_left_out} further pairs are in `benchbench table RUN --table pairs`"
    assert told in fold.blocks[0].text
    assert len(fold.blocks[1].rows) == len(group.pairs)


@pytest.mark.parametrize(
    ("width", "told"), [(0.2, ", the intervals overlap)"), (0.001, ")")], ids=["wide", "narrow"]
)
def test_a_quality_without_pairs_says_whether_intervals_overlap(deployed, width, told):
    def unpaired(result):
        figure = next((each for each in result.measurements if each.name == "perceptual_loss"), None)
        if figure is None:
            return result
        interval = Interval(low=figure.value * (1 - width), high=figure.value * (1 + width))
        return deployed.changed(result, "perceptual_loss", samples=(), interval=interval)

    (group,) = groups_of(deployed, [unpaired(each) for each in deployed.deployed_results()])
    said = {each.label: each.text for each in best_sentences(group).sentences}["v3"]
    assert f"loss rises from 2.58 to 2.66 (+0.078{told}" in said


def test_down_the_side_the_marked_row_is_eager_float32(deployed):
    """Wherever it stands in the plan."""
    results = sorted(deployed.deployed_results(), key=lambda each: each.cell.deploy.is_reference)
    (group,) = groups_of(deployed, results)
    (grid,) = matrix_grids(group, Notes())
    assert grid.rows[0].items[0].text != "eager"
    assert [row.items[0].text for row in grid.rows if row.level == "baseline"] == ["eager"]
    others = [each for each in results if not each.cell.deploy.is_reference]
    (group,) = groups_of(deployed, others)
    (grid,) = matrix_grids(group, Notes())
    assert {row.level for row in grid.rows} == {"line"}
