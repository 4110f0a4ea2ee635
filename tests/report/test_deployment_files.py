"""Deployments in the files of a report: the section, their own tables, and the parts that leave them out."""

from __future__ import annotations

import csv
import io
import math
import os
import re
from pathlib import Path

import pytest

from benchbench.cli.summary import summarise
from benchbench.core.deployment_record import DeploymentRecord, OperatorNote
from benchbench.report.compare_view import compare_runs
from benchbench.report.deployment_grids import full_grid, matrix_grids
from benchbench.report.deployment_tables import fact_grid, operator_grid, output_grid
from benchbench.report.deployment_words import best_sentences
from benchbench.report.document import Notes
from benchbench.report.explorer import explore
from benchbench.report.export import export
from benchbench.report.summary_markdown import write_summary
from benchbench.report.views.absent import absent_rows
from benchbench.report.views.report import view_report
from benchbench.report.views.vocabulary import is_quality
from benchbench.report.write import write_report

GOLDEN = Path(__file__).parents[1] / "golden" / "deployments.md"
HOSTILE = "<img src=x onerror=alert(1)>\u202e|*b*"
FORMULA = "=HYPERLINK(1)"


@pytest.fixture(scope="module")
def view(deployed):
    return view_report([deployed.deployed_table()])


def texts(grid, at):
    return [row.items[at].text for row in grid.rows if not row.reason]


def section_of(text):
    return text.partition("## Deployment\n")[2].partition("\n## ")[0]


def test_golden_section(deployed_files):
    """To accept a change: BENCHBENCH_UPDATE_GOLDEN=1 pytest tests/report/test_deployment_files.py."""
    made = section_of(deployed_files.markdown.read_text(encoding="utf-8"))
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


def test_a_run_without_deployments_has_no_such_section(files):
    assert "## Deployment" not in files.markdown.read_text(encoding="utf-8")
    assert 'id="deployment"' not in files.html.read_text(encoding="utf-8")
    assert "backend" not in files.csv.read_text(encoding="utf-8").splitlines()[0]


def test_the_matrix_shows_what_failed_with_its_reason_beneath(view):
    (grid,) = matrix_grids(view.deployments[0], notes := Notes())
    rows = {row.items[0].text: row for row in grid.rows}
    differs, skipped = rows["onnxruntime int8"].items[2], rows["tensorrt fp16"].items[2]
    assert (differs.text, differs.mark, differs.more) == ("differs", "bad", ("12.1 dB",))
    assert (skipped.text, skipped.mark) == ("skipped", "quiet")
    said = dict(grid.notes)
    assert said[differs.notes[0]].startswith("differs: its outputs have a PSNR of 12.1 dB, 20 dB is asked")
    assert said[skipped.notes[0]] == "skipped: needs tensorrt (pip install 'benchbench[tensorrt]')"
    # One reason of several places is one line.
    assert len(said) == 2
    assert notes.number(said[1]) == (1,)


def test_a_place_of_the_matrix_has_latency_ratios_size_and_quality(view):
    (grid,) = matrix_grids(view.deployments[0], Notes())
    place = next(row for row in grid.rows if row.items[0].text == "openvino int8").items[2]
    assert place.text == "40.3"
    eager, baseline, size, quality = place.more
    assert re.fullmatch(r"eager 5\.5\dx \[[\d.]+, [\d.]+\]", eager)
    assert re.fullmatch(r"baseline 2\.7\dx \[[\d.]+, [\d.]+\]", baseline)
    assert size == "812 KiB, 31.0 dB"
    assert quality == "loss 2.66 (+3.0 %)"


def test_few_deployments_stand_across_and_many_variants_are_split(deployed):
    few = [deployed.deployed_result(name, way) for name in ("baseline", "v3") for way in deployed.WORKING]
    (group,) = view_report([deployed.deployed_table(few)]).deployments
    (grid,) = matrix_grids(group, Notes())
    assert [column.title for column in grid.columns] == [
        "variant",
        "eager",
        "compile",
        "openvino",
        "openvino int8",
    ]
    assert texts(grid, 0) == ["baseline", "v3"]
    many = []
    for at in range(8):
        for each in deployed.deployed_results():
            if each.cell.variant == "v3":
                cell = each.cell.model_copy(update={"variant": f"v{at}"})
                many.append(each.model_copy(update={"cell": cell}))
    (group,) = view_report([deployed.deployed_table(many)]).deployments
    grids = matrix_grids(group, Notes())
    assert [len(grid.columns) for grid in grids] == [6, 2]
    assert [grid.caption[-8:] for grid in grids] == ["(1 of 2)", "(2 of 2)"]


