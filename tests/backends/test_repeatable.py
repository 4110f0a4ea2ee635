from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchbench.backends.repeatable import check_repeatable, own_copies
from benchbench.core.errors import UnsupportedDeploymentError

INPUTS = (torch.tensor([[0.0, 1.0, 2.0]]),)


def test_it_returns_what_was_made_and_leaves_the_generator() -> None:
    before = torch.random.get_rng_state()
    made = check_repeatable(lambda given: {"made": given[0] * 2, "count": 3}, INPUTS)
    assert isinstance(made, dict)
    assert torch.equal(made["made"], INPUTS[0] * 2)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_network_that_changes_its_inputs_draws_nothing() -> None:
    made = check_repeatable(lambda given: given[0].add_(1), INPUTS)
    assert torch.equal(made, torch.tensor([[1.0, 2.0, 3.0]]))
    assert torch.equal(INPUTS[0], torch.tensor([[0.0, 1.0, 2.0]]))


def noise(given: tuple[Tensor, ...]) -> Tensor:
    return given[0] + torch.randn_like(given[0])


def lengths(given: tuple[Tensor, ...]) -> Tensor:
    lengths.count += 1
    return torch.zeros(lengths.count)


lengths.count = 0


def gaps(given: tuple[Tensor, ...]) -> Tensor:
    gaps.count += 1
    return torch.tensor([1.0, torch.nan if gaps.count % 2 else 1.0])


gaps.count = 0


def pixels(given: tuple[Tensor, ...]) -> Tensor:
    return torch.randint(0, 256, (64,), dtype=torch.uint8)


def waves(given: tuple[Tensor, ...]) -> Tensor:
    return torch.complex(given[0], torch.rand_like(given[0]))


@pytest.mark.parametrize("call", [noise, lengths, gaps, pixels, waves])
def test_one_that_makes_something_else_every_time_is_refused(call) -> None:
    with pytest.raises(UnsupportedDeploymentError, match="draws random numbers, or remembers") as caught:
        check_repeatable(call, INPUTS)
    assert "\n" not in caught.value.problem


@pytest.mark.parametrize(
    ("first", "change", "same"),
    [
        ([0.0, 1000.0], 0.05, True),
        ([0.0, 1000.0], 0.5, False),
        # Far from zero, and close to one another.
        ([1000.0, 1001.0], 0.05, False),
        ([1000.0], 0.05, True),
        ([torch.nan, torch.inf], 0.0, True),
        ([], 0.0, True),
    ],
)
def test_last_digits_may_differ(first: list[float], change: float, same: bool) -> None:
    calls = iter([torch.tensor(first), torch.tensor(first) + change])
    if same:
        check_repeatable(lambda given: next(calls), INPUTS)
        return
    with pytest.raises(UnsupportedDeploymentError):
        check_repeatable(lambda given: next(calls), INPUTS)


def test_copies_made_in_inference_mode_are_plain_tensors() -> None:
    with torch.inference_mode():
        (made,) = own_copies(INPUTS)
    assert not made.is_inference()
    assert made.data_ptr() != INPUTS[0].data_ptr()
