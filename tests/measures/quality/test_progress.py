from __future__ import annotations

import sys

import pytest

from benchbench.measures.quality.progress import show_progress


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_line_now_and_then_with_rate_and_time_left(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    said: list[str] = []
    told = show_progress("generated", said.append, clock=clock)
    told(10, 500)
    assert said == []
    clock.now += 20
    told(100, 500)
    assert said == ["generated: 100/500 images, 5.0 images/s, 80 s left"]
    clock.now += 5
    told(120, 500)
    assert len(said) == 1
    clock.now += 20
    told(500, 500)
    assert said[1] == "generated: 500/500 images, 11.1 images/s, 0 s left"


def test_a_bar_on_a_terminal(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    said: list[str] = []
    told = show_progress("reference", said.append, clock=clock)
    told(4, 10)
    told(10, 10)
    shown = capsys.readouterr().err
    assert "reference" in shown
    assert "10/10" in shown
    assert "image/s" in shown
    assert said == []
