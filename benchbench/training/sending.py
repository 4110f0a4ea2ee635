"""Networks with parametrised layers (spectral norm, for one) on their way to another process."""

from __future__ import annotations

from multiprocessing.reduction import ForkingPickler
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize


def make_sendable(network: nn.Module) -> None:
    """From now on this process can send the network to those that it starts.

    torch gives each layer with a parametrisation a class of its own, which no other process has, and
    refuses to pickle it.
    """
    for layer in network.modules():
        if parametrize.is_parametrized(layer):
            ForkingPickler.register(type(layer), _take_apart)


def _take_apart(layer: nn.Module) -> tuple[Any, ...]:
    return _put_together, (parametrize.type_before_parametrizations(layer), layer.__dict__)


def _put_together(kind: type[nn.Module], state: dict[str, Any]) -> nn.Module:
    lists = state["_modules"].pop("parametrizations")
    layer = kind.__new__(kind)
    layer.__dict__.update(state)
    for name in lists:
        # What stands in makes torch set the layer up; what was sent then takes its place.
        layer.register_parameter(name, nn.Parameter(torch.empty(0)))
        parametrize.register_parametrization(layer, name, nn.Identity(), unsafe=True)
    layer.register_module("parametrizations", lists)
    return layer
