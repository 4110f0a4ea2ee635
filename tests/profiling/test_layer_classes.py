from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchbench.profiling.layer_classes import class_of_module, class_of_operator
from benchbench.profiling.traffic import follow_traffic


class Sub(nn.Conv2d):
    """Somebody's subclass."""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (nn.Conv2d(8, 8, 3, groups=8), "depthwise"),
        (nn.Conv2d(8, 16, 3, groups=8), "depthwise"),
        (nn.ConvTranspose2d(8, 8, 4, groups=8), "depthwise"),
        (nn.Conv2d(8, 8, 3, groups=2), "grouped convolution"),
        (nn.Conv2d(8, 8, 1), "pointwise"),
        (nn.Conv1d(8, 8, 1), "pointwise"),
        (nn.Conv2d(8, 8, (1, 3)), "dense convolution"),
        (nn.Conv2d(1, 8, 3), "dense convolution"),
        (Sub(8, 8, 3), "dense convolution"),
        (nn.ConvTranspose2d(8, 8, 4), "transposed convolution"),
        (nn.ConvTranspose2d(8, 8, 1), "transposed convolution"),
        (nn.BatchNorm2d(4), "norm"),
        (nn.InstanceNorm2d(4), "norm"),
        (nn.LayerNorm(4), "norm"),
        (nn.GroupNorm(2, 4), "norm"),
        (nn.ReLU(), "activation"),
        (nn.Tanh(), "activation"),
        (nn.Upsample(scale_factor=2), "upsampling"),
        (nn.PixelShuffle(2), "upsampling"),
        (nn.Linear(2, 3), "linear"),
        (nn.MultiheadAttention(4, 2), None),
        (nn.ReflectionPad2d(1), None),
        (nn.Sequential(), None),
    ],
    ids=str,
)
def test_torchs_own_layers_by_class_groups_and_kernel(module: nn.Module, name: str | None) -> None:
    assert class_of_module(module) == name


class Functional(nn.Module):
    """Layers without modules: told by their operators."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what
        self.weight = nn.Parameter(torch.ones(4, 1, 3, 3) if what == "depthwise" else torch.ones(4, 4, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        if self.what == "depthwise":
            return functional.conv2d(x, self.weight, groups=4)
        if self.what == "dense convolution":
            return functional.conv2d(functional.relu(x), self.weight.repeat(4, 1, 1, 1))
        if self.what == "transposed convolution":
            return functional.conv_transpose2d(x, self.weight)
        if self.what == "upsampling":
            return functional.interpolate(x, scale_factor=2.0)
        if self.what == "norm":
            return functional.instance_norm(x)
        if self.what == "activation":
            return functional.leaky_relu(x, 0.2)
        if self.what == "linear":
            return functional.linear(x, torch.ones(3, x.shape[-1]))
        return functional.pad(x, (1, 1, 1, 1))


@pytest.mark.parametrize(
    "what",
    [
        "depthwise",
        "dense convolution",
        "transposed convolution",
        "upsampling",
        "norm",
        "activation",
        "linear",
        "other",
    ],
)
def test_other_modules_by_the_operator_that_moves_most(what: str) -> None:
    model = Functional(what)
    x = torch.ones(1, 4, 8, 8)
    assert follow_traffic(model, lambda: model(x)).classes == {"": what}


def test_a_convolution_outweighs_what_moves_more_beside_it() -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, weight: Tensor) -> Tensor:
            return functional.conv2d(x, weight * 2 + weight.square())

    x, weight = torch.ones(1, 64, 3, 3), torch.ones(64, 64, 3, 3)
    model = Scaled()
    found = follow_traffic(model, lambda: model(x, weight))
    # A product, a square and a sum of the weight, beside the convolution.
    assert found.bytes_moved[""] > 7 * 4 * weight.numel()
    assert found.classes == {"": "dense convolution"}


def test_work_in_place_has_the_same_class() -> None:
    assert class_of_operator("relu_", (torch.ones(1),)) == "activation"
    assert class_of_operator("add_", (torch.ones(1),)) == "other"
