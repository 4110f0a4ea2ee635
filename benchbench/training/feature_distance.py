"""Distance of two pictures as a fixed network sees them, for generators to make smaller."""

from __future__ import annotations

import torch
from torch import nn

from benchbench.quality.vgg_weights import VggOptions, load_vgg

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)


class FeatureDistance(nn.Module):
    """Weighted mean absolute differences of VGG-19 features; keep it out of a task's `networks`.

    Source: Wang et al. 2018 (pix2pixHD), section 3.2, with the layers and weights of its code. That gives the
    network pixels in -1..1; here they are standardised, as those that VGG was trained on.

    Args:
        options: the weights of the VGG-19.

    Raises:
        CheckpointError: weights that were asked for are not here.
    """

    def __init__(self, options: VggOptions) -> None:
        super().__init__()
        self.features = load_vgg(LAYERS, options, depth=19)

    def forward(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Pictures [N, 3, H, W] in 0..1 -> a scalar; `real` takes no gradients."""
        with torch.no_grad():
            wanted = self.features(real)
        found = self.features(made)
        terms = [
            weight * (found[layer] - wanted[layer]).abs().mean()
            for layer, weight in zip(LAYERS, WEIGHTS, strict=True)
        ]
        return torch.stack(terms).sum()
