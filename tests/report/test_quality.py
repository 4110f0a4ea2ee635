from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchbench.core.cell import Setting
from benchbench.core.measurement import Failure
from benchbench.report.answer import write_answer
from benchbench.report.document import Notes
from benchbench.report.grids import summary_grid
from benchbench.report.markdown import write_markdown
from benchbench.report.quality_grids import further_quality, quality_detail
from benchbench.report.sections import compose
from benchbench.report.tidy import tidy_frame
from benchbench.report.views.report import view_report

GOLDEN = Path(__file__).parents[1] / "golden" / "quality.md"
FD, KD = "fd[rand-conv-96]", "kd[rand-conv-96]"
DISTANCES = {"v1": 0.8, "v2": 1.2}


def cell(factory, variant, *figures, seed=0, settings=(), losses=False):
    result = factory.without_drawings(factory.make_result(variant, seed=seed, settings=settings))
    if not losses:
        result = factory.without(result, "perceptual_loss", "content_loss")
    return factory.with_quality(result, *figures)


def distances(factory, *, seeds=(0,), run="r", digest="", losses=False, settings=()):
    """Variants against the baseline's outputs; each seed has a baseline, and so a reference, of its own."""
    results = []
    for variant in ("baseline", *DISTANCES):
        for seed in seeds:
            figures = []
            if variant in DISTANCES:
                value = DISTANCES[variant] * (1 + 0.1 * seed)
                made = {"reference_digest": f"{digest}{seed}", "tile": 64}
                figures = [
                    factory.quality_figure(FD, value, real=0.75, **made),
                    factory.quality_figure(KD, value / 100, real=-0.0001, **made),
                ]
            results.append(cell(factory, variant, *figures, seed=seed, settings=settings, losses=losses))
    return factory.make_table(results=results, run_id=run)


def scores(factory, name, values, *, settings=None, **made):
    """One figure per variant against the data; `settings` of one variant's protocol may differ."""
    results = [
        cell(
            factory,
            variant,
            factory.quality_figure(
                name, value, reference="data.test", **made, **(settings or {}).get(variant, {})
            ),
        )
        for variant, value in values.items()
    ]
    return factory.make_table(results=results)


def column_of(grid, name):
    return next(at for at, column in enumerate(grid.columns) if column.title.startswith(name))


def notes_of(grid, numbers):
    return [dict(grid.notes)[number] for number in numbers]


def answers(*tables):
    said, common = write_answer(view_report(tables))
    return {each.label: each.text for each in said}, common


