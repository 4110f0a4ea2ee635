"""Perceptual losses: content, style and total variation on features of a fixed network.

Sources: Gatys, Ecker and Bethge 2016 (Gram matrices); Johnson, Alahi and Fei-Fei 2016 (the
normalisation used here, and a feed-forward network trained on it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from benchbench.core.model import Options
from benchbench.quality.vgg import VggFeatures
from benchbench.quality.vgg_weights import VggOptions

Weight = Annotated[float, Field(ge=0)]


class LossOptions(Options):
    """What the perceptual loss is made of; shared by the recipe and the measure.

    Attributes:
        style: the style picture: a built-in photograph's name, or a path.
        style_size: it is made a square of this side, pixels.
        content_weight, style_weight, tv_weight: factors of the three terms.
        content_layer: one VGG-16 layer.
        style_layers: VGG-16 layers; their terms are summed.
        features: the weights of the VGG-16.
    """

    style: str = "coffee"
    style_size: Annotated[int, Field(ge=16, le=2048)] = 256
    content_weight: Weight = 1.0
    style_weight: Weight = 5.0
    tv_weight: Weight = 1.0
    content_layer: str = "relu2_2"
    style_layers: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "relu1_2",
        "relu2_2",
        "relu3_3",
        "relu4_3",
    )
    features: VggOptions = VggOptions()


def gram_matrix(features: torch.Tensor) -> torch.Tensor:
    """Features [N, C, H, W] -> [N, C, C]: inner products of channels, divided by C * H * W.

    Source: Johnson et al. 2016, section 3.2.
    """
    n, c, h, w = features.shape
    flat = features.reshape(n, c, h * w)
    return torch.bmm(flat, flat.transpose(1, 2)) / (c * h * w)


def content_loss(output: torch.Tensor, content: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of features [N, C, H, W] -> one per image, [N].

    Source: Johnson et al. 2016, feature reconstruction loss (squared distance / (C * H * W)).
    """
    return (output - content).square().mean(dim=(1, 2, 3))


def style_loss(output: torch.Tensor, style_gram: torch.Tensor) -> torch.Tensor:
    """Squared Frobenius distance of Gram matrices -> one per image, [N].

    Args:
        output: features [N, C, H, W].
        style_gram: [C, C], of the style picture, at any size of it.

    Source: Johnson et al. 2016, style reconstruction loss.
    """
    return (gram_matrix(output) - style_gram).square().sum(dim=(1, 2))


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of neighbours, across plus down: [N, C, H, W] -> [N].

    Johnson et al. 2016 sum it; the mean does not depend on the size.
    """
    across = (images[..., :, 1:] - images[..., :, :-1]).square().mean(dim=(1, 2, 3))
    down = (images[..., 1:, :] - images[..., :-1, :]).square().mean(dim=(1, 2, 3))
    return across + down


@dataclass(frozen=True, slots=True)
class LossTerms:
    """The weighted terms, one value per image, [N] each."""

    content: torch.Tensor
    style: torch.Tensor
    tv: torch.Tensor

    @property
    def total(self) -> torch.Tensor:
        """Their sum, [N]."""
        return self.content + self.style + self.tv


class PerceptualLoss(nn.Module):
    """Content, style and total-variation loss against one style picture.

    Args:
        features: a frozen extractor that gives the content layer and every style layer.
        style: the style picture, float [3, H, W] in 0..1.
        options: layers and weights.
    """

    def __init__(self, features: VggFeatures, style: torch.Tensor, options: LossOptions) -> None:
        super().__init__()
        self.features = features
        self.options = options
        with torch.no_grad():
            found: Mapping[str, torch.Tensor] = features(style.unsqueeze(0))
        for layer in options.style_layers:
            self.register_buffer(f"gram_{layer}", gram_matrix(found[layer])[0])

    def forward(self, output: torch.Tensor, content: torch.Tensor) -> LossTerms:
        """The weighted terms of `output` against `content`, both float [N, 3, H, W] in 0..1."""
        options = self.options
        with torch.no_grad():
            wanted = self.features(content)[options.content_layer]
        found = self.features(output)
        style = [style_loss(found[layer], self.get_buffer(f"gram_{layer}")) for layer in options.style_layers]
        return LossTerms(
            content=options.content_weight * content_loss(found[options.content_layer], wanted),
            style=options.style_weight * torch.stack(style).sum(dim=0),
            tv=options.tv_weight * total_variation(output),
        )


def loss_layers(options: LossOptions) -> tuple[str, ...]:
    """Every layer the loss needs, once."""
    return tuple(dict.fromkeys((options.content_layer, *options.style_layers)))
