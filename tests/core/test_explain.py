from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from benchbench.core.explain import caution_of, explain
from benchbench.core.roofline import limits_of

BASE = (("dense convolution", 80.0, 8.0, 0.1), ("norm", 20.0, 0.0, 0.1))


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


@pytest.fixture
def told(made: ModuleType) -> Callable[..., str]:
    def tell(*rows: Any, roof: Any = "here", base: Any = BASE, **changes: Any) -> str:
        limits = limits_of(made.make_roof() if roof == "here" else roof)
        return explain(made.make_profile("v3", *rows, **changes), made.make_profile("base", *base), limits)

    return tell


def test_a_speed_up_that_falls_short_names_what_takes_the_time(told: Callable[..., str]) -> None:
    # 8 G / 1.04 G = 7.7 times fewer MACs; 100 ms / 80 ms. Depthwise: 0.24 G in 30 ms are 8 GMAC/s of 100, and
    # 0.24 GB in 30 ms are 8 GB/s of 10. Norms: 0.16 GB in 32 ms are 5 GB/s. At the old 100 GMAC/s 2.4 ms of
    # depthwise and 8 ms of pointwise convolutions were due, and 20 / 7.7 = 2.6 ms of norms.
    text = told(("depthwise", 30, 0.24, 0.24), ("norm", 32, 0, 0.16), ("pointwise", 18, 0.8, 0.02))
    assert text == (
        "v3 does 7.7x fewer MACs but is only 1.2x faster than base in the profiled pass (1.2x faster without "
        "the profiler): its norms take 40 % of the time for no MACs (limited by memory: 50 % of its "
        "bandwidth), and its depthwise convolutions take 38 % of the time for 23 % of the MACs (8.0 % of the "
        "peak, limited by memory: 80 % of its bandwidth)."
    )


def test_a_class_that_is_worth_its_time_is_not_blamed(told: Callable[..., str]) -> None:
    # Pointwise take most, but for most of the MACs: 10 of 23 ms are due; of depthwise 3 of 22.
    text = told(("depthwise", 22, 0.3, 0.2), ("pointwise", 23, 1.0, 0.1), ("norm", 35, 0, 0.2))
    assert text.index("its norms") < text.index("its depthwise")
    assert "pointwise" not in text


def test_a_sentence_that_says_little_has_a_caution(made: ModuleType) -> None:
    base = made.make_profile("base", *BASE)
    assert caution_of(made.make_profile("v1", *BASE, passes_s=(0.1, 0.12)), base) == ()
    (noisy,) = caution_of(made.make_profile("v1", *BASE, passes_s=(0.1, 0.14)), base)
    assert noisy == "noisy machine: passes of v1 took between 100 ms and 140 ms; profile again"
    (dear,) = caution_of(made.make_profile("v1", *BASE, unprofiled_s=0.05), base)
    assert dear.startswith("the ratio with the profiler is far from that without")


def test_without_a_roof_the_rates_are_told(told: Callable[..., str]) -> None:
    text = told(("depthwise", 80, 0.8, 0.4), roof=None)
    assert text.endswith(
        "its depthwise convolutions take 100 % of the time for 100 % of the MACs (10.0 GMAC/s and 5.00 GB/s)."
    )
    assert "roof" not in text
    assert "limited" not in text


def test_a_roof_of_which_a_part_is_missing_is_none(told: Callable[..., str], made: ModuleType) -> None:
    rows = (("depthwise", 80, 0.8, 0.4),)
    assert told(*rows, roof=made.make_roof(memory=None)) == told(*rows, roof=None)


def test_slower_with_fewer_macs(told: Callable[..., str]) -> None:
    text = told(("depthwise", 150, 2.0, 0.3), unprofiled_s=0.05)
    assert text.startswith(
        "v3 does 4.0x fewer MACs but is 1.5x slower than base in the profiled pass (2.0x faster without"
    )
    # 2 GB/s of 10: memory is above it, but does not limit it.
    assert text.endswith("(13 % of the peak, under the roof of memory: 20 % of its bandwidth).")


def test_time_that_follows_the_macs_is_no_but(told: Callable[..., str]) -> None:
    text = told(("dense convolution", 20, 2.0, 0.02), ("norm", 5, 0, 0.02))
    assert text.startswith("v3 does 4.0x fewer MACs and is 4.0x faster than base")
    assert (
        "its dense convolutions take 80 % of the time for 100 % of the MACs (100 % of the peak, limited by"
        in text
    )


@pytest.mark.parametrize(
    ("rows", "start"),
    [
        ((("norm", 99, 0, 1), ("linear", 1, 4, 0)), "v3 does 2.0x fewer MACs but is only as fast as base in"),
        ((("linear", 95, 8, 1),), "v3 does as many MACs and is 1.05x faster than base in"),
        ((("linear", 200, 16, 1),), "v3 does 2.0x as many MACs and is 2.0x slower than base in"),
        (
            (("norm", 50, 0, 1),),
            "v3 cannot be compared by MACs, of which one of the two does none, and is 2.0x",
        ),
        ((("norm", 0, 1, 1),), "v3 does 8.0x fewer MACs and took no time that was seen"),
    ],
)
def test_the_head_has_the_figures_as_they_are(told: Callable[..., str], rows: Any, start: str) -> None:
    assert told(*rows).startswith(start)


def test_what_was_as_dear_before_explains_less(told: Callable[..., str]) -> None:
    # Dense: 15 ms where 80 / 4 = 20 were due; norms: 12 ms where 5 were.
    text = told(("dense convolution", 15, 2, 0.02), ("norm", 12, 0, 0.1), ("other", 13, 0, 0.1))
    first, second = (text.index(word) for word in ("other modules", "norms"))
    assert first < second
    assert "dense" not in text


def test_a_class_with_little_time_is_not_named(told: Callable[..., str]) -> None:
    rows = [("other", 9.0, 0.0, 0.1)] * 1 + [("norm", 91.0, 1.0, 0.1)]
    assert "other" not in told(*rows)


def test_not_limited_by_memory_and_under_a_cache(told: Callable[..., str]) -> None:
    # 20 MACs per byte at 25 GMAC/s; and 30 GB/s without MACs, three times what memory can.
    text = told(("pointwise", 80, 2, 0.1), ("upsampling", 20, 0, 0.6))
    assert (
        "its pointwise convolutions take 80 % of the time for 100 % of the MACs (25 % of the peak, "
        "not limited by memory)" in text
    )
    assert (
        "its upsampling takes 20 % of the time for no MACs (limited by a cache: 60 % of its bandwidth)"
        in text
    )


def test_names_are_escaped_and_nothing_else(made: ModuleType) -> None:
    base, other = made.make_profile("a*b", *BASE), made.make_profile("<img>", *BASE)
    text = explain(other, base, None, escape=lambda name: f"[{len(name)}]")
    assert text.startswith(
        "[5] does as many MACs and is as fast as [3] in the profiled pass (as fast without"
    )