def test_the_full_table_has_a_row_each_and_a_reason_in_place_of_figures(view):
    grid = full_grid(view.deployments[0], Notes())
    assert len(grid.rows) == 12
    assert [row.items[0].text for row in grid.rows if row.reason] == [
        "baseline onnxruntime int8",
        "baseline tensorrt fp16",
        "v3 onnxruntime int8",
        "v3 tensorrt fp16",
    ]
    assert grid.notes == ()
    titles = [column.title for column in grid.columns]
    for wanted in ("file size, MiB", "PSNR", "export time", "compile time", "first call"):
        assert wanted in titles


def test_outputs_say_how_far_what_was_asked_and_on_which_inputs(view):
    grid = output_grid(view.deployments[0], Notes())
    rows = {row.items[0].text: row.items for row in grid.rows}
    assert rows["v3 openvino int8"][3].text == "31.0 dB"
    assert rows["v3 openvino int8"][3].more == ("20 dB is asked",)
    assert rows["v3 compile"][1].more == ("0.10 % is allowed",)
    assert rows["v3 onnxruntime int8"][3].mark == "bad"
    assert "v3 tensorrt fp16" not in rows
    said = dict(grid.notes)[rows["v3 compile"][0].notes[0]]
    assert said == "inputs: 4 images of the test split, 4 sets, range of the outputs 1.90"


@pytest.mark.parametrize(
    ("relative", "share", "ranged"),
    [
        (0.0006, "0.060 %", "output with the lowest PSNR"),
        (None, "50 %", "outputs"),
        (0.5, "50 %", "outputs"),
        # An output that is one value, and deployed another.
        (math.inf, "", "output with the lowest PSNR"),
    ],
)
def test_a_difference_is_told_as_the_share_that_the_tolerance_bounds(deployed, relative, share, ranged):
    """Of several outputs the largest difference is not of the one whose range is stored."""
    record = DeploymentRecord(value_range=1.0, relative_max_abs=relative)
    results = [
        deployed.deployed_result("v3", deployed.EAGER),
        deployed.changed(
            deployed.deployed_result("v3", deployed.COMPILE, record=record), "output_max_abs", value=0.5
        ),
    ]
    (group,) = view_report([deployed.deployed_table(results)]).deployments
    grid = output_grid(group, Notes())
    (row,) = grid.rows
    assert (row.items[1].detail, row.items[1].more) == (share, ("0.10 % is allowed",))
    assert dict(grid.notes)[1].endswith(f", range of the {ranged} 1.00")


def test_over_seeds_that_share_is_a_mean_as_the_difference_is(deployed):
    results = [
        deployed.changed(
            deployed.deployed_result(
                "v3",
                deployed.COMPILE,
                seed=seed,
                record=DeploymentRecord(value_range=whole, relative_max_abs=share),
            ),
            "output_max_abs",
            value=whole * share,
        )
        for seed, whole, share in ((0, 2.0, 0.0002), (1, 4.0, 0.0004))
    ]
    (group,) = view_report([deployed.deployed_table(results)]).deployments
    grid = output_grid(group, Notes())
    (row,) = grid.rows
    assert (row.items[1].text, row.items[1].detail) == ("0.00100", "0.030 %")
    assert "range of the outputs" in dict(grid.notes)[1]


@pytest.mark.parametrize(
    ("largest", "psnr_db", "told"),
    [
        (0.0, 200.0, "equal"),
        # One value of an image that is off by its last digit.
        (1.2e-10, 200.0, "at least 200 dB"),
        (1e-6, 128.0, "128 dB"),
    ],
)
def test_only_outputs_that_do_not_differ_are_equal(deployed, largest, psnr_db, told):
    result = deployed.deployed_result("v3", deployed.COMPILE)
    result = deployed.changed(result, "output_psnr", value=psnr_db)
    result = deployed.changed(result, "output_max_abs", value=largest)
    results = [deployed.deployed_result("v3", deployed.EAGER), result]
    (group,) = view_report([deployed.deployed_table(results)]).deployments
    assert output_grid(group, Notes()).rows[0].items[3].text == told
    (matrix,) = matrix_grids(group, Notes())
    assert matrix.rows[0].items[2].more[-2] == f"812 KiB, {told}"
    said = best_sentences(group).sentences[0].text
    words = "are equal to" if told == "equal" else f"have a PSNR of {told} to"
    assert f"its outputs {words} eager float32's" in said


