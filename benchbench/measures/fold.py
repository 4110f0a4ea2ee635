"""Weights that a norm computes anew at every call, replaced by what it computes: as a network is deployed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

# Classes of torch.nn.utils.parametrizations, which has no public name for them.
_KINDS = {"_SpectralNorm": "spectral norm", "_WeightNorm": "weight norm"}


def find_foldable(module: nn.Module) -> Mapping[str, str]:
    """Path of each weight under spectral or weight norm -> which of them.

    Both of torch's forms are found: parametrizations, and the older hooks. A layer with a further
    parametrization of another kind is left out.
    """
    found: dict[str, str] = {}
    for path, part in module.named_modules():
        prefix = f"{path}." if path else ""
        if parametrize.is_parametrized(part):
            kinds = {name: _kind_of(table) for name, table in _tables(part).items()}
            if all(kinds.values()):
                found |= {f"{prefix}{name}": str(kind) for name, kind in kinds.items()}
        found |= {f"{prefix}{hook.name}": kind for hook, kind in _hooks(part)}
    return found


def fold_parametrizations(module: nn.Module) -> tuple[str, ...]:
    """Make plain parameters of the weights that `find_foldable` names, in place, and set eval mode.

    In eval mode both norms are functions of the weights alone, so outputs stay as they were.

    Returns:
        The paths of the weights.
    """
    paths = tuple(find_foldable(module))
    module.eval()
    parts = {path.rpartition(".")[0] for path in paths}
    for path in parts:
        part = module.get_submodule(path)
        with torch.no_grad():
            for hook, kind in _hooks(part):
                remove = (
                    torch.nn.utils.remove_spectral_norm if kind == "spectral norm" else _remove_weight_norm
                )
                remove(part, hook.name)
            if parametrize.is_parametrized(part):
                _unparametrize(part)
    return paths


def share_weights(module: nn.Module) -> nn.Module:
    """A copy of `module` that holds the same tensors, so that layers of it can be exchanged.

    Raises:
        Exception: whatever a part raises that cannot be copied.
    """
    own = [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    tensors = (*module.parameters(), *module.buffers(), *own)
    return copy.deepcopy(module, {id(each): each for each in tensors})


def _tables(part: nn.Module) -> Mapping[str, nn.Module]:
    return dict(cast(nn.ModuleDict, part.parametrizations).items())


def _kind_of(table: nn.Module) -> str | None:
    kinds = [_KINDS.get(type(each).__name__) for each in cast(nn.ModuleList, table)]
    return " and ".join(str(kind) for kind in kinds) if all(kinds) else None


def _hooks(part: nn.Module) -> list[tuple[Any, str]]:
    hooks: list[Any] = list(part._forward_pre_hooks.values())
    kinds = {SpectralNorm: "spectral norm", WeightNorm: "weight norm"}
    return [(hook, kinds[type(hook)]) for hook in hooks if type(hook) in kinds]


def _remove_weight_norm(part: nn.Module, name: str) -> None:
    torch.nn.utils.remove_weight_norm(part, name)


def _unparametrize(part: nn.Module) -> None:
    # torch's remove_parametrizations writes into the original weight and into the class, and a copy
    # shares both with what it was copied from.
    weights: dict[str, Tensor] = {}
    for name, table in _tables(part).items():
        table.eval()
        weights[name] = getattr(part, name).detach().clone()
    del part.parametrizations
    part.__class__ = type(part).__bases__[0]
    for name, weight in weights.items():
        part.register_parameter(name, nn.Parameter(weight))
