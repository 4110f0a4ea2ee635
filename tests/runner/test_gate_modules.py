from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from benchbench.core.errors import MeasurementError
from benchbench.core.paired_sets import estimate, excludes_slower, is_slower
from benchbench.runner.gate_modules import measure_modules

INPUT = (torch.ones(1, 3),)


class Costly(nn.Module):
    """Says what a call of it costs on the clock that watches."""

    now_s = 0.0

    def __init__(self, cost_s: float) -> None:
        super().__init__()
        self.cost_s = cost_s

    def forward(self, x: Tensor) -> Tensor:
        Costly.now_s += self.cost_s
        return x


class Watch:
    has_device_clock = False

    def now_s(self) -> float:
        return Costly.now_s

    def overhead_s(self) -> float:
        return 0.0

    def end_to_end_s(self, call: Callable[[], object], repeats: int) -> float:
        before = Costly.now_s
        for _ in range(repeats):
            call()
        return Costly.now_s - before

    def device_s(self, calls: Sequence[Callable[[], object]], repeats: Sequence[int]) -> list[float]:
        return []


def test_equal_modules_pass_after_one_set_and_slower_ones_fail_after_two() -> None:
    base = Costly(0.01)
    same = measure_modules(base, Costly(0.01), INPUT, tolerance=0.05, timer=Watch())
    slow = measure_modules(base, Costly(0.012), INPUT, tolerance=0.05, timer=Watch())
    assert (len(same.sets), len(slow.sets)) == (1, 2)
    assert excludes_slower(estimate(same.sets, tolerance=0.05), 0.05)
    assert is_slower(estimate(slow.sets, tolerance=0.05), 0.05)
    assert estimate(slow.sets, tolerance=0.05).ratio == pytest.approx(1.2)
    assert same.setting.endswith("in one process")


def test_a_module_against_itself_has_controls_of_its_own() -> None:
    base = Costly(0.01)
    found = measure_modules(base, base, INPUT, tolerance=0.05, timer=Watch())
    assert [len(side) for side in (found.sets[0].base, found.sets[0].head)] == [2, 2]


def test_modules_are_left_as_they_are() -> None:
    net = nn.Sequential(Costly(0.01), nn.BatchNorm1d(3))
    net.train()
    before = net[1].running_mean.clone()
    measure_modules(net, net, INPUT, tolerance=0.05, timer=Watch())
    assert net.training
    assert torch.equal(net[1].running_mean, before)


def test_inputs_that_do_not_fit_and_modules_that_cannot_be_copied_are_told() -> None:
    class Alone(Costly):
        def __deepcopy__(self, memo: object) -> Costly:
            raise RuntimeError("one of its kind")

    with pytest.raises(MeasurementError, match="a Linear does not take these inputs"):
        measure_modules(nn.Linear(4, 1), nn.Linear(3, 1), INPUT, tolerance=0.05, timer=Watch())
    with pytest.raises(MeasurementError, match="a Alone cannot be copied: one of its kind"):
        measure_modules(Alone(0.01), Costly(0.01), INPUT, tolerance=0.05, timer=Watch())
