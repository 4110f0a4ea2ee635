"""A generator of two images and a discriminator that takes them, without batch norm, of 16 x 16."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from torch import nn
from translation_toys import Toy, make, splits

from benchbench.core.contracts import InputSpec
from benchbench.training.fastgan import recipe
from benchbench.training.job import Opponents
from benchbench.training.loop import train

LATENT = 4


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.large = nn.Sequential(nn.Linear(LATENT, 3 * 16 * 16), nn.Tanh(), nn.Unflatten(1, (3, 16, 16)))
        self.small = nn.Conv2d(3, 3, 3, stride=2, padding=1)

    def forward(self, z, *, images="image"):
        large = self.large(z)
        return large if images == "image" else (large, self.small(large).tanh())


class Discriminator(nn.Module):
    def __init__(self, decoders=True):
        super().__init__()
        self.encoder = nn.ModuleDict({name: nn.Conv2d(3, 6, 4, 4) for name in ("large", "small")})
        self.heads = nn.ModuleDict({name: nn.Conv2d(6, 1, 1, bias=False) for name in ("large", "small")})
        self.decoders = nn.ModuleDict()
        if decoders:
            self.decoders.update({name: nn.Conv2d(6, 3, 1) for name in ("large", "small", "part")})

    def forward(self, image, small, *, part=None):
        x, y = self.encoder["large"](image).tanh(), self.encoder["small"](small).tanh()
        logits = torch.cat([self.heads["large"](x).flatten(1), self.heads["small"](y).flatten(1)], 1)
        if part is None:
            return logits
        quarter = x.chunk(2, 2)[part // 2].chunk(2, 3)[part % 2]
        decoded = zip(self.decoders.values(), (x, y, quarter), strict=True)
        return logits, tuple(decoder(each).tanh() for decoder, each in decoded)


class FastGanToy(Toy):
    inputs = (InputSpec(shape=(1, LATENT)),)

    def context(self, **given: object):
        return super().context(**{"inputs": self.inputs, **given})

    def run(self, folder: Path, **given: object):
        networks = {role: self.build(role, 0) for role in ("generator", "discriminator")}
        outcome = train(
            networks["generator"], recipe=self.recipe, options=self.parse(**given), images=self.images,
            seed=3, folder=folder, name="a", say=str,
            beside=Opponents(inputs=self.inputs, discriminator=networks["discriminator"]),
        )  # fmt: skip
        return outcome, networks


def toy(*, decoders: bool = True, **options: object) -> FastGanToy:
    return FastGanToy(recipe, Generator, partial(Discriminator, decoders), splits(), options)


class RealToy(FastGanToy):
    inputs = (InputSpec(shape=(1, 8)),)


def real(*, decoders: bool = True, skip: bool = True, **options: object) -> RealToy:
    """The paper's networks at their smallest."""
    return RealToy(
        recipe,
        make("fastgan", width=8, latent=8, skip=skip),
        make("fastgan_discriminator", width=8, decoders=decoders, skip=skip),
        splits(256, 256),
        options,
    )
