from __future__ import annotations

from benchbench.core.measurement import Failure
from benchbench.report.document import Notes
from benchbench.report.grids import summary_grid, timing_grid
from benchbench.report.labels import legend_columns, wrap_name
from benchbench.report.paper_table import paper_grid
from benchbench.report.plot_blocks import gain_plots
from benchbench.report.views.report import view_report


def with_settings(factory, *names, **options):
    """A table whose times were taken once more at each of the named settings."""
    results = []
    for variant in ("baseline", "v1"):
        result = factory.make_result(variant, **options.get(variant, {}))
        more = tuple(
            each.model_copy(update={"setting": name})
            for name in names
            for each in result.measurements
            if each.setting
        )
        results.append(result.model_copy(update={"measurements": (*result.measurements, *more)}))
    return factory.make_table(results=results)


def titles(grid):
    return [f"{column.title} {column.detail}".strip() for column in grid.columns]


def test_headings_carry_units_and_settings(table):
    assert titles(summary_grid(view_report([table]), Notes())) == [
        "variant",
        "parameters",
        "change",
        "MACs, GMAC",
        "fewer MACs",
        "latency, ms cpu, 2 threads",
        "speed-up cpu, 2 threads",
        "GMAC/s cpu, 2 threads",
        "loss\N{NO-BREAK SPACE}↓",
        "content loss, weighted\N{NO-BREAK SPACE}↓",
        "training",
    ]


def test_what_no_line_has_is_no_column(factory):
    plain = [factory.without(factory.make_result(name), "macs") for name in ("baseline", "v1")]
    suite = factory.make_suite().model_copy(update={"expect": {}})
    view = view_report([factory.make_table(suite=suite, results=plain)])
    assert titles(summary_grid(view, Notes()))[:5] == [
        "variant",
        "parameters",
        "change",
        "latency, ms cpu, 2 threads",
        "speed-up cpu, 2 threads",
    ]
    assert not any("MAC" in title for title in titles(summary_grid(view, Notes())))
    alone = view_report([factory.make_table(suite=suite, results=plain[:1])])
    assert titles(summary_grid(alone, Notes()))[:3] == ["variant", "parameters", "latency, ms cpu, 2 threads"]
    bare = [factory.without(result, "parameters") for result in plain]
    assert titles(summary_grid(view_report([factory.make_table(suite=suite, results=bare)]), Notes()))[1] == (
        "latency, ms cpu, 2 threads"
    )


def test_what_the_paper_gives_is_a_column_though_no_line_has_it(factory):
    plain = [factory.without(factory.make_result(name), "macs") for name in ("baseline", "v1")]
    grid = summary_grid(view_report([factory.make_table(results=plain)]), Notes())
    assert titles(grid)[1:5] == ["parameters", "change", "MACs", "latency, ms cpu, 2 threads"]
    assert [row.items[3].text for row in grid.rows] == ["–", "–"]


def test_a_noisy_control_keeps_its_place_where_only_the_baseline_was_timed(factory):
    result = factory.make_result("baseline", control=(1.02, 1.05))
    grid = summary_grid(view_report([factory.make_table(results=[result])]), Notes())
    at = titles(grid).index("speed-up cpu, 2 threads")
    assert grid.rows[0].items[at].notes


def test_counts_that_equal_or_miss_the_papers_are_marked(table):
    rows = summary_grid(view_report([table]), Notes()).rows
    assert [(row.items[1].detail, row.items[1].mark) for row in rows[:4]] == [
        ("✓ paper", "good"),
        ("✓ paper", "good"),
        ("✓ paper", "good"),
        ("✗ paper 207,000", "bad"),
    ]


def test_a_failed_line_has_its_reason_in_place_of_figures(table):
    last = summary_grid(view_report([table]), Notes()).rows[-1]
    assert last.reason == "not measured: diverged at step 120: loss became NaN"


def test_a_failed_measure_is_a_footnote_of_its_line_and_a_skipped_one_is_not(factory):
    skipped = Failure(of="latency", kind="skipped", reason="no NVIDIA GPU on this machine")
    crashed = Failure(of="macs", kind="unsupported", reason="aten::fft")
    result = factory.make_result("baseline").model_copy(update={"failures": (skipped, crashed)})
    grid = summary_grid(view_report([factory.make_table(results=(result,))]), Notes())
    (number,) = grid.rows[0].items[0].notes
    assert "aten::fft" in dict(grid.notes)[number]
    assert not any("NVIDIA" in text for _, text in grid.notes)


def test_one_footnote_has_one_number_in_every_table(factory):
    notes = Notes()
    view = view_report([with_settings(factory, "cpu, 1 thread", v1={"flags": ("unconverged",)})])
    in_summary = {text: number for number, text in summary_grid(view, notes).notes}
    in_detail = {text: number for number, text in timing_grid(view, notes).notes}
    shared = set(in_summary) & set(in_detail)
    assert any(text.startswith("unconverged (") for text in shared)
    assert all(in_summary[text] == in_detail[text] for text in shared)


def test_two_ways_of_timing_stand_in_the_main_table_and_all_in_the_detail(factory):
    view = view_report([with_settings(factory, "cpu, 1 thread", "cpu, 4 threads")])
    assert sum(title.startswith("latency") for title in titles(summary_grid(view, Notes()))) == 2
    detail = timing_grid(view, Notes())
    assert [row.items[1].detail for row in detail.rows[:3]] == [
        "cpu, 2 threads",
        "cpu, 1 thread",
        "cpu, 4 threads",
    ]


def test_each_setting_has_its_own_plot_of_gains(factory):
    plots = gain_plots(view_report([with_settings(factory, "cpu, 1 thread")]).gains, why="here is why")
    assert [plot.name for plot in plots] == [
        "macs-against-latency-cpu-2-threads",
        "macs-against-latency-cpu-1-thread",
    ]
    # What holds a variant up is for a profile to say.
    assert all(plot.caption.endswith("than the baseline; here is why.") for plot in plots)


def test_a_noisy_control_is_a_footnote_on_the_speed_up(factory):
    view = view_report(
        [
            factory.make_table(
                results=[factory.make_result("baseline", control=(1.02, 1.05)), factory.make_result("v1")]
            )
        ]
    )
    grid = summary_grid(view, Notes())
    texts = dict(grid.notes)
    assert [texts[number] for number in grid.rows[1].items[6].notes] == [
        "the A/A control does not hold 1 (two identical models were told apart: the machine was too busy)"
    ]


def test_the_paper_stands_beside_ours_with_a_signed_difference(table):
    grid = paper_grid(view_report([table]).paper, Notes())
    row = next(row for row in grid.rows if row.items[0].text == "v3" and row.items[1].text == "parameters")
    assert [item.text for item in row.items[2:]] == ["207,865", "207,000", "+0.4 %", "✗ differs"]
    assert dict(grid.notes)[row.items[3].notes[0]] == "printed as 0.207M"


def test_legends_and_names_wrap():
    assert legend_columns(["baseline", "v1", "v2", "v3"]) == 4
    assert legend_columns(["v3-depthwise-everywhere-with-norm", "v1"]) == 1
    assert wrap_name("v3-depthwise-everywhere").splitlines() == ["v3-depthwise-", "everywhere"]
