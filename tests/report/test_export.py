"""Tables of a report on their own: LaTeX for papers, CSV and JSON with nothing rounded."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from benchbench.core.errors import StoreError, UnknownNameError
from benchbench.report.export import export
from benchbench.report.export_latex import escape
from benchbench.report.export_model import best_places
from benchbench.report.export_tables import TABLES, export_table
from benchbench.report.views.report import view_report

# This run has none: test_deployment_files.py.
OF_DEPLOYMENTS = ("deployments", "pairs")
HOSTILE = r"""a\input{/etc/passwd}&b%c$d#e_f{g}h~i^j<k>|"l`m''n--o[2pt]*p ≤ 中 é–µ"""


@pytest.fixture(scope="module")
def latex(load_module):
    return load_module("report/latex_checker.py")


@pytest.fixture(scope="module")
def lean(factory):
    results = [factory.without_drawings(factory.make_result(name)) for name in factory.COUNTS]
    return factory.make_table(results=results)


def _bold(rows, at):
    return [row[0] for row in rows if row[at].startswith(r"\textbf")]


def test_every_table_is_written_in_every_format(table, latex) -> None:
    for name in (name for name in TABLES if name not in OF_DEPLOYMENTS):
        latex.check_latex(export([table], name, form="latex"))
        assert export([table], name, form="markdown").startswith("**")
        rows = list(csv.reader(io.StringIO(export([table], name, form="csv"))))
        assert len({len(row) for row in rows}) == 1, name
        assert len(set(rows[0])) == len(rows[0]), name
        document = json.loads(export([table], name, form="json"))
        assert len(document["rows"]) == len(rows) - 1


def test_latex_has_units_in_headings_and_the_best_of_each_direction_bold(lean, latex) -> None:
    text = export([lean], "summary", form="latex")
    assert "latency (cpu, 2 threads), ms" in text
    assert "MACs, GMAC" in text
    rows = latex.check_latex(text)
    assert [row[0] for row in rows] == ["baseline", "v1", "v2", "v3"]
    headings = [each.strip() for each in text.partition(r"\toprule")[2].partition(r"\\")[0].split("&")]
    best = {heading: _bold(rows, at) for at, heading in enumerate(headings)}
    assert best["parameters"] == ["v3"]
    assert best["latency (cpu, 2 threads), ms"] == ["v3"]
    assert best["speed-up (cpu, 2 threads)"] == ["v3"]
    assert best["loss"] == ["baseline"]
    assert r"\textbf{1.41x {[}1.39, 1.43{]}}" in text


def test_a_column_of_the_baseline_alone_and_a_column_of_equals_have_no_best(factory) -> None:
    only = factory.make_table(results=[factory.without_drawings(factory.make_result("baseline"))])
    made = export_table(view_report([only]), "summary")
    assert best_places(made) == frozenset()
    twice = [
        factory.make_result("v1").model_copy(
            update={"cell": factory.make_result("v1").cell.model_copy(update={"variant": name})}
        )
        for name in ("v1", "v2")
    ]
    made = export_table(view_report([factory.make_table(results=twice)]), "summary")
    assert best_places(made) == frozenset()


def test_what_was_measured_otherwise_is_never_the_best(factory) -> None:
    results = [factory.make_result(name) for name in factory.COUNTS]
    figures = [
        each.model_copy(update={"value": 0.001, "protocol": factory.figure("x", 1).protocol})
        if each.name == "latency"
        else each
        for each in results[1].measurements
    ]
    results[1] = results[1].model_copy(update={"measurements": tuple(figures)})
    made = export_table(view_report([factory.make_table(results=results)]), "summary")
    at = [column.key for column in made.columns].index("latency[cpu, 2 threads]")
    assert {row for row, column in best_places(made) if column == at} == {3}


def test_no_name_is_markup_in_latex(factory, latex) -> None:
    suite = factory.make_suite(title=HOSTILE, note=HOSTILE)
    table = factory.make_table(suite=suite)
    for name in ("summary", "paper"):
        text = export([table], name, form="latex")
        latex.check_latex(text)
        assert "input{/" not in text.replace(r"\textbackslash{}input\{", "")
    assert r"\caption{a\textbackslash{}input\{/etc/passwd\}\&b\%c\$d\#e\_f\{g\}h" in text


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("a--b", "a-{}-b"),
        ("[x", "{[}x"),
        ("*", "{*}"),
        ("50 %~", r"50 \%\textasciitilde{}"),
        ("a\nb\x1b[0m", "a b {[}0m"),
        ("≤ 中", r"$\leq$ (U+4E2D)"),
        ("é", "é"),
        ("''", "'{}'"),
    ],
)
def test_what_latex_would_act_on_is_escaped(given: str, made: str) -> None:
    assert escape(given) == made


