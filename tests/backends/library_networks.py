"""A small network of what generators are made of, for the tests of both inference libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.deployment import Deployment


class Small(nn.Module):
    """[n, 3, h, w] and [n, 3] by keyword -> a picture of twice the size and its means."""

    def __init__(self) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.first = nn.Conv2d(3, 8, 3)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.up = nn.ConvTranspose2d(8, 3, 4, 2, 1)

    def forward(self, image: Tensor, *, style: Tensor) -> dict[str, Tensor]:
        hidden = torch.relu(self.norm(self.first(self.pad(image))))
        made = torch.relu(self.up(self.depthwise(hidden))) * style[:, :, None, None]
        return {"picture": made, "means": made.mean((2, 3))}


def inputs(seed: int, *, count: int = 1, side: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 3, side, side, generator=generator), torch.rand(count, 3, generator=generator)


def small(*, calibration: int = 0) -> Network:
    torch.manual_seed(0)
    module = Small().eval().requires_grad_(False)
    sets = tuple(inputs(100 + index) for index in range(calibration))
    return Network(module, inputs(0), ("", "style"), sets)


def expected(network: Network, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(network.module(values[0], style=values[1]).values())


def setup(backend: str, *, threads: int = 1, **deployment: Any) -> Setup:
    return setup_for(Deployment(backend=backend, **deployment), device="cpu", threads=threads)


def opened(network: Network, how: Setup, folder: Path) -> Session:
    return open_session(network, how, write_artefact(network, how, folder))


def worst(made: Any, wanted: tuple[Tensor, ...]) -> float:
    """The largest difference of all outputs."""
    parts = (made,) if isinstance(made, Tensor) else made
    assert [each.shape for each in parts] == [each.shape for each in wanted]
    return max(float((a - b).abs().max()) for a, b in zip(parts, wanted, strict=True))


def decibels(made: Tensor, wanted: Tensor) -> float:
    span = float(wanted.max() - wanted.min())
    return float(10 * torch.log10(span**2 / (made - wanted).square().mean()))
