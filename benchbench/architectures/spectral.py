"""Spectral norm (Miyato et al. 2018) as torch has it, quick to set up on the meta device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor, nn
from torch.nn.utils import parametrizations

LayerT = TypeVar("LayerT", bound=nn.Module)


def spectral_norm(layer: LayerT) -> LayerT:
    """`layer` with its weight divided by the largest singular value, by `torch.nn.utils.parametrizations`."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    with _without_power_iterations(skip=weight.is_meta):
        parametrizations.spectral_norm(layer)
    return layer


@contextmanager
def _without_power_iterations(*, skip: bool) -> Iterator[None]:
    # On meta the fifteen iterations at the start compute nothing, and take most of the time of a build.
    norm = getattr(parametrizations, "_SpectralNorm", None)
    whole = getattr(norm, "_power_method", None)
    if not skip or norm is None or whole is None:
        yield
        return
    norm._power_method = lambda self, weight, iterations: None
    try:
        yield
    finally:
        norm._power_method = whole
