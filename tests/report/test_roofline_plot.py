from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from xml.etree import ElementTree

import pytest

from benchbench.report import roofline_plot
from benchbench.report.roofline_plot import draw_roofline, draw_rooflines

ROWS = (("depthwise", 30, 0.24, 0.24), ("pointwise", 50, 3.0, 0.1), ("norm", 20, 0, 0.1))


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


def test_a_panel_has_the_roof_and_a_point_per_class_by_its_share(made: ModuleType) -> None:
    figure = draw_roofline([made.make_profile("v1", *ROWS)], made.make_roof(bfloat16=200.0))
    assert figure is not None
    (axes,) = figure.axes
    words = [text.get_text() for text in axes.texts]
    assert {"depthwise 30 %", "pointwise 50 %", "network"} <= set(words)
    assert {"memory 10.0 GB/s", "float32 100 GMAC/s", "bfloat16 200 GMAC/s"} <= set(words)
    assert not any("norm" in word for word in words)
    assert axes.get_title() == "v1 (20 % of its time does no MACs)"
    # Most time first, the network last.
    pointwise, depthwise, _ = axes.collections
    (x, y), (other_x, other_y) = depthwise.get_offsets()[0], pointwise.get_offsets()[0]
    assert (x, y) == (pytest.approx(1.0), pytest.approx(8.0))
    assert (other_x, other_y) == (pytest.approx(30.0), pytest.approx(60.0))
    assert pointwise.get_sizes()[0] / depthwise.get_sizes()[0] == pytest.approx(5 / 3)
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    memory = axes.lines[0]
    # The slope of memory ends at the ridge, 10 MACs per byte, at the peak.
    assert (memory.get_xdata()[-1], memory.get_ydata()[-1]) == (pytest.approx(10), pytest.approx(100))


def test_several_networks_share_axes_and_more_are_told(
    made: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline_plot, "MOST_PANELS", 3)
    profiles = [made.make_profile(f"v{index}", *ROWS) for index in range(5)]
    figure = draw_roofline(profiles, made.make_roof())
    assert figure is not None
    assert len([axes for axes in figure.axes if axes.get_title()]) == 3
    assert "2 more networks are not drawn" in figure.get_suptitle()
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("intensity", [30.0, 80.0])
def test_the_name_of_the_peak_is_under_no_point(made: ModuleType, intensity: float) -> None:
    # Near the roof at the right, where the name of the peak stands otherwise.
    rows = (("depthwise", 5, 0.24, 0.24), ("pointwise", 95, 9.4, 9.4 / intensity))
    figure = draw_roofline([made.make_profile("v1", *rows)], made.make_roof())
    assert figure is not None
    (axes,) = figure.axes
    renderer = figure.canvas.get_renderer()
    ticks = [tick.get_text() for tick in axes.get_yticklabels(which="both") if tick.get_text()]
    assert {"20", "50", "100"} <= set(ticks)
    assert all(tick.isdigit() for tick in ticks)
    (label,) = [text for text in axes.texts if text.get_text().startswith("float32")]
    box = label.get_window_extent(renderer)
    inside = axes.get_window_extent(renderer)
    assert inside.x0 <= box.x0 < box.x1 <= inside.x1
    for points in axes.collections:
        half = points.get_sizes()[0] ** 0.5 / 2 * figure.dpi / 72
        x, y = axes.transData.transform(points.get_offsets()[0])
        assert not (x - half < box.x1 and box.x0 < x + half and y - half < box.y1 and box.y0 < y + half)


def test_files_are_whole_and_the_same_twice_with_hostile_names(made: ModuleType) -> None:
    name = '</text><script>alert(1)</script> $x^2$ \x00\x1b & "q"'
    profiles = [made.make_profile(name, *ROWS)]
    files = draw_rooflines(profiles, made.make_roof())
    assert set(files) == {"roofline.svg", "roofline.png"}
    assert files == draw_rooflines(profiles, made.make_roof())
    root = ElementTree.fromstring(files["roofline.svg"])
    assert not [each for each in root.iter() if each.tag.endswith("script")]
    assert files["roofline.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize("rows", [(("norm", 20, 0, 1),), ()])
def test_nothing_is_drawn_without_macs(made: ModuleType, rows: tuple[object, ...]) -> None:
    assert draw_rooflines([made.make_profile("v", *rows)], made.make_roof()) == {}


def test_nothing_is_drawn_without_a_whole_roof(made: ModuleType) -> None:
    assert draw_rooflines([made.make_profile("v", *ROWS)], made.make_roof(memory=None)) == {}


def test_a_network_without_macs_beside_one_with_them_is_left_out(made: ModuleType) -> None:
    profiles = [made.make_profile("a", ("norm", 1, 0, 1)), made.make_profile("b", *ROWS)]
    figure = draw_roofline(profiles, made.make_roof())
    assert figure is not None
    assert [axes.get_title() for axes in figure.axes] == ["b (20 % of its time does no MACs)"]
