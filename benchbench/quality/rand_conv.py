"""Random convolutions, seeded: the embedded default, which needs no pretrained weights.

Five levels of 3x3 convolutions with halvings between them. Of the three fine ones the mean and the
deviation of every response over the picture are kept, which see noise, blur and colour; of the two coarse
ones the means of the four quarters, which see layout, and the deviation.

Sources: Naeem et al. 2020, section 3.3 and Lee et al. 2022 (random features to judge generators by, without
the bias of a pretraining task); Ustyuzhaninov et al. 2016 (one layer of random filters holds a texture).
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.nn import functional as F

from benchbench.core.features import Extracted, Extractor, FeatureContext, Features
from benchbench.core.model import OneOrMore, Options
from benchbench.core.precise import full_precision
from benchbench.quality.weights import tensors_hash

VERSION = 1
"""Raised with every change that moves a feature."""

LEVELS = 5
_FINE = 3
PER_CHANNEL = 2 * _FINE + 5 * (LEVELS - _FINE)
"""Features per channel of a level: all levels have the same number of channels."""

FEWEST_DIMENSIONS = 64
"""With fewer there are too few filters: some of them never respond."""

FEWEST_SEEDS = 3

# A standard normal through a ReLU has variance (1 - 1/pi) / 2.
_RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
# Neighbouring pixels of photographs correlate at some 0.95: filters without a mean pass a sixteenth.
_EDGE_GAIN = 4.0
# Small, but not nothing: without biases a picture of half the contrast has the same features, halved.
_BIAS = 0.25
# (centre, deviation) of each kind of feature, in order, on photographs at side 64 and rounded: what makes
# features about zero and one. They are constants of the extractor and never fitted to what is judged.
_CENTRES = (
    (0.4, 0.17), (0.55, 0.27),
    (0.4, 0.2), (0.45, 0.24),
    (0.3, 0.16), (0.3, 0.17),
    (0.3, 0.21), (0.225, 0.14),
    (0.275, 0.24), (0.15, 0.11),
)  # fmt: skip


class RandConvOptions(Options):
    """Options of the random convolutions.

    Attributes:
        dimensions: of a feature vector. As many images are needed as it has dimensions.
        seeds: one extractor each, three at least; a score is their mean.
        side: pictures are resized to it, pixels.
    """

    dimensions: Annotated[int, Field(ge=FEWEST_DIMENSIONS, le=512, multiple_of=PER_CHANNEL)] = 512
    seeds: OneOrMore[Annotated[int, Field(ge=0, lt=2**31)]] = (0, 1, 2)
    side: Annotated[int, Field(ge=32, le=256)] = 64

    @model_validator(mode="after")
    def _seeds_differ(self) -> RandConvOptions:
        if len(set(self.seeds)) != len(self.seeds) or len(self.seeds) < FEWEST_SEEDS:
            raise ValueError(
                f"'seeds' {list(self.seeds)}: {FEWEST_SEEDS} different ones are needed at least, because the "
                "choice of the filters must not decide a comparison"
            )
        return self


class RandomFilters(nn.Module):
    """One seed's network.

    Weights are normal, on a grid that float32 holds exactly, because processors differ in the last bits
    of a draw. In the first layer a quarter of the filters sees flat colour and the others edges alone; later
    filters have no mean, so that the positive mean of ReLU outputs does not pile up and drown the
    differences between pictures (Brock et al. 2021, signal propagation; quality/vgg.py does the same).

    Args:
        dimensions: a multiple of `PER_CHANNEL`.
        seed: of the weights.
    """

    centre: torch.Tensor
    scale: torch.Tensor

    def __init__(self, dimensions: int, *, seed: int) -> None:
        super().__init__()
        channels = dimensions // PER_CHANNEL
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64)

        self.layers = nn.ModuleList()
        for level in range(LEVELS):
            # Torch's own generator is left alone.
            layer = nn.Conv2d(channels if level else 3, channels, 3, device="meta").to_empty(device="cpu")
            weight = drawn(*layer.weight.shape)
            if level == 0:
                edges = weight[math.ceil(channels / 4) :]
                edges.sub_(edges.mean(dim=(2, 3), keepdim=True)).mul_(_EDGE_GAIN)
            else:
                weight = (weight - weight.mean(dim=(1, 2, 3), keepdim=True)) * _RELU_GAIN
            layer.load_state_dict(
                {
                    "weight": _on_grid(weight / weight[0].numel() ** 0.5),
                    "bias": _on_grid(drawn(channels) * _BIAS),
                }
            )
            self.layers.append(layer)
        sizes = torch.tensor([channels, channels] * _FINE + [4 * channels, channels] * (LEVELS - _FINE))
        table = torch.tensor(_CENTRES).repeat_interleave(sizes, dim=0)
        self.register_buffer("centre", table[:, 0])
        self.register_buffer("scale", table[:, 1])
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, side, side] in 0..255 -> float32 [N, dimensions], about zero and one.

        asinh is linear about zero and a logarithm far out: a few pictures of enormous contrast would
        otherwise make up the whole covariance, and the kernel's third power still more.
        """
        x = (images / 64 - 2).contiguous(memory_format=torch.channels_last)
        found = []
        for level, layer in enumerate(self.layers):
            if level:
                x = F.avg_pool2d(x, 2)
            x = F.relu_(layer(F.pad(x, (1, 1, 1, 1), mode="replicate")))
            mean = x.mean(dim=(2, 3))
            # std_mean of torch 2.13 takes ten times as long on a CPU.
            deviation = (x - mean[:, :, None, None]).square_().mean(dim=(2, 3)).sqrt_()
            found += [mean if level < _FINE else F.adaptive_avg_pool2d(x, 2).flatten(1), deviation]
        return ((torch.cat(found, dim=1) - self.centre) / self.scale).asinh()


def _on_grid(values: torch.Tensor) -> torch.Tensor:
    return (values * 2**20).round() / 2**20


def load_rand_conv(options: RandConvOptions, context: FeatureContext) -> Extractor:
    """The extractor, one member per seed; its distances mislead below `dimensions` images."""
    members = nn.ModuleList([RandomFilters(options.dimensions, seed=seed) for seed in options.seeds])
    weights_hash = tensors_hash(members.state_dict())
    members.to(context.device)

    def run(images: torch.Tensor) -> Extracted:
        with torch.inference_mode(), full_precision():
            return Extracted(torch.stack([member(images) for member in members], dim=1))

    return Extractor(
        label=f"rand-conv-{options.dimensions}",
        weights_hash=weights_hash,
        side=options.side,
        dimensions=options.dimensions,
        run=run,
        members=len(options.seeds),
        fewest_images=options.dimensions,
        settings={"version": VERSION, "seeds": list(options.seeds), "range": "0..255"},
        device=context.device,
    )


features = Features(options=RandConvOptions, load=load_rand_conv)
