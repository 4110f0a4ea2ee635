from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import InputSpec, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.resized import with_batch, with_size
from benchbench.measures.scaling import ScalingOptions, measure, summarise, take_sizes


@pytest.fixture
def clock(load_module: Any) -> Any:
    return load_module("measures/latency/conftest.py").FakeTimer()


def subject(module: nn.Module, *shapes: tuple[int, ...], cell: Cell | None = None) -> Subject:
    shapes = shapes or ((1, 3, 8, 8),)
    specs = tuple(InputSpec(shape=shape) for shape in shapes)
    return Subject("one", module, tuple(torch.zeros(shape) for shape in shapes), specs=specs, cell=cell)


class PerPixel(nn.Module):
    """It takes a microsecond per pixel, and no image beyond `largest`."""

    def __init__(self, clock: Any, largest: int = 10**6) -> None:
        super().__init__()
        self.clock, self.largest = clock, largest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        if height > self.largest:
            raise ValueError("too large\nsecond line")
        self.clock.clock_s += 1e-6 * height * width
        return x


def options(**changes: Any) -> ScalingOptions:
    given = {"sweep": {"threads": [1, 2], "size": [64, 128]}, "min_seconds": 0.1, "warmup_s": 0.01, **changes}
    return ScalingOptions.model_validate_json(json.dumps(given))


def test_every_thread_count_is_a_comparison_and_reads_back_as_it_was_written() -> None:
    parts = options().split(usable_threads=2)
    assert [str(each.setting) for each in parts] == ["cpu, 1 thread", "cpu, 2 threads"]
    for part in parts:
        assert ScalingOptions.model_validate_json(part.model_dump_json()) == part
    assert measure.comparison is not None
    assert [measure.comparison.environment(each)["OMP_NUM_THREADS"] for each in parts] == ["1", "2"]


def test_without_swept_threads_they_are_those_of_latency() -> None:
    (part,) = options(sweep={"size": [64]}, threads=2).split(usable_threads=4)
    assert str(part.setting) == "cpu, 2 threads"
    (auto,) = options(sweep={"size": [64]}).split(usable_threads=4)
    assert str(auto.setting) == "cpu, 4 threads"


def test_latency_at_each_size(clock: Any) -> None:
    part = options().split(usable_threads=2)[1]
    taken = take_sizes(subject(PerPixel(clock)), part, timer=clock, seed=0)
    found = summarise([taken], part)
    assert {each.setting: each.value for each in found.measurements} == pytest.approx(
        {"cpu, 2 threads, 64x64": 64 * 64e-6, "cpu, 2 threads, 128x128": 128 * 128e-6}
    )
    assert {each.name for each in found.measurements} == {"swept_latency"}
    assert [each.protocol.settings["height"] for each in found.measurements] == [64, 128]


def test_threads_alone_are_timed_at_the_networks_own_size(clock: Any) -> None:
    part = options(sweep={"threads": [1, 2]}).split(usable_threads=2)[0]
    taken = take_sizes(subject(PerPixel(clock), (2, 3, 8, 16)), part, timer=clock, seed=0)
    (figure,) = summarise([taken], part).measurements
    assert (figure.setting, figure.value) == ("cpu, 1 thread, 8x16", pytest.approx(128e-6))
    assert figure.protocol.settings["batch"] == 2


def test_a_size_that_does_not_fit_has_its_reason_and_the_others_are_timed(clock: Any) -> None:
    part = options().split(usable_threads=2)[0]
    taken = take_sizes(subject(PerPixel(clock, largest=64)), part, timer=clock, seed=0)
    found = summarise([taken], part)
    assert [each.setting for each in found.measurements] == ["cpu, 1 thread, 64x64"]
    (failure,) = found.failures
    assert (failure.of, failure.kind) == ("scaling: cpu, 1 thread, 128x128", "skipped")
    assert failure.reason == "ValueError: too large"


def test_sizes_that_all_fail_are_one_line(clock: Any) -> None:
    with pytest.raises(MeasurementError, match="no size can be timed: 64x64: ValueError: too large"):
        take_sizes(subject(PerPixel(clock, largest=1)), options(), timer=clock, seed=0)


def test_a_network_of_noise_has_no_size(clock: Any) -> None:
    with pytest.raises(MeasurementError, match="no input of 'one' has a height and width"):
        take_sizes(subject(nn.Identity(), (1, 100)), options(), timer=clock, seed=0)


def test_every_input_of_the_first_ones_size_or_batch_follows_it() -> None:
    two = subject(nn.Identity(), (1, 3, 8, 8), (1, 5, 8, 8), (1, 7), (1, 2, 4, 4))
    assert [tuple(each.shape) for each in with_size(two, 16, seed=0).inputs] == [
        (1, 3, 16, 16),
        (1, 5, 16, 16),
        (1, 7),
        (1, 2, 4, 4),
    ]
    assert [each.shape[0] for each in with_batch(two, 4, seed=0).inputs] == [4, 4, 4, 4]
    assert two.inputs[0].shape == (1, 3, 8, 8)


def test_a_registered_architecture_says_which_sizes_it_takes(clock: Any) -> None:
    cell = Cell(variant="baseline", architecture=ArchitectureSpec(name="transformer_net"))
    network = subject(PerPixel(clock), (1, 3, 64, 64), cell=cell)
    part = options(sweep={"size": [64, 66]}, threads=1)
    found = summarise([take_sizes(network, part, timer=clock, seed=0)], part)
    assert [each.setting for each in found.measurements] == ["cpu, 1 thread, 64x64"]
    assert "no multiple of 4" in found.failures[0].reason


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sweep": {}}, "sweep is empty"),
        ({"threads": [1]}, "threads stand in 'threads' and in 'sweep'"),
        ({"sweep": {"size": [0]}}, "greater than or equal to 1"),
        ({"sweep": {"batch": [1]}}, "Extra inputs"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(**wrong)
