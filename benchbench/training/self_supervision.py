"""What a discriminator may learn of real images beside telling them from made ones (Liu et al. 2021).

The paper compares contrastive learning (a), the prediction of the aspect ratio (b) and auto-encoding (c: its
decoders, see training/decoding.py), and no code of the first two was released. *Inferred*: both read the
features that the large image's head and decoder read, and both look at one more view of each real image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from benchbench.core.errors import OptionError
from benchbench.training.networks import unwrapped

SelfSupervision = Literal["none", "contrastive", "aspect_ratio", "auto_encoding", "a+b", "a+b+c"]

_PARTS: Mapping[SelfSupervision, frozenset[str]] = {
    "none": frozenset(),
    "contrastive": frozenset({"contrastive"}),
    "aspect_ratio": frozenset({"aspect_ratio"}),
    "auto_encoding": frozenset({"auto_encoding"}),
    "a+b": frozenset({"contrastive", "aspect_ratio"}),
    "a+b+c": frozenset({"contrastive", "aspect_ratio", "auto_encoding"}),
}
_PROJECTED = 128
# Sides of at most 2 to 1.
_LARGEST_RATIO = 2.0


def projection(channels: int) -> nn.Module:
    """Features [N, channels, h, w] to what contrastive learning compares, [N, 128].

    Source: Chen et al. 2020, section 2.1.
    """
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, channels),
        nn.ReLU(),
        nn.Linear(channels, _PROJECTED),
    )


def ratio_head(channels: int) -> nn.Module:
    """Features [N, channels, h, w] to the logarithm of an aspect ratio, [N, 1]."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1))


def contrastive(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of finding an image's other view among all views of the batch, a scalar.

    Args:
        first, second: [N, D], two views of the same N images; N of this process.
        temperature: what cosines are divided by.

    Source: NT-Xent, Chen et al. 2020, eq. 1.
    """
    views = F.normalize(torch.cat([first, second]).float(), dim=1)
    count = len(first)
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    likeness = (views @ views.T / temperature).masked_fill(itself, -math.inf)
    other = torch.arange(2 * count, device=views.device).roll(count)
    return F.cross_entropy(likeness, other)


def stretched(images: torch.Tensor, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rectangles of square images, stretched to squares again, and what their ratios were.

    *Inferred*: data are square when they come, and do not say what ratio a photograph had before; so the
    ratio that is to be told is drawn.

    Args:
        images: [N, C, S, S].
        numbers: [N, 2] in 0..1: ratio and place of the rectangle.

    Returns:
        The images [N, C, S, S], and log(width / height) [N] within -log 2..log 2.
    """
    ratios = (numbers[:, 0] * 2 - 1) * math.log(_LARGEST_RATIO)
    width, height = ratios.clamp(max=0).exp(), (-ratios).clamp(max=0).exp()
    place = numbers[:, 1] * 2 - 1
    zeros = torch.zeros_like(ratios)
    # Where the rectangle fills the square, (1 - side) leaves no room to move.
    across = torch.stack([width, zeros, place * (1 - width)], dim=1)
    down = torch.stack([zeros, height, place * (1 - height)], dim=1)
    where = F.affine_grid(torch.stack([across, down], dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, where, padding_mode="border", align_corners=False), ratios


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[torch.Tensor]]:
    """What a layer is given while the block runs, call by call."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        yield seen
    finally:
        handle.remove()


def choose_parts(discriminator: nn.Module, wanted: SelfSupervision | None) -> frozenset[str]:
    """What the discriminator learns of real images.

    Raises:
        OptionError: auto-encoding is wanted, and there are no decoders.
    """
    decoders = decoders_of(discriminator)
    if wanted is None:
        return _PARTS["none" if decoders is None else "auto_encoding"]
    if "auto_encoding" in _PARTS[wanted] and decoders is None:
        raise OptionError(
            f"self_supervision: {wanted} rebuilds images, and the discriminator has no decoders",
            expected="a fastgan_discriminator with decoders",
            fix="decoders: true of the discriminator, or another self_supervision",
        )
    return _PARTS[wanted]


def decoders_of(discriminator: nn.Module) -> nn.Module | None:
    """The decoders of a discriminator that has them."""
    decoders = getattr(unwrapped(discriminator), "decoders", None)
    return decoders if isinstance(decoders, nn.ModuleDict) and len(decoders) else None


def feature_reader(discriminator: nn.Module) -> nn.Module:
    """The layer whose input is what the large image's head and decoder read.

    Raises:
        OptionError: a discriminator of another kind.
    """
    heads = getattr(unwrapped(discriminator), "heads", None)
    if not isinstance(heads, nn.ModuleDict) or "large" not in heads:
        raise OptionError(
            f"self_supervision: features of a {type(unwrapped(discriminator)).__name__} are not known",
            expected="a fastgan_discriminator, for contrastive, aspect_ratio, a+b and a+b+c",
        )
    return heads["large"]