def test_operators_are_counted_and_not_told_where_the_library_does_not(view):
    rows = {row.items[0].text: row.items for row in operator_grid(view.deployments[0]).rows}
    assert [item.text for item in rows["v3 openvino int8"][1:]] == ["61", "0", "15", "2", "not told"]
    assert {item.text for item in rows["v3 compile"][1:]} == {"not told"}
    facts = fact_grid(view.deployments[0])
    assert texts(facts, 1) == ["baseline, v3"] * 4
    # Those of what was timed stand with the latency.
    assert not any("threads" in text for text in texts(facts, 2))


def test_other_parts_are_of_eager_float32_alone(view):
    assert [row.label for row in view.summary] == ["baseline", "v3"]
    assert {row.label for row in view.gains} <= {"baseline", "v3"}
    assert all(" " not in point.label for each in view.tradeoffs for point in each.points)
    assert [line.label for line in view.lines if line.deployment.is_reference] == ["baseline", "v3"]
    # One colour per variant, whatever runs it.
    assert {(line.variant, line.colour) for line in view.lines} == {("baseline", 0), ("v3", 1)}


def test_the_chart_to_explore_has_every_deployment_with_its_own_marker(view):
    points = {point.label: point for point in explore(view).points}
    assert points["v3 compile"].colour == points["v3"].colour != points["baseline"].colour
    assert points["v3 compile"].marker == points["baseline compile"].marker != points["v3"].marker
    assert "run in openvino int8" in points["v3 openvino int8"].about


@pytest.mark.parametrize("name", ["output_max_abs", "output_mean_abs", "output_psnr"])
def test_agreement_is_no_quality(name):
    assert not is_quality(name, "dB" if name == "output_psnr" else "1")
    assert is_quality("psnr", "dB")


def test_the_long_table_names_backend_precision_and_layout(deployed_files):
    rows = list(csv.DictReader(io.StringIO(deployed_files.csv.read_text(encoding="utf-8"))))
    ours = {(row["backend"], row["precision"], row["memory_format"], row["deployment"]) for row in rows}
    assert ("openvino", "int8", "contiguous", "openvino int8") in ours
    assert ("eager", "fp32", "contiguous", "eager") in ours
    assert {row["swept"] for row in rows} == {""}


def test_exported_deployments_and_pairs_round_nothing(deployed, view):
    table = deployed.deployed_table()
    rows = list(csv.DictReader(io.StringIO(export([table], "deployments", form="csv"))))
    fast = next(row for row in rows if row["variant"] == "v3 openvino")
    expected = view.deployments[0].cell("v3", "openvino").over_eager
    assert float(fast["over_eager"]) == expected.value
    assert (float(fast["over_eager_low"]), float(fast["over_eager_high"])) == expected.interval
    assert fast["backend"] == "openvino"
    failed = next(row for row in rows if row["variant"] == "v3 tensorrt fp16")
    assert failed["reason"] == "skipped: needs tensorrt"
    pairs = list(csv.DictReader(io.StringIO(export([table], "pairs", form="csv"))))
    assert len(pairs) == 28
    for name in ("deployments", "pairs"):
        assert export([table], name, form="markdown").startswith("**")
        assert export([table], name, form="latex")
        assert export([table], name, form="json")


def test_what_is_absent_is_called_as_its_cell_would_be(deployed):
    table = deployed.deployed_table()
    assert absent_rows([table]) == ()
    left = [each for each in table.results if each.cell.label != "v3 openvino int8"]
    (row,) = absent_rows([table.model_copy(update={"results": tuple(left)})])
    assert row.label == "v3 openvino int8"
    only = table.run.model_copy(update={"command": "benchbench run deployed.yaml --only 'v3 openvino*'"})
    (row,) = absent_rows([table.model_copy(update={"results": tuple(left), "run": only})])
    assert row.label == "v3 openvino int8"
    only = table.run.model_copy(update={"only": ("v3 compile",)})
    assert absent_rows([table.model_copy(update={"results": tuple(left), "run": only})]) == ()


