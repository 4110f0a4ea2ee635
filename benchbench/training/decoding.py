"""What the decoders of FastGAN's discriminator are trained to rebuild (Liu et al. 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch.nn import functional as F

from benchbench.quality.lpips_weights import LpipsOptions, Net, load_lpips

Distance = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class VggLpips(LpipsOptions):
    """LPIPS as the released code has it: of VGG-16."""

    net: Net = "vgg"


def open_distance(kind: Literal["l1", "lpips"], lpips: LpipsOptions, device: torch.device) -> Distance:
    """The mean over a batch of how far images are apart: [N, 3, S, S] in -1..1 twice -> a scalar.

    Raises:
        CheckpointError: weights of LPIPS that were asked for are not here.
        DependencyError: LPIPS is not installed.
    """
    if kind == "l1":
        return F.l1_loss
    network = load_lpips(lpips, device=str(device)).network
    return lambda made, real: network(made.float(), real.float()).mean()


def rebuilding(
    distance: Distance,
    real: torch.Tensor,
    rebuilt: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    part: int,
) -> torch.Tensor:
    """Reconstruction loss of the large image, the small one and a quarter, a scalar: their sum.

    Args:
        distance: from `open_distance`.
        real: [N, 3, H, W], what the discriminator saw.
        rebuilt: by its decoders.
        part: the quarter.
    """
    large, small, quarter = rebuilt
    pairs = ((large, real), (small, real), (quarter, quarter_of(real, part)))
    return torch.stack([distance(made, resized(image, made.shape[-1])) for made, image in pairs]).sum()


def resized(images: torch.Tensor, size: int) -> torch.Tensor:
    """[N, C, H, W] -> [N, C, size, size] by nearest neighbour, as the released code."""
    return F.interpolate(images, size=(size, size), mode="nearest")


def quarter_of(images: torch.Tensor, part: int) -> torch.Tensor:
    """A quarter of images [N, C, H, W]: top left, top right, bottom left, bottom right."""
    row, column = divmod(part, 2)
    return images.chunk(2, dim=2)[row].chunk(2, dim=3)[column]
