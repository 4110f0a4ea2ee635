from __future__ import annotations

from typing import Any

import pytest

from benchbench.core.measurement import Measurement, Protocol
from benchbench.report.document import Notes, Plots
from benchbench.report.scaling_blocks import resource_grid, scaling_blocks, sweep_plots
from benchbench.report.views.lines import Line, group_lines
from benchbench.report.views.sweeps import sweep_panels
from benchbench.report.views.vocabulary import is_quality
from benchbench.report.write import write_report

TWO = "cpu, 2 threads"


def swept(batch: int, rate: float, *, where: str = TWO) -> Measurement:
    return Measurement(
        name="throughput",
        setting=f"{where}, batch {batch}",
        unit="image/s",
        direction="higher",
        value=rate,
        samples=((rate * 0.9, rate, rate, rate * 1.1),),
        protocol=Protocol(name="throughput", settings={"batch": batch}),
    )


def sized(threads: int, side: int, seconds: float) -> Measurement:
    return Measurement(
        name="swept_latency",
        setting=f"cpu, {threads} thread{'s' * (threads > 1)}, {side}x{side}",
        unit="s",
        direction="lower",
        value=seconds,
        protocol=Protocol(name="scaling", settings={"threads": threads, "height": side, "width": side}),
    )


def figure(factory: Any, name: str, value: float, unit: str, **more: Any) -> Any:
    return factory.figure(name, value, unit, setting=TWO, **more)


@pytest.fixture
def results(factory: Any) -> list[Any]:
    rates = {1: 10.0, 2: 18.0, 4: 20.0, 8: 20.4}
    return [
        factory.with_quality(
            factory.make_result(name),
            *(swept(batch, rate * factor) for batch, rate in rates.items()),
            figure(factory, "knee_batch", 4, "1"),
            figure(factory, "memory_growth", 3 * 2**20 / factor, "B", flags=("a difference of peaks",)),
            figure(factory, "energy", 0.125 / factor, "J"),
        )
        for name, factor in (("baseline", 1.0), ("v1", 2.0))
    ]


def lines_of(factory: Any, results: Any) -> tuple[Line, ...]:
    return group_lines([factory.make_table(results=results)])


def test_a_panel_per_setting_with_the_knee_marked(factory: Any, results: list[Any]) -> None:
    extra = factory.with_quality(results[1], swept(1, 5.0, where="cuda"), swept(2, 9.0, where="cuda"))
    two, cuda = sweep_panels(lines_of(factory, [results[0], extra]))
    assert (two.setting, two.over, [each.label for each in two.series]) == (TWO, "batch", ["baseline", "v1"])
    assert [point.x for point in two.series[1].points] == [1, 2, 4, 8]
    assert [point.x for point in two.series[1].points if point.is_knee] == [4]
    assert two.series[0].points[0].quartiles == pytest.approx((9.75, 10.25))
    assert (cuda.setting, [each.label for each in cuda.series]) == ("cuda", ["v1"])
    assert not any(point.is_knee for point in cuda.series[0].points)


def test_latency_is_shown_over_sizes_and_over_threads(factory: Any) -> None:
    made = [sized(threads, side, 0.1 * side / threads) for threads in (1, 2) for side in (64, 128)]
    panels = sweep_panels(lines_of(factory, [factory.with_quality(factory.make_result("baseline"), *made)]))
    assert [(each.over, each.setting) for each in panels] == [
        ("size", "cpu, 1 thread"),
        ("size", "cpu, 2 threads"),
        ("threads", "cpu, 64x64"),
        ("threads", "cpu, 128x128"),
    ]
    points = panels[2].series[0].points
    assert [point.x for point in points] == [1, 2]
    assert [point.value for point in points] == pytest.approx([6.4, 3.2])


def test_one_size_at_one_thread_count_is_no_sweep(factory: Any) -> None:
    result = factory.with_quality(factory.make_result("baseline"), sized(2, 64, 0.1))
    assert sweep_panels(lines_of(factory, [result])) == ()


@pytest.mark.parametrize("batch", ["8", -1, None, True, [8], 4])
def test_a_record_whose_parts_disagree_is_not_drawn(factory: Any, batch: Any) -> None:
    wrong = swept(8, 1.0).model_copy(
        update={"protocol": Protocol.model_validate({"name": "throughput", "settings": {"batch": batch}})}
    )
    assert sweep_panels(lines_of(factory, [factory.with_quality(factory.make_result("v1"), wrong)])) == ()


def test_figures_stand_in_one_table_with_units_and_flags(factory: Any, results: list[Any]) -> None:
    grid = resource_grid(lines_of(factory, results), Notes())
    assert grid is not None
    assert [(column.title, column.detail) for column in grid.columns[1:]] == [
        ("memory that inference adds, MiB", TWO),
        ("energy per image, mJ", TWO),
        ("batch at the knee", TWO),
    ]
    assert [[item.text for item in row.items] for row in grid.rows] == [
        ["baseline", "3.00", "125", "4"],
        ["v1", "1.50", "62.5", "4"],
    ]
    assert grid.notes == ((1, "a difference of peaks"),)


def test_nothing_measured_is_nothing_shown(factory: Any) -> None:
    assert scaling_blocks(lines_of(factory, [factory.make_result("baseline")]), Notes()) == ()


def test_a_line_without_figures_has_no_row(factory: Any, results: list[Any]) -> None:
    grid = resource_grid(lines_of(factory, [*results, factory.make_result("v2")]), Notes())
    assert grid is not None
    assert [row.items[0].text for row in grid.rows] == ["baseline", "v1"]


def test_none_of_them_is_taken_for_quality() -> None:
    assert not is_quality("energy", "J")
    assert not is_quality("idle_power", "W")
    assert not is_quality("throughput", "image/s")
    assert not is_quality("knee_batch", "1")


def test_plots_tell_the_knee_and_hold_their_data(factory: Any, results: list[Any]) -> None:
    blocks = scaling_blocks(lines_of(factory, results), Notes())
    (plots,) = [each for each in blocks if isinstance(each, Plots)]
    (plot,) = plots.plots
    assert plot.name == "throughput-against-batch-cpu-2-threads"
    assert plot.alt == (
        "Throughput against batch size (cpu, 2 threads): baseline 20.0 image/s at 4; v1 40.0 image/s at 4"
    )
    assert plot.records[2] == ("baseline", 4, 20.0, pytest.approx(19.5), pytest.approx(20.5), True)
    (axes,) = plot.draw().axes
    assert axes.get_xlabel() == "batch"
    assert list(axes.get_xticks()) == [1, 2, 4, 8]
    assert axes.get_legend_handles_labels()[1] == ["baseline", "v1"]


def test_settings_that_differ_in_punctuation_are_two_files(factory: Any) -> None:
    result = factory.with_quality(
        factory.make_result("baseline"), swept(1, 1.0, where="a b"), swept(1, 1.0, where="a-b")
    )
    names = [plot.name for plot in sweep_plots(sweep_panels(lines_of(factory, [result])))]
    assert names == ["throughput-against-batch-a-b", "throughput-against-batch-a-b-2"]


def test_a_hostile_setting_is_escaped_in_the_report(factory: Any, tmp_path: Any) -> None:
    where = "<script>alert(1)</script>"
    made = [swept(1, 1.0, where=where), swept(2, 2.0, where=where)]
    table = factory.make_table(results=[factory.with_quality(factory.make_result("baseline"), *made)])
    files = write_report(table, out=tmp_path)
    html = files.html.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "## Memory, energy and throughput" in files.markdown.read_text(encoding="utf-8")
