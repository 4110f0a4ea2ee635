from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbench.core.meta import holds_plain_tensors, run_on_meta, state_restored


class Caching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.table: dict[str, torch.Tensor] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.last = torch.zeros(1)
        self.table["x"] = x
        self.register_buffer("seen", x)
        return self.layer(x)


def test_forward_on_meta_leaves_nothing_behind() -> None:
    model = Caching()
    generator = torch.random.get_rng_state()
    assert run_on_meta(model, torch.zeros(4, 2)).shape == (4, 3)
    assert not hasattr(model, "last")
    assert model.table == {}
    assert [name for name, _ in model.named_buffers()] == []
    assert model.layer.weight.device.type == "cpu"
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_state_is_restored_after_an_error() -> None:
    model = Caching()
    with pytest.raises(ValueError, match="stop"):
        change_and_fail(model)
    assert model.training
    assert model.layer.training
    assert not hasattr(model, "added")


def change_and_fail(model: nn.Module) -> None:
    with state_restored(model):
        model.eval()
        model.added = 3
        raise ValueError("stop")


def test_plain_tensors_are_seen_and_parameters_are_not_them() -> None:
    model = Caching()
    assert not holds_plain_tensors(model)
    model.table["x"] = torch.zeros(1)
    assert holds_plain_tensors(model)


class Frozen(dict[str, int]):
    """As the configuration of a model of diffusers: it refuses every change."""

    def clear(self) -> None:
        raise TypeError("frozen")

    update = clear


def test_a_table_that_refuses_changes_is_left_alone() -> None:
    model = Caching()
    model.config = Frozen(width=3)
    assert run_on_meta(model, torch.zeros(4, 2)).shape == (4, 3)
    assert model.config == {"width": 3}