def test_csv_and_json_hold_figures_whole(lean) -> None:
    rows = list(csv.DictReader(io.StringIO(export([lean], "summary", form="csv"))))
    v3 = rows[3]
    assert (v3["run"], v3["variant"], v3["seed"], v3["baseline"]) == ("20250102-030405", "v3", "", "no")
    assert float(v3["speedup[cpu, 2 threads]"]) == 0.0713 / 0.0507
    assert float(v3["speedup[cpu, 2 threads]_low"]) == 0.0713 / 0.0507 * 0.985
    assert v3["latency[cpu, 2 threads]_unit"] == "s"
    assert v3["macs"] == "1315897344"
    (result,) = [each for each in lean.results if each.cell.variant == "v3"]
    assert v3["macs_protocol"] == result.measurement("macs").protocol.hash
    values = json.loads(export([lean], "summary", form="json"))["rows"][3]["values"]
    assert values["speedup[cpu, 2 threads]"]["interval"] == {
        "low": 0.0713 / 0.0507 * 0.985,
        "high": 0.0713 / 0.0507 * 1.015,
        "level": 0.95,
    }
    assert values["perceptual_loss"]["flags"]


def test_json_stays_json_where_a_figure_is_no_number(factory) -> None:
    result = factory.make_result("v1")
    psnr = factory.figure("psnr", float("inf"), "dB", direction="higher")
    result = factory.with_quality(result, psnr)
    text = export([factory.make_table(results=[result])], "summary", form="json")
    values = json.loads(text, parse_constant=pytest.fail)["rows"][0]["values"]
    assert values["psnr"]["value"] == "Infinity"


def test_a_row_per_seed_where_it_is_asked_for(factory) -> None:
    results = [
        factory.without_drawings(factory.make_result("v1", seed=seed, loss=2.0 + seed)) for seed in (0, 1)
    ]
    table = factory.make_table(results=results)
    once = list(csv.DictReader(io.StringIO(export([table], "summary", form="csv"))))
    assert [(row["seed"], float(row["perceptual_loss"])) for row in once] == [("", 2.5)]
    assert once[0]["perceptual_loss_seeds"] == "2"
    each = list(csv.DictReader(io.StringIO(export([table], "summary", form="csv", seeds="each"))))
    assert [(row["seed"], float(row["perceptual_loss"])) for row in each] == [
        ("", 2.5),
        ("0", 2.0),
        ("1", 3.0),
    ]


def test_a_wrong_name_lists_the_tables_and_an_empty_one_those_with_rows(lean) -> None:
    with pytest.raises(UnknownNameError) as caught:
        export([lean], "sumary", form="csv")
    assert all(name in str(caught.value) for name in TABLES)
    assert caught.value.fix == "did you mean 'summary'?"
    with pytest.raises(StoreError, match="'curves'") as refused:
        export([lean], "curves", form="csv")
    assert "summary, latency" in str(refused.value.expected)


def test_every_table_is_told_in_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/compare.md").read_text(encoding="utf-8")
    told = [name for names in re.findall(r"^\| (`.*`) \|", page, re.MULTILINE) for name in names.split(", ")]
    assert sorted(told) == sorted(f"`{name}`" for name in TABLES)


def test_nothing_failed_is_a_table_too(lean, latex) -> None:
    assert export([lean], "failures", form="csv").count("\n") == 1
    assert latex.check_latex(export([lean], "failures", form="latex")) == []


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_level_says_who_met_it(factory, trained, form) -> None:
    results = [trained("baseline", 4000.0, seed=seed, met=met) for seed, met in enumerate((600, "missed"))]
    results += [trained("v1", 3000.0, seed=seed, met="missed") for seed in range(2)]
    text = export([factory.make_table(results=results)], "training", form=form)
    assert "1 of 2 seeds met it: the mean is over these" in text
    row = next(line for line in text.splitlines() if "v1" in line)
    assert "not reached" in row
    whole = [trained("baseline", 4000.0, seed=seed, met=600) for seed in range(2)]
    assert "seeds met it" not in export([factory.make_table(results=whole)], "training", form=form)
