from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.core.errors import MeasurementError
from benchbench.quality.capture import Call, Slot
from benchbench.quality.fuse import FusedNetwork, _is_frozen_norm

EXAMPLE = torch.zeros(1, 3, 12, 10)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def settled(module: nn.Module) -> nn.Module:
    """Frozen, with weights and statistics of its own."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if tensor.is_floating_point():
                values = torch.randn(tensor.shape, generator=generator) * 0.5
                tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module.eval().requires_grad_(False)


def steps(network: FusedNetwork) -> list[str]:
    return [
        each.target.overloadpacket.__name__ if isinstance(each, Call) else "fused" for each in network._steps
    ]


def agrees(network: Callable[[Tensor], Tensor], fused: FusedNetwork, *, count: int = 3) -> bool:
    images = drawn(count, *EXAMPLE.shape[1:], seed=7)
    with torch.no_grad():
        wanted, got = network(images), fused(images)
    return wanted.shape == got.shape and float((wanted - got).norm() / wanted.norm()) <= 1e-6


class Norm(nn.Module):
    """A norm without scale or shift, as TorchScript's functional one has it."""

    def __init__(self, *, scale: bool, shift: bool, eps: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("running_var", torch.ones(4))
        self.scale = nn.Parameter(torch.zeros(4)) if scale else None
        self.shift = nn.Parameter(torch.zeros(4)) if shift else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.running_var, self.scale, self.shift, eps=self.eps)


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_norm_becomes_part_of_its_convolution(scale: bool, shift: bool, bias: bool) -> None:
    # The epsilon is one that would show.
    norm = Norm(scale=scale, shift=shift, eps=0.3)
    network = settled(nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=bias), norm, nn.ReLU()))
    fused = FusedNetwork(network, EXAMPLE)
    assert steps(fused) == ["fused"]
    assert agrees(network, fused)


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("inference", [True, False])
def test_it_folds_whatever_the_network_is_and_the_mode(script: bool, inference: bool) -> None:
    network = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)))
    given = torch.jit.script(network) if script else network
    with torch.inference_mode(inference):
        fused = FusedNetwork(given, EXAMPLE)
    assert steps(fused) == ["fused"]
    assert agrees(network, fused)


class Siblings(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 1), nn.Conv2d(3, 4, 1)
        self.wide = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.relu(self.one(x)), F.relu(self.two(x)), self.other(x), self.wide(x)], 1)


def test_siblings_are_joined_where_they_end_alike() -> None:
    network = settled(Siblings())
    fused = FusedNetwork(network, EXAMPLE)
    # The two with a ReLU are one; the one without and the 3x3 stay by themselves.
    assert steps(fused) == ["fused", "fused", "fused", "cat"]
    assert agrees(network, fused)


class Shared(nn.Module):
    """A convolution whose result is needed before its norm and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        made = self.layer(x)
        return made + F.relu(self.norm(made))


def test_what_is_read_twice_is_not_folded() -> None:
    network = settled(Shared())
    fused = FusedNetwork(network, EXAMPLE)
    assert "native_batch_norm" in " ".join(steps(fused)) or "_native_batch_norm" in " ".join(steps(fused))
    assert agrees(network, fused)


class Written(nn.Module):
    """What is written in place is read afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.after = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        made = self.layer(x)
        made.mul_(2)
        made[:, :2].add_(1)
        return self.after(made)


def test_writing_in_place_is_followed() -> None:
    network = settled(Written())
    assert agrees(network, FusedNetwork(network, EXAMPLE))


class BatchStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("running_var", torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(self.layer(x), self.mean.clone(), self.running_var.clone(), training=True)


def test_a_norm_over_the_batch_is_not_folded() -> None:
    network = settled(BatchStatistics())
    fused = FusedNetwork(network, EXAMPLE)
    assert steps(fused)[0] == "fused"
    assert len(steps(fused)) > 1
    assert agrees(network, fused)


@pytest.mark.parametrize("training", [True, False])
def test_a_gpus_norm_says_whether_it_is_frozen(training: bool) -> None:
    statistics = torch.zeros(4), torch.ones(4)
    call = Call(
        torch.ops.aten.cudnn_batch_norm.default,
        (Slot(1), torch.ones(4), torch.zeros(4), *statistics, training, 0.1, 1e-5),
        {},
        Slot(2),
    )
    assert _is_frozen_norm(call) is not training


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_images(count: int) -> None:
    network = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 10 * 8, 6)))
    assert agrees(network, FusedNetwork(network, EXAMPLE), count=count)


@pytest.mark.parametrize("groups", [1, 2])
def test_what_is_no_plain_convolution_stays(groups: int) -> None:
    network = settled(
        nn.Sequential(
            nn.Conv2d(3, 4, 1),
            nn.ConvTranspose2d(4, 4, 3, stride=2, groups=groups),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, groups=groups, dilation=2),
            nn.ReLU(),
            nn.AvgPool2d(2),
        )
    )
    fused = FusedNetwork(network, EXAMPLE)
    assert "convolution" in steps(fused)
    assert agrees(network, fused)


def test_a_batch_alone_or_with_others_gives_the_same() -> None:
    network = settled(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 1), nn.ReLU()))
    fused = FusedNetwork(network, EXAMPLE)
    images = drawn(20, 3, 12, 10)
    with torch.no_grad():
        together, alone = fused(images), torch.cat([fused(image[None]) for image in images])
    assert float((together - alone).abs().max()) <= 1e-6


def test_a_network_that_differs_from_call_to_call_is_refused() -> None:
    calls: list[int] = []

    def fickle(images: Tensor) -> Tensor:
        calls.append(1)
        return images * len(calls)

    with pytest.raises(MeasurementError, match="off by"):
        FusedNetwork(fickle, EXAMPLE)


def test_a_network_that_is_dead_only_as_it_is_is_refused() -> None:
    calls: list[int] = []

    def waking(images: Tensor) -> Tensor:
        calls.append(1)
        return images * (1.0 if len(calls) == 1 else 0.0)

    with pytest.raises(MeasurementError, match="off by"):
        FusedNetwork(waking, EXAMPLE)


def test_a_network_that_gives_zero_is_taken() -> None:
    network = settled(nn.Conv2d(3, 4, 3))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    fused = FusedNetwork(network, EXAMPLE)
    assert not fused(EXAMPLE).any()


def test_features_that_are_no_numbers_are_refused() -> None:
    network = settled(nn.Conv2d(3, 4, 3))
    with torch.no_grad():
        next(network.parameters())[0] = float("nan")
    with pytest.raises(MeasurementError, match="off by nan"):
        FusedNetwork(network, EXAMPLE)


def test_a_network_for_one_image_alone_is_refused() -> None:
    def only_one(images: Tensor) -> Tensor:
        return images.reshape(len(images) * 3, 12, 10).expand(1, len(images) * 3, 12, 10)

    with pytest.raises(MeasurementError, match="the faster form of this network"):
        FusedNetwork(only_one, EXAMPLE)