def test_golden_answer_and_tables(factory):
    """To accept a change: BENCHBENCH_UPDATE_GOLDEN=1 pytest tests/report/test_quality.py; read the diff."""
    failure = Failure(of="quality: clean_fid", kind="invalid", reason="no weights", fix="get them")
    table = distances(factory, seeds=(0, 1), losses=True)
    failed = [
        result.model_copy(update={"failures": (failure,)}) if result.cell.variant != "baseline" else result
        for result in table.results
    ]
    document = compose(view_report([table.model_copy(update={"results": tuple(failed)})]))
    kept = [each for each in document.sections if each.id in ("answer", "table", "failures", "protocol")]
    made = write_markdown(replace(document, sections=tuple(kept)))
    if os.environ.get("BENCHBENCH_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(made, encoding="utf-8")
    assert made == GOLDEN.read_text(encoding="utf-8")


def test_the_baseline_is_the_reference_of_its_own_outputs(factory):
    grid = summary_grid(view_report([distances(factory)]), Notes())
    at = column_of(grid, "FD")
    assert [row.items[at].text for row in grid.rows] == ["reference", "0.800", "1.20"]


def test_a_baseline_that_left_no_outputs_is_no_reference(factory):
    table = distances(factory)
    first, *others = table.results
    failed = Failure(of="quality", kind="crashed", reason="killed")
    broken = first.model_copy(update={"failures": (failed,)})
    view = view_report([table.model_copy(update={"results": (broken, *others)})])
    grid = summary_grid(view, Notes())
    assert grid.rows[0].items[column_of(grid, "FD")].text == "–"


def test_a_distance_stands_beside_real_against_real(factory):
    grid = summary_grid(view_report([distances(factory)]), Notes())
    fd, kd = column_of(grid, "FD"), column_of(grid, "KD")
    assert grid.rows[1].items[fd].more == ("1.09x half-vs-half",)
    assert grid.rows[1].items[kd].more == ("no ratio to half-vs-half",)
    shared, own = notes_of(grid, grid.columns[fd].notes)
    assert shared.startswith("N = 208 against 208 tiles of 64 x 64 pixels (generated against the outputs of")
    assert "rand-conv-96 (weights c0ffee12, resize clean 64, mean of 3 networks)" in shared
    assert "not comparable to the literature" in shared
    assert "two halves of the baseline's own outputs (N = 104 each) are 0.750 apart" in own
    assert grid.columns[kd].notes[0] == grid.columns[fd].notes[0]
    assert not any(item.notes for row in grid.rows for item in row.items[fd : kd + 1])


def test_against_data_it_is_called_real_and_a_literatures_figure_has_n_too(factory):
    values = {"baseline": 63.0, "v1": 70.0}
    grid = summary_grid(view_report([scores(factory, FD, values, real=20.0)]), Notes())
    assert grid.rows[0].items[column_of(grid, "FD")].more == ("3.21x real-vs-real",)
    made = {"named": "ssd", "departures": ["images"], "comparable_to_literature": True}
    grid = summary_grid(view_report([scores(factory, "fid", values, **made)]), Notes())
    shared = notes_of(grid, grid.columns[column_of(grid, "FID")].notes)[0]
    assert "N = 208 against 208 images (generated against the test images)" in shared
    assert "protocol ssd except for images" in shared
    assert "literature" not in shared


def test_the_answer_tells_a_distance_as_a_distance(factory):
    said, common = answers(distances(factory))
    assert said["baseline"].endswith("its outputs are the others' reference")
    assert said["v1"].endswith(
        "its outputs differ from the baseline's by FD [rand-conv-96] 0.800 [0.720, 0.880] "
        "(1.09x as far as two halves of the baseline's own outputs)"
    )
    assert common == ("FD [rand-conv-96]: not comparable to the literature",)


def test_a_plot_of_a_distance_says_that_the_baseline_has_no_point(factory):
    sections = compose(view_report([distances(factory)])).sections
    (caption, *_) = [plot.caption for each in sections for plot in plots_of(each)]
    assert caption.startswith("Latency (cpu, 2 threads) against FD [rand-conv-96]: to the left is cheaper")
    assert "is better" not in caption
    assert "the baseline itself has no point" in caption


def test_the_answer_tells_the_loss_and_the_distance(factory):
    said, _ = answers(distances(factory, losses=True))
    assert "loss +0.9 % (the intervals overlap), its outputs differ from the baseline's by FD" in said["v1"]


def test_each_seed_has_a_baseline_of_its_own(factory):
    view = view_report([distances(factory, seeds=(0, 1, 2))])
    grid = summary_grid(view, Notes())
    fd = column_of(grid, "FD")
    line, *seeds = grid.rows[4:8]
    assert line.items[fd].text == "0.880 ± 0.080"
    assert [row.items[fd].text for row in seeds] == ["0.800", "0.880", "0.960"]
    assert (
        "each seed was measured against its own baseline (different: reference_digest), and is compared "
        in (" ".join(notes_of(grid, grid.columns[fd].notes)))
    )
    assert view.qualities[0].odd == {}
    # Every seed agrees, so the lines may stand in one plot.
    assert [[point.label for point in each.points] for each in view.tradeoffs] == [["v1", "v2"]] * 3


def test_a_figure_that_was_measured_otherwise_is_compared_with_none(factory):
    values = {"baseline": 63.0, "v1": 70.0, "v2": 50.0}
    other = {"v2": {"generated_count": 100}}
    view = view_report([scores(factory, "fid", values, settings=other)])
    grid = summary_grid(view, Notes())
    at = column_of(grid, "FID")
    odd = grid.rows[2].items[at]
    assert odd.more == ("not compared",)
    (told,) = notes_of(grid, odd.notes)
    assert told.startswith("not compared with the other rows of its column, which were measured otherwise: ")
    assert told.endswith(": generated_count 100, theirs 208")
    assert grid.rows[1].items[at].notes == ()
    assert [[point.label for point in each.points] for each in view.tradeoffs] == [["baseline", "v1"]] * 3
    said = {each.label: each.text for each in write_answer(view)[0]}
    assert said["v2"].endswith("FID not comparable with the baseline's (another protocol: generated_count)")
    assert said["v1"].endswith("FID +11.1 % (the intervals overlap)")


def test_runs_with_baselines_of_their_own_are_compared_within_themselves(factory):
    tables = [distances(factory, run=run, digest=run) for run in ("a", "b")]
    view = view_report(tables)
    fronts = [(each.part, [point.label for point in each.points]) for each in view.tradeoffs[:2]]
    assert fronts == [(1, ["v1 (a)", "v2 (a)"]), (2, ["v1 (b)", "v2 (b)"])]
    grid = summary_grid(view, Notes())
    told = " ".join(notes_of(grid, grid.columns[column_of(grid, "FD")].notes))
    assert "figures of different runs are not compared: reference_digest a0 and b0" in told
    assert len({plot.name for each in compose(view).sections for plot in plots_of(each)}) == len(
        [plot.name for each in compose(view).sections for plot in plots_of(each)]
    )


def plots_of(section):
    return [plot for block in section.blocks for plot in getattr(block, "plots", ())]


def test_swept_values_have_baselines_of_their_own(factory):
    results = []
    for width in (16, 32):
        setting = (Setting(key="width", value=width),)
        results += distances(factory, settings=setting, digest=str(width)).results
    view = view_report([factory.make_table(results=results)])
    assert view.qualities[0].apart == ("swept values",)
    assert view.qualities[0].odd == {}


def test_only_means_of_samples_are_paired(factory):
    values = {"baseline": 0.2, "v1": 0.22}
    samples = {"baseline": [0.1, 0.2, 0.3, 0.2], "v1": [0.12, 0.21, 0.33, 0.22]}

    def table(**settings):
        results = [
            cell(
                factory,
                variant,
                factory.quality_figure(
                    "lpips[alex]", value, reference="data.test", samples=samples[variant], **settings
                ),
            )
            for variant, value in values.items()
        ]
        return factory.make_table(results=results)

    assert view_report([table()]).summary[1].quality_ratios[0].value == pytest.approx(1.1)
    assert view_report([table(aggregate="median")]).summary[1].quality_ratios == (None,)


def test_decibels_change_by_a_difference(factory):
    table = scores(factory, "psnr", {"baseline": 24.0, "v1": 23.2}, unit="dB", samples=[24.0] * 4)
    said, _ = answers(table)
    assert said["baseline"].endswith("PSNR 24.0 dB")
    assert "PSNR −0.80 dB" in said["v1"]
    grid = summary_grid(view_report([table]), Notes())
    assert grid.columns[column_of(grid, "PSNR")].title == "PSNR, dB\N{NO-BREAK SPACE}↑"


def test_a_share_of_what_may_be_0_is_not_told(factory):
    table = scores(factory, "kid", {"baseline": 0.001, "v1": 0.002})
    results = [
        result.model_copy(
            update={
                "measurements": tuple(
                    each.model_copy(update={"interval": each.interval.model_copy(update={"low": -0.001})})
                    if each.name == "kid"
                    else each
                    for each in result.measurements
                )
            }
        )
        for result in table.results
    ]
    said, _ = answers(table.model_copy(update={"results": tuple(results)}))
    assert "KID +0.0010" in said["v1"]


def test_what_is_too_much_for_the_main_table_stands_below_it_in_whole_sets(factory):
    names = ["fid", "precision[x]", "recall[x]", "density[x]", "coverage[x]", "clean_fid"]
    results = [
        cell(factory, variant, *(factory.quality_figure(name, 0.5, reference="data.test") for name in names))
        for variant in ("baseline", "v1")
    ]
    view, notes = view_report([factory.make_table(results=results)]), Notes()
    main = [column.title for column in summary_grid(view, notes).columns]
    assert [title for title in main if "↓" in title or "↑" in title] == [
        "FID\N{NO-BREAK SPACE}↓",
        "clean-FID\N{NO-BREAK SPACE}↓",
    ]
    further = further_quality(view, notes)
    assert [column.title.split()[0] for column in further.columns] == [
        "variant",
        "precision",
        "recall",
        "density",
        "coverage",
    ]
    assert further.columns[1].title.endswith("↑")


def test_few_quality_columns_need_no_second_table(table):
    assert further_quality(view_report([table]), Notes()) is None
    assert quality_detail(view_report([table]), Notes()) is None


def test_detail_has_what_no_column_has_room_for(factory):
    grid = quality_detail(view_report([distances(factory)]), Notes())
    assert [item.text for item in grid.rows[0].items] == [
        "v1",
        "FD [rand-conv-96]",
        "0.8000",
        "208 against 208",
        "0.750",
        "1.09x",
        "mean of 3: 0.8, 0.8, 0.8",
    ]
    assert grid.rows[2].items[5].text == "none"


def test_what_every_variant_lacks_for_one_reason_is_one_row(factory):
    failure = Failure(of="quality: clean_fid", kind="invalid", reason="no weights", fix="get them")
    table = distances(factory)
    everyone = [each.model_copy(update={"failures": (failure,)}) for each in table.results]
    rows = view_report([table.model_copy(update={"results": tuple(everyone)})]).failures
    assert [row.label for row in rows] == ["every variant"]
    others = (table.results[0], *everyone[1:])
    view = view_report([table.model_copy(update={"results": others})])
    assert [row.label for row in view.failures] == ["every variant but the baseline"]
    (block,) = next(each for each in compose(view).sections if each.id == "failures").blocks
    assert [item.text for item in block.rows[0].items[1:]] == [
        "quality: clean-FID",
        "invalid: no weights",
        "get them",
    ]
    one = (*table.results[:2], everyone[2])
    assert [row.label for row in view_report([table.model_copy(update={"results": one})]).failures] == ["v2"]


def twice(factory, **second):
    return factory.make_table(
        results=[
            cell(
                factory,
                variant,
                factory.quality_figure("fid", 60.0, reference="data.test"),
                factory.quality_figure("fid", value, **{"reference": "data.test", **second}),
            )
            for variant, value in (("baseline", 80.0), ("v1", 88.0))
        ]
    )


def test_figures_of_one_name_against_two_references_are_two_columns(factory):
    view = view_report([twice(factory, reference="data.train")])
    grid = summary_grid(view, Notes())
    at = column_of(grid, "FID")
    assert [column.detail for column in grid.columns[at : at + 2]] == [
        "against the test images",
        "against the train images",
    ]
    assert [item.text for item in grid.rows[1].items[at : at + 2]] == ["60.0", "88.0"]
    assert all(column.odd == {} for column in view.qualities)
    said = {each.label: each.text for each in write_answer(view)[0]}
    assert said["baseline"].endswith("FID against the test images 60.0")


def test_a_distance_from_the_baseline_and_one_from_the_data_are_told_apart(factory):
    results = []
    for variant in ("baseline", "v1"):
        figures = [factory.quality_figure(FD, 3.0, reference="data.test", real=1.0)]
        if variant == "v1":
            figures.append(factory.quality_figure(FD, 2.0, real=0.5))
        results.append(cell(factory, variant, *figures))
    view = view_report([factory.make_table(results=results)])
    grid = summary_grid(view, Notes())
    at = column_of(grid, "FD")
    texts = [[item.text for item in row.items[at : at + 2]] for row in grid.rows]
    assert texts == [["3.00", "reference"], ["3.00", "2.00"]]
    assert not any(each.part for each in view.tradeoffs)


def test_figures_that_nothing_known_tells_apart_are_said_to_be_two(factory):
    grid = summary_grid(view_report([twice(factory, generated_seed=1)]), Notes())
    told = notes_of(grid, grid.columns[column_of(grid, "FID")].notes)
    assert "another measure of this run gives figures of the same name, which are in table.csv only" in told


def test_the_csv_has_counts_and_real_against_real(factory):
    frame = tidy_frame([distances(factory)])
    row = frame[(frame["measure"] == FD) & (frame["variant"] == "v1")].iloc[0]
    assert (row["generated_count"], row["reference_count"]) == (208, 208)
    assert (row["real_against_real"], row["real_against_real_count"]) == (0.75, 104)
    assert row["real_against_real_ratio"] == pytest.approx(1.088)
    assert frame[frame["measure"] == "latency"].iloc[0]["generated_count"] is None
