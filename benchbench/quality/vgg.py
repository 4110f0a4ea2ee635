"""The convolutional part of VGG-16 and VGG-19 as a feature extractor, in plain torch.

Source: Simonyan and Zisserman 2015, configurations D and E; parameter names as in torchvision, whose
`vgg16-397923af.pth` and `vgg19-dcbb9e9d.pth` load unchanged. Random weights: Ustyuzhaninov et al. 2016 and
He et al. 2016 synthesise textures with them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import nn

from benchbench.core.errors import OptionError

Depth = Literal[16, 19]
# Convolutions per block; a block ends in a pooling. Channels are multiples of the first block's.
_COUNTS: Mapping[Depth, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_FACTORS = (1, 2, 4, 8, 8)
# The names of all layers, in order.
LAYERS: Mapping[Depth, tuple[str, ...]] = {
    depth: tuple(
        f"relu{block}_{place}" for block, count in enumerate(counts, 1) for place in range(1, count + 1)
    )
    for depth, counts in _COUNTS.items()
}

# Statistics of ImageNet that VGG was trained with; inputs in 0..1 are standardised by them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# A standard normal through a ReLU has variance (1 - 1/pi) / 2.
_RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
# Neighbouring pixels of photographs correlate at some 0.95, so that a filter without a mean passes
# about a sixteenth of the variance.
_EDGE_GAIN = 4.0

Pool = Literal["max", "average"]


def convolutions(depth: Depth) -> tuple[int, ...]:
    """Where the convolutions stand in torchvision's `features`: 0, 2, 5, ..."""
    places, index = [], 0
    for count in _COUNTS[depth]:
        places += [index + 2 * place for place in range(count)]
        index += 2 * count + 1
    return tuple(places)


class VggFeatures(nn.Module):
    """The named ReLU outputs of a VGG, up to the deepest one asked for.

    Args:
        layers: names such as `relu2_2`.
        depth: 16 or 19.
        width: channels of the first block; 64 is VGG.
        pool: `max` as trained, or `average` (Gatys et al. 2016 found it smoother).
        label: what tables call it, the kind of weights included.

    Raises:
        OptionError: an unknown layer.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self, layers: Sequence[str], *, label: str, depth: Depth = 16, width: int = 64, pool: Pool = "max"
    ) -> None:
        super().__init__()
        known = LAYERS[depth]
        for layer in layers:
            if layer not in known:
                raise OptionError(
                    f"unknown VGG-{depth} layer '{layer}'", expected=f"one of {', '.join(known)}"
                )
        self.label = label
        self._taps: dict[str, int] = {}
        modules: list[nn.Module] = []
        deepest = max((known.index(layer) for layer in layers), default=-1)
        channels, index = 3, 0
        for block, (count, factor) in enumerate(zip(_COUNTS[depth], _FACTORS, strict=True), 1):
            for place in range(1, count + 1):
                if index <= deepest:
                    modules += [nn.Conv2d(channels, width * factor, 3, padding=1), nn.ReLU()]
                    self._taps[f"relu{block}_{place}"] = len(modules) - 1
                    channels = width * factor
                index += 1
            modules.append(nn.MaxPool2d(2) if pool == "max" else nn.AvgPool2d(2))
        # The name and the numbering are torchvision's, pools included.
        self.features = nn.Sequential(*modules[: max(self._taps.values(), default=-1) + 1])
        self._wanted = {self._taps[layer]: layer for layer in layers}
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """Images [N, 3, H, W] in 0..1 -> layer name -> [N, C, H', W']."""
        found = {}
        x = (images - self.mean) / self.std
        for index, module in enumerate(self.features):
            x = module(x)
            if index in self._wanted:
                found[self._wanted[index]] = x
        return found

    def randomise(self, seed: int) -> VggFeatures:
        """Random weights that keep the features' scale from layer to layer; biases zero.

        From the second layer on each normal filter's mean is taken off and its gain is
        sqrt(2 / (1 - 1/pi)), so that the positive mean of ReLU outputs does not pile up and drown
        the differences between pictures (Brock et al. 2021, signal propagation). In the first
        layer a quarter of the filters sees flat colour and the rest edges alone, as in trained
        networks; that split and its gain are our choice. Drawn from a generator of its own: the
        same whatever the cell's seed.
        """
        generator = torch.Generator().manual_seed(seed)
        convolutions = [module for module in self.features if isinstance(module, nn.Conv2d)]
        with torch.no_grad():
            for index, module in enumerate(convolutions):
                weight = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
                fan_in = weight[0].numel()
                if index == 0:
                    edges = weight[math.ceil(weight.shape[0] / 4) :]
                    edges.sub_(edges.mean(dim=(2, 3), keepdim=True)).mul_(_EDGE_GAIN)
                else:
                    weight = (weight - weight.mean(dim=(1, 2, 3), keepdim=True)) * _RELU_GAIN
                # On a grid that float32 holds exactly: processors differ in the last bits of a draw.
                module.weight.copy_((weight / fan_in**0.5 * 2**20).round() / 2**20)
                if module.bias is not None:
                    module.bias.zero_()
        return self
