from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchbench.profiling.traffic import follow_traffic


def _moved(model: nn.Module, *inputs: Tensor) -> Mapping[str, int]:
    return follow_traffic(model.eval(), lambda: model(*inputs)).bytes_moved


def test_a_convolution_moves_its_input_weights_and_output() -> None:
    conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    moved = _moved(conv, torch.randn(2, 3, 10, 10))
    assert moved == {"": 4 * (2 * 3 * 10 * 10 + 8 * 3 * 3 * 3 + 8 + 2 * 8 * 5 * 5)}


def test_without_a_bias_and_by_groups() -> None:
    conv = nn.Conv2d(8, 8, 3, groups=8, bias=False)
    assert _moved(conv, torch.randn(1, 8, 6, 6)) == {"": 4 * (8 * 36 + 8 * 9 + 8 * 16)}


def test_a_linear_layer() -> None:
    # Its weight goes in as a view, transposed: moved once.
    assert _moved(nn.Linear(5, 7), torch.randn(3, 5)) == {"": 4 * (3 * 5 + 5 * 7 + 7 + 3 * 7)}


def test_what_works_in_place_reads_and_writes() -> None:
    both = 4 * 2 * 100
    assert _moved(nn.ReLU(), torch.randn(100)) == {"": both}
    assert _moved(nn.ReLU(inplace=True), torch.randn(100)) == {"": both}


class _Views(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        torch.empty(1000)
        return x.view(4, 25).t().unsqueeze(0)[:, 1:].reshape(24, 4)


def test_views_and_empty_tensors_move_nothing() -> None:
    assert sum(_moved(_Views(), torch.randn(100)).values()) == 0


def test_a_reshape_that_copies_moves() -> None:
    class Copies(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.t().reshape(-1)

    assert _moved(Copies(), torch.randn(4, 25)) == {"": 4 * 2 * 100}


class _Joined(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(2, 2, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.inner(x))


def test_each_module_has_its_own_and_hooks_are_gone() -> None:
    model = _Joined()
    moved = _moved(model, torch.randn(1, 2, 4, 4))
    # x + y reads two and writes one, relu reads and writes.
    assert moved == {"inner.0": 4 * (32 + 4 + 32), "": 4 * (3 * 32 + 2 * 32)}
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())


def test_elements_have_their_own_size() -> None:
    assert _moved(nn.ReLU(), torch.ones(100, dtype=torch.int64)) == {"": 8 * 2 * 100}