def test_two_runs_are_compared_deployment_by_deployment(deployed):
    slower = {key: value * 1.5 for key, value in deployed.LATENCY_S.items()}
    tables = [
        deployed.deployed_table(run_id="a"),
        deployed.deployed_table(deployed.deployed_results(latencies=slower), run_id="b"),
    ]
    found = compare_runs(tables, measures=("latency",))
    assert {row.cell for row in found.rows} == {
        f"{name} {way.label}" if way.label != "eager" else name
        for name in ("baseline", "v3")
        for way in deployed.WORKING
    }
    assert all(row.sides[1].figure.value > 1.4 * row.sides[0].figure.value for row in found.rows)


def test_two_runs_in_one_report_are_groups_of_their_own(deployed):
    tables = [deployed.deployed_table(run_id="a"), deployed.deployed_table(run_id="b")]
    assert [group.name for group in view_report(tables).deployments] == ["a", "b"]


def test_the_terminal_tells_the_network_once_and_the_best_of_each(deployed):
    text = summarise(deployed.deployed_table())
    header = text.splitlines()[0]
    assert "output_max_abs" not in header
    assert "compile_time" not in header
    assert "PSNR to eager" in header
    assert text.count("1,679,235") == 1
    assert "v3 (cpu, 2 threads) runs best in openvino int8: 40.3 ms" in text
    assert "skipped: baseline tensorrt fp16, v3 tensorrt fp16: needs tensorrt" in text


def test_the_short_report_has_the_sentences_and_the_matrix(deployed):
    text = section_of(write_summary([deployed.deployed_table()]))
    assert "runs best in openvino int8" in text
    assert "Latency, ms, and what it is compared with" in text


def test_names_of_operators_and_facts_are_texts(deployed, tmp_path):
    record = DeploymentRecord(
        facts={HOSTILE: HOSTILE, "path": FORMULA},
        operators=(OperatorNote(operator=HOSTILE, count=3, what="fell_back", detail=HOSTILE),),
        operator_count=9,
    )
    results = [
        deployed.deployed_result("baseline", deployed.EAGER),
        deployed.deployed_result("baseline", deployed.OPENVINO, record=record),
    ]
    table = deployed.deployed_table(results)
    made = write_report(table, out=tmp_path)
    page = made.html.read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;[U+202E]" in page
    text = section_of(made.markdown.read_text(encoding="utf-8"))
    assert "\u202e" not in text
    assert "<img" not in text
    for line in text.splitlines():
        if line.startswith("| baseline openvino | fell back"):
            assert line.replace(r"\|", "").count("|") == 6
    written = export([table], "deployments", form="csv")
    assert all(not place.startswith("=") for row in csv.reader(io.StringIO(written)) for place in row)


def test_the_same_run_gives_the_same_bytes(deployed, deployed_files, tmp_path):
    again = write_report(deployed.deployed_table(), out=tmp_path)
    assert again.html.read_bytes() == deployed_files.html.read_bytes()


def test_without_timing_there_are_sizes_and_differences(deployed, tmp_path):
    untimed = [
        each.model_copy(update={"measurements": tuple(m for m in each.measurements if m.name != "latency")})
        for each in deployed.deployed_results()
    ]
    table = deployed.deployed_table(untimed)
    (group,) = view_report([table]).deployments
    assert (group.key, group.bests, group.gains, group.pairs, group.chart) == (None, (), (), (), None)
    (grid,) = matrix_grids(group, Notes())
    place = next(row for row in grid.rows if row.items[0].text == "openvino int8").items[2]
    assert (place.text, place.more[0]) == ("–", "812 KiB, 31.0 dB")
    text = section_of(write_report(table, out=tmp_path).markdown.read_text(encoding="utf-8"))
    assert "runs best" not in text
    assert "Outputs against eager float32" in text


def test_pairs_have_their_script_and_other_pages_do_not(files, deployed_files):
    assert "data-pairs" in deployed_files.html.read_text(encoding="utf-8")
    assert "data-pairs" not in files.html.read_text(encoding="utf-8")
