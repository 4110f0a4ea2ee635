"""VGGs laid out as torchvision's, and small files of their weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

# Configurations D and E: channels of convolutions, None where a pooling stands.
VGG16 = (64, 64, None, 128, 128, None, 256, 256, 256, None, 512, 512, 512, None, 512, 512, 512)
VGG19 = (64, 64, None, 128, 128, None, *[256] * 4, None, *[512] * 4, None, *[512] * 4)


def build(configuration: tuple[int | None, ...]) -> nn.Sequential:
    """The layers in their order; weights repeat over input channels, and so take little room."""
    generator, channels, layers = torch.Generator().manual_seed(0), 3, []
    for width in configuration:
        if width is None:
            layers.append(nn.MaxPool2d(2))
            continue
        layer = nn.Conv2d(channels, width, 3, padding=1, device="meta")
        filters = torch.randn(width, 1, 3, 3, generator=generator) / channels
        layer.weight = nn.Parameter(filters.expand(-1, channels, -1, -1))
        layer.bias = nn.Parameter(torch.randn(width, generator=generator) / 10)
        layers += [layer, nn.ReLU()]
        channels = width
    return nn.Sequential(*layers).requires_grad_(requires_grad=False)


def write(network: nn.Sequential, path: Path) -> Path:
    torch.save({f"features.{name}": value for name, value in network.state_dict().items()}, path)
    return path


def standardise(images: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    return (images - mean) / std
