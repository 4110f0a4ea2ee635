from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchbench.profiling.flame import WIDTH, flame_graph
from benchbench.profiling.tree import Node

SVG = "{http://www.w3.org/2000/svg}"


def _tree(path: str = "a") -> Node:
    inner = Node(f"{path}.conv", time_s=1.5, device_s=3.0, calls=2)
    a = Node(path, time_s=2.0, calls=2, children={"c": inner})
    b = Node("b", time_s=1.0, device_s=1.0, calls=2)
    return Node("", time_s=4.0, calls=2, children={path: a, "b": b})


def _bars(svg: str) -> dict[str, tuple[float, float, float]]:
    """The start of each bar's title -> x, y, width."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        rect, title = group.find(f"{SVG}rect"), group.find(f"{SVG}title")
        assert rect is not None
        assert title is not None
        assert title.text
        assert group.get("tabindex") == "0"
        assert group.get("aria-label") == title.text
        found[title.text.partition(" (")[0]] = tuple(float(rect.get(key, "")) for key in ("x", "y", "width"))
    return found  # type: ignore[return-value]


def test_width_is_time_and_children_lie_within_and_below() -> None:
    bars = _bars(flame_graph(_tree(), title="t", kinds={"": "Net"}, passes=2))
    whole = bars["(network)"]
    assert whole[2] == WIDTH
    assert bars["a"] == (0.0, whole[1] + 22, WIDTH / 2)
    assert bars["a.conv"] == (0.0, whole[1] + 44, WIDTH * 1.5 / 4)
    assert bars["b"] == (WIDTH / 2, whole[1] + 22, WIDTH / 4)


def test_a_bar_tells_its_figures() -> None:
    svg = flame_graph(_tree(), title="t", kinds={"a": "Block"}, passes=2)
    assert (
        "<title>a (Block): 1 s, 50.0 %; its own 250 ms; called 1 times</title>".replace("1 s", "1.00 s")
        in svg
    )


def test_on_a_gpu_the_kernels_decide() -> None:
    bars = _bars(flame_graph(_tree(), title="t", kinds={}, passes=2, clock="device"))
    assert bars["a"][2] == pytest.approx(WIDTH * 3 / 4)
    assert bars["b"][2] == pytest.approx(WIDTH / 4)


@pytest.mark.parametrize(
    "name",
    ["<script>alert(1)</script>", "a\"b'c", "]]>", "&amp;", "\x00\x07\x1b[31m", "\ud800", "a\nb", "--><x/>"],
    ids=repr,
)
def test_hostile_names_stay_text(name: str) -> None:
    svg = flame_graph(_tree(name), title=name, kinds={name: name, "": name}, passes=1)
    root = ElementTree.fromstring(svg.encode())
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        "svg",
        "title",
        "style",
        "rect",
        "text",
        "g",
    }
    attributes = {key for each in root.iter() for key in each.attrib}
    assert not any(key.startswith("on") or "href" in key for key in attributes)
    if name.isprintable():
        assert any((title.text or "").startswith(f"{name} (") for title in root.iter(f"{SVG}title"))


def test_it_needs_nothing_else() -> None:
    svg = flame_graph(_tree(), title="t", kinds={}, passes=1)
    assert svg.count("http") == 1  # the name space
    assert "url(" not in svg
    assert "<script" not in svg


def test_what_is_too_thin_is_left_out_and_a_network_without_time_is_drawn() -> None:
    tree = _tree()
    tree.children["thin"] = Node("thin", time_s=1e-6, calls=1)
    assert "thin" not in _bars(flame_graph(tree, title="t", kinds={}, passes=1))
    assert list(_bars(flame_graph(Node(""), title="t", kinds={}, passes=1))) == ["(network)"]
