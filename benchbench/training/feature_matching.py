"""Feature matching: what a discriminator sees in a made image is to be what it sees in a real one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from benchbench.architectures.patchgan import PatchDiscriminator
from benchbench.core.errors import OptionError
from benchbench.training.networks import unwrapped

Features = list[list[torch.Tensor]]
"""By scale and by layer."""


@contextmanager
def captured(discriminator: nn.Module) -> Iterator[Features]:
    """What the layers of a patch discriminator make, the last one left out, while the block is open.

    The list has one list per scale, the largest first; every call adds its layers at their ends.

    Raises:
        OptionError: it is made of no patch discriminators.
    """
    scales = [part for part in unwrapped(discriminator).modules() if isinstance(part, PatchDiscriminator)]
    if not scales:
        raise OptionError(
            "feature matching knows the layers of patch discriminators alone",
            expected="discriminator: multiscale_discriminator or patchgan_discriminator",
        )
    found: Features = [[] for _ in scales]
    handles = []
    for number, scale in enumerate(scales):

        def keep(layer: nn.Module, given: object, made: torch.Tensor, number: int = number) -> None:
            found[number].append(made)

        handles += [layer.register_forward_hook(keep) for layer in (scale.input, *scale.hidden)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def feature_matching(
    fake: Sequence[Sequence[torch.Tensor]], real: Sequence[Sequence[torch.Tensor]]
) -> torch.Tensor:
    """Mean absolute differences of features, summed over layers, their mean over scales: a scalar.

    Args:
        fake, real: by scale and by layer; `real` takes no gradients.

    Source: Wang et al. 2018 (pix2pixHD), eq. 4: 1/N_i times the L1 norm of layer i; the mean over scales
    is that of the code of pix2pixHD and of Park et al. 2019.
    """
    per_scale = [
        torch.stack(
            [
                (mine.float() - other.detach().float()).abs().mean()
                for mine, other in zip(ours, theirs, strict=True)
            ]
        ).sum()
        for ours, theirs in zip(fake, real, strict=True)
    ]
    return torch.stack(per_scale).mean()
