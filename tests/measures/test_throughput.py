from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from benchbench.core.contracts import InputSpec, Measured, Replicate, Subject
from benchbench.core.errors import MeasurementError
from benchbench.measures.throughput import (
    ThroughputOptions,
    knee_of,
    measure,
    summarise,
    take_batches,
)


@pytest.fixture
def clock(load_module: Any) -> Any:
    return load_module("measures/latency/conftest.py").FakeTimer()


class Timed(nn.Module):
    """A network that winds the clock: a fixed cost per call and one per image; no memory beyond `room`."""

    def __init__(self, clock: Any, *, call_s: float, image_s: float, room: int = 10**9) -> None:
        super().__init__()
        self.clock, self.call_s, self.image_s, self.room = clock, call_s, image_s, room
        self.batches: list[int] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.batches.append(len(x))
        if len(x) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        self.clock.clock_s += self.call_s + self.image_s * len(x)
        return x


def subject(module: nn.Module, shape: tuple[int, ...] = (1, 3, 8, 8)) -> Subject:
    return Subject("one", module, (torch.zeros(shape),), specs=(InputSpec(shape=shape),))


def options(**changes: Any) -> ThroughputOptions:
    return ThroughputOptions.model_validate({"threads": (2,), "max_batch": 16, **changes})


def taken(
    clock: Any, module: nn.Module, made: ThroughputOptions, *, memory_bytes: int | None = None
) -> Replicate:
    return take_batches(subject(module), made, timer=clock, seed=0, memory_bytes=memory_bytes)


def rates(found: Measured) -> dict[str, float]:
    return {each.setting: each.value for each in found.measurements if each.name == "throughput"}


def knee(found: Measured) -> Any:
    return next(each for each in found.measurements if each.name == "knee_batch")


def test_images_per_second_at_each_batch_and_the_knee(clock: Any) -> None:
    made = options()
    found = summarise([taken(clock, Timed(clock, call_s=0.09, image_s=0.01), made)], made)
    expected = {f"cpu, 2 threads, batch {batch}": batch / (0.09 + 0.01 * batch) for batch in (1, 2, 4, 8, 16)}
    assert rates(found) == pytest.approx(expected)
    assert (knee(found).value, knee(found).setting) == (16, "cpu, 2 threads")
    assert knee(found).flags == ("still rising at batch 16: the knee may lie beyond it",)
    assert not found.failures
    assert {each.unit for each in found.measurements if each.name == "throughput"} == {"image/s"}


def test_the_knee_is_the_smallest_batch_that_is_nearly_the_best(clock: Any) -> None:
    made = options()
    found = summarise([taken(clock, Timed(clock, call_s=0.001, image_s=0.01), made)], made)
    # 1: 0.909 of 1/image_s, 2: 0.952, 16: 0.994; 0.952 / 0.994 is above 0.95, 0.909 / 0.994 is not.
    assert knee(found).value == 2
    assert not knee(found).flags
    assert knee_of({1: 94.9, 2: 95.0, 4: 100.0, 8: 90.0}) == 2
    assert knee_of({1: 5.0}) == 1


def test_batches_are_interleaved(clock: Any) -> None:
    network = Timed(clock, call_s=0.1, image_s=0.0)
    taken(clock, network, options(max_batch=4, warmup_s=0.1))
    rounds = network.batches[-30:]
    assert all(sorted(rounds[at : at + 3]) == [1, 2, 4] for at in range(0, 30, 3))
    assert len({tuple(rounds[at : at + 3]) for at in range(0, 30, 3)}) > 1


def test_out_of_memory_ends_the_sweep_as_a_recorded_point(clock: Any) -> None:
    made = options()
    network = Timed(clock, call_s=0.001, image_s=0.01, room=4)
    found = summarise([taken(clock, network, made)], made)
    assert list(rates(found)) == [f"cpu, 2 threads, batch {batch}" for batch in (1, 2, 4)]
    (failure,) = found.failures
    assert (failure.of, failure.reason) == ("throughput: cpu, 2 threads, batch 8", "out of memory")
    assert "the sweep ended at batch 8: out of memory" in knee(found).flags
    assert 16 not in network.batches


def test_a_batch_that_would_fill_the_memory_is_not_tried_on_a_cpu(clock: Any) -> None:
    network = Timed(clock, call_s=0.01, image_s=0.01)
    # What goes in comes out: 3 x 8 x 8 floats are 768 bytes per image; half of 6.5 KiB hold four of them.
    replicate = taken(clock, network, options(), memory_bytes=6656)
    assert set(replicate.samples) == {"batch 1", "batch 2", "batch 4"}
    assert max(network.batches) == 4
    (failure,) = summarise([replicate], options()).failures
    assert failure.of == "throughput: cpu, 2 threads, batch 8"
    assert failure.reason == (
        "not tried: its activations need 6.00 KiB, and 3.25 KiB are 50% of the memory here"
    )


def test_the_declared_maximum_is_tried_where_it_is_no_power_of_two() -> None:
    assert options(max_batch=12).batches == (1, 2, 4, 8, 12)
    assert options(max_batch=1).batches == (1,)


def test_a_network_that_takes_its_own_batch_alone_keeps_that_and_says_why(clock: Any) -> None:
    class Fixed(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            clock.clock_s += 0.1
            return x.view(1, 3, 64)

    made = options(max_batch=2)
    found = summarise([taken(clock, Fixed(), made)], made)
    assert list(rates(found)) == ["cpu, 2 threads, batch 1"]
    assert "invalid for input of size" in found.failures[0].reason


def test_a_network_without_a_batch_is_one_line(clock: Any) -> None:
    bare = Subject("bare", nn.Identity(), (torch.tensor(1.0),), specs=(InputSpec(shape=()),))
    with pytest.raises(MeasurementError, match=r"'bare' has no batch: its first input has the shape \[\]"):
        take_batches(bare, options(), timer=clock, seed=0, memory_bytes=None)


def test_a_batch_that_one_process_had_no_memory_for_has_no_figure(clock: Any) -> None:
    made = options(max_batch=4, processes=2)
    roomy = taken(clock, Timed(clock, call_s=0.01, image_s=0.01), made)
    tight = taken(clock, Timed(clock, call_s=0.01, image_s=0.01, room=2), made)
    found = summarise([roomy, tight], made)
    assert list(rates(found)) == ["cpu, 2 threads, batch 1", "cpu, 2 threads, batch 2"]
    assert all(len(each.samples) == 2 for each in found.measurements if each.name == "throughput")


def test_each_batch_is_a_protocol_of_its_own_and_the_measure_runs_alone(clock: Any) -> None:
    made = options(max_batch=2)
    found = summarise([taken(clock, Timed(clock, call_s=0.1, image_s=0.0), made)], made)
    assert len({each.protocol.hash for each in found.measurements}) == 3
    assert measure.comparison is not None
    assert measure.comparison.members == "alone"
    assert measure.comparison.processes(made) == (1, 1)


@pytest.mark.parametrize(
    "wrong", [{"max_batch": 0}, {"memory_share": 0}, {"protocol": "gan_compression"}, {"baseline": "v1"}]
)
def test_wrong_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        options(**wrong)
