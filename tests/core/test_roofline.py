from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from benchbench.core.roofline import (
    ClassWork,
    Limits,
    attainable,
    limits_of,
    list_classes,
    place,
    whole_network,
)


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


# 100 GMAC/s and 10 GB/s: the ridge is at 10 MACs per byte; a cache of 50 GB/s.
LIMITS = Limits(100e9, 10e9, 50e9)


def work(macs: float, moved: float, own_s: float) -> ClassWork:
    return ClassWork("depthwise", 1, own_s, 0.5, int(macs), int(moved))


@pytest.mark.parametrize(("intensity", "macs_per_s"), [(1, 10e9), (10, 100e9), (40, 100e9), (0.5, 5e9)])
def test_attainable_is_the_lower_of_peak_and_intensity_by_bandwidth(
    intensity: float, macs_per_s: float
) -> None:
    assert attainable(intensity, LIMITS) == macs_per_s
    assert LIMITS.ridge == 10


def test_a_depthwise_convolution_by_hand() -> None:
    # 3x3 on 64 channels of 32 x 32 in float32: 9 MACs per output, weights and bias beside input and output.
    outputs = 64 * 32 * 32
    macs, moved = 9 * outputs, 4 * (2 * outputs + 64 * 9 + 64)
    found = work(macs, moved, macs / 4e9)
    assert found.intensity == pytest.approx(9 / 8, rel=0.01)
    placed = place(found, LIMITS)
    assert placed is not None
    assert placed.bound == "memory"
    assert placed.attainable == pytest.approx(macs / moved * 10e9)
    assert placed.share == pytest.approx(4e9 / (macs / moved * 10e9))
    assert placed.peak_share == pytest.approx(0.04)


def test_above_the_ridge_arithmetic_is_the_limit() -> None:
    placed = place(work(2e9, 0.1e9, 0.04), LIMITS)
    assert placed is not None
    assert (placed.bound, placed.attainable, placed.share, placed.peak_share) == (
        "arithmetic", 100e9, pytest.approx(0.5), pytest.approx(0.5),
    )  # fmt: skip


def test_what_does_no_macs_is_placed_by_its_bytes() -> None:
    placed = place(work(0, 1e9, 0.25), LIMITS)
    assert placed is not None
    assert (placed.bound, placed.attainable, placed.share, placed.peak_share) == ("memory", 10e9, 0.4, None)


def test_faster_than_memory_is_under_the_cache() -> None:
    # 20 GB/s and 20 GMAC/s at 1 MAC/B.
    placed = place(work(1e9, 1e9, 0.05), LIMITS)
    assert placed is not None
    assert (placed.bound, placed.attainable, placed.share) == ("cache", 50e9, pytest.approx(0.4))
    without = place(work(1e9, 1e9, 0.05), Limits(100e9, 10e9))
    assert without is not None
    assert (without.bound, without.share) == ("memory", pytest.approx(2.0))


@pytest.mark.parametrize("nothing", [work(1e9, 0, 0.1), work(1e9, 1e9, 0.0)])
def test_without_bytes_or_time_there_is_no_place(nothing: ClassWork) -> None:
    assert place(nothing, LIMITS) is None


def test_limits_need_peak_and_memory_and_a_cache_that_is_faster(made: ModuleType) -> None:
    assert limits_of(None) is None
    assert limits_of(made.make_roof()) == LIMITS
    assert limits_of(made.make_roof(cache=5.0)) == Limits(100e9, 10e9)
    assert limits_of(made.make_roof(cache=None)) == Limits(100e9, 10e9)
    assert limits_of(made.make_roof(memory=None)) is None
    assert limits_of(made.make_roof(float32=None)) is None


def test_layers_add_up_by_class_most_time_first(made: ModuleType) -> None:
    profile = made.make_profile(
        "v", ("norm", 10, 0, 1), ("depthwise", 30, 2, 4), ("norm", 50, 0, 2), ("other", 10, 0, 0)
    )
    norm, depthwise, other = list_classes(profile.layers)
    assert (norm.name, norm.layers, norm.macs, norm.bytes_moved) == ("norm", 2, 0, 3 * 10**9)
    assert (norm.share, norm.own_s, norm.intensity) == (pytest.approx(0.6), pytest.approx(0.06), 0)
    assert norm.bytes_per_s == pytest.approx(50e9)
    assert (depthwise.intensity, depthwise.macs_per_s) == (0.5, pytest.approx(2e9 / 0.03))
    assert (other.intensity, other.macs_per_s, other.bytes_per_s) == (None, None, None)
    whole = whole_network(profile)
    assert (whole.name, whole.layers, whole.macs, whole.bytes_moved) == ("all", 4, 2 * 10**9, 7 * 10**9)
    assert whole.share == pytest.approx(1)


def test_a_figure_is_its_best_block_with_its_spread(made: ModuleType) -> None:
    figure = made.make_roof(float32=10.0).figures[0]
    assert (figure.best, figure.unit, figure.spread) == (10e9, "MAC/s", pytest.approx(0.1))
    missing = made.make_roof(memory=None).figures[1]
    assert (missing.best, missing.unit, missing.spread) == (None, "B/s", None)


def test_machines_tell_what_differs(made: ModuleType) -> None:
    earlier, now = made.make_machine(torch_version="2.12.0"), made.make_machine(threads=4)
    assert earlier.differences(now) == ("threads was 2, is 4", "torch_version was 2.12.0, is 2.13.0")
    assert now.differences(now) == ()
    assert (now.setting, now.command) == ("cpu, 4 threads", "benchbench roofline --device cpu --threads 4")
