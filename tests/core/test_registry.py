from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchbench.core import registry
from benchbench.core.errors import BenchbenchError, UnknownNameError
from benchbench.core.registry import ARCHITECTURES, MEASURES, RECIPES, REPLACEMENTS, SOURCES, Registry

GROUP = "tests.things"


def points(monkeypatch: pytest.MonkeyPatch, **values: str) -> Registry[object]:
    found = [EntryPoint(name, value, GROUP) for name, value in values.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == GROUP else [])
    return Registry(GROUP, kind="thing")


def test_a_name_is_loaded_when_it_is_first_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lazy_thing.py").write_text('"""A thing, said in one line.\n\nMore."""\nthing = 3\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    things = points(monkeypatch, lazy="lazy_thing:thing")
    assert list(things) == ["lazy"]
    assert things.entries()[0].summary == "A thing, said in one line."
    assert things.entries()[0].target == "lazy_thing:thing"
    assert "lazy_thing" not in sys.modules
    assert things.load("lazy") == 3
    sys.modules.pop("lazy_thing")


def test_an_unknown_name_is_answered_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    things = points(monkeypatch, alpha="math:pi", beta="math:e")
    with pytest.raises(UnknownNameError) as caught:
        things.load("alpa")
    assert str(caught.value) == (
        "unknown thing 'alpa'\n  expected: one of alpha, beta\n  to do: did you mean 'alpha'?"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package_at_all\n", "No module named 'no_such_package_at_all'"),
        ("raise RuntimeError('operator torchvision::nms does not exist')\n", "torchvision::nms"),
        ("pass\n", "has no attribute 'thing'"),
    ],
)
def test_a_module_that_fails_is_an_error_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    (tmp_path / "broken_thing.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    things = points(monkeypatch, broken="broken_thing:thing")
    with pytest.raises(
        BenchbenchError, match=r"the thing 'broken' \(broken_thing:thing\) cannot be imported"
    ) as caught:
        things.load("broken")
    assert reason in str(caught.value)
    sys.modules.pop("broken_thing", None)


def test_a_module_that_is_not_there_has_no_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    things = points(monkeypatch, gone="no_such_package_at_all.thing:thing")
    assert things.entries()[0].summary == "(cannot be found)"


@pytest.mark.parametrize(
    ("content", "summary"), [(b"def\n", "(cannot be read)"), (b'"\xe9"', "(cannot be read)"), (b"", "")]
)
def test_a_listing_survives_a_broken_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, summary: str
) -> None:
    (tmp_path / "odd_thing.py").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path))
    things = points(monkeypatch, odd="odd_thing:thing", compiled="math:pi")
    assert [entry.summary for entry in things.entries()] == ["", summary]


def test_two_packages_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("same", "math:pi", GROUP), EntryPoint("same", "math:e", GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: twice)
    with pytest.raises(BenchbenchError, match="two packages register the thing 'same': math:pi and math:e"):
        list(Registry(GROUP, kind="thing"))


def test_the_same_package_seen_twice_is_no_conflict(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = [EntryPoint("same", "math:pi", GROUP), EntryPoint("same", "math:pi", GROUP)]
    monkeypatch.setattr(registry, "entry_points", lambda group: twice)
    assert list(Registry[object](GROUP, kind="thing")) == ["same"]


def test_a_taken_name_leaves_the_registry_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    things = points(monkeypatch, alpha="math:pi")
    things.add("mine", 1)
    for name in ("alpha", "mine"):
        with pytest.raises(BenchbenchError, match=f"the thing '{name}' is registered already"):
            things.add(name, 2)
    assert list(things) == ["alpha", "mine"]
    assert things.load("mine") == 1
    assert "mine" in things
    assert [entry.package for entry in things.entries()] == ["?", "this process"]


def test_the_built_in_ones_come_in_by_the_same_door() -> None:
    assert "transformer_net" in ARCHITECTURES
    assert "depthwise_separable" in REPLACEMENTS
    assert {"folder", "photos"} <= set(SOURCES)
    assert "perceptual" in RECIPES
    assert {"latency", "macs", "parameters", "perceptual_loss"} <= set(MEASURES)
