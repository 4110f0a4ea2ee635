"""Image-to-image trainings small enough for tests: what is made is the negative of what is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from benchbench.core.examples import Batch, Splits
from benchbench.core.model import parse_options
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.training import Recipe, Role, TrainingContext
from benchbench.training import cyclegan as cyclegan_recipe
from benchbench.training import pix2pix as pix2pix_recipe
from benchbench.training import spade as spade_recipe
from benchbench.training import stargan as stargan_recipe
from benchbench.training.batches import Batches
from benchbench.training.job import Opponents
from benchbench.training.loop import TrainingOutcome, train

DOMAINS, LABELS = 3, 4


@dataclass
class Examples:
    """Blocks of colour with everything that a recipe may ask for; `input` is the negative."""

    count: int
    height: int = 16
    width: int = 16
    first: int = 0
    attributes: str = "one"
    inputs: None = None
    fields: tuple[str, ...] = ("image", "input", "layout", "attributes", "target")

    @property
    def names(self):
        return tuple(f"picture {index}" for index in range(self.count))

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        seen = torch.Generator().manual_seed(self.first + index)
        blocks = torch.randint(0, 256, (3, 4, 4), generator=seen, dtype=torch.uint8)
        return blocks.repeat_interleave(self.height // 4, 1).repeat_interleave(self.width // 4, 2)

    def example(self, index: int, draw: int) -> Batch:
        image = self[index]
        labels = (image[0].long() * LABELS) // 256
        several = torch.tensor([index % 2, 1, 0]).float()
        return {
            "image": image,
            "input": 255 - image,
            "layout": labels == torch.arange(LABELS).view(-1, 1, 1),
            "attributes": torch.eye(DOMAINS)[index % DOMAINS] if self.attributes == "one" else several,
            "target": torch.eye(DOMAINS)[(index + draw) % DOMAINS],
        }


def splits(height: int = 16, width: int = 16, **given: str) -> Splits:
    sets = (Examples(count, height, width, first, **given) for count, first in ((8, 0), (2, 100), (3, 200)))
    return Splits(*sets, digest="toy")


@dataclass
class Toy:
    """A recipe with the networks and data that it is tried on."""

    recipe: Recipe
    generator: Callable[[], nn.Module]
    discriminator: Callable[[], nn.Module]
    images: Splits
    options: dict[str, object] = field(default_factory=dict)

    def build(self, role: Role, number: int) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(number)
            return self.generator() if role == "generator" else self.discriminator()

    def parse(self, **given: object):
        return parse_options(
            "recipe", "toy", self.recipe.options,
            {"steps": 6, "batch": 2, "device": "cpu", "samples": 2, **self.options, **given},
        )  # fmt: skip

    def context(self, **given: object) -> TrainingContext:
        parts = {
            "module": self.build("generator", 0),
            "images": self.images,
            "seed": 3,
            "device": torch.device("cpu"),
            "discriminator": self.build("discriminator", 0),
            "another": self.build,
        }
        return TrainingContext(**{**parts, **given})

    def task(self, **given: object):
        return self.recipe.task(self.context(), self.parse(**given))

    def batch(self, step: int) -> Batch:
        return Batches(self.images.train, size=2, seed=3).load(step)

    def run(self, folder: Path, **given: object) -> tuple[TrainingOutcome, dict[str, nn.Module]]:
        networks = {role: self.build(role, 0) for role in ("generator", "discriminator")}
        outcome = train(
            networks["generator"],
            recipe=self.recipe,
            options=self.parse(**given),
            images=self.images,
            seed=3,
            folder=folder,
            name="a",
            beside=Opponents(discriminator=networks["discriminator"], another=self.build),
            say=str,
        )
        return outcome, networks


def make(name: str, **options: object) -> Callable[[], nn.Module]:
    """A network by its registered name; other processes can be sent it."""
    return partial(_make, name, options)


def _make(name: str, options: dict[str, object]) -> nn.Module:
    architecture = ARCHITECTURES.load(name)
    return architecture.build(parse_options("architecture", name, architecture.options, options))


def patches(channels: int) -> Callable[[], nn.Module]:
    return make("patchgan_discriminator", channels=channels, width=4, layers=1, size=16)


def resnet() -> Callable[[], nn.Module]:
    return make("resnet_generator", width=4, blocks=1)


def toys() -> dict[str, Toy]:
    """By the recipe's name."""
    return {
        "pix2pix": Toy(
            pix2pix_recipe.recipe,
            make("unet_generator", width=4, downsamplings=2, size=16),
            patches(6),
            splits(),
        ),
        "cyclegan": Toy(cyclegan_recipe.recipe, resnet(), patches(3), splits(), {"pool": 3}),
        "spade": Toy(
            spade_recipe.recipe,
            make("spade_generator", width=2, labels=LABELS, hidden=4, upsampling="normal", height=32),
            make("multiscale_discriminator", channels=LABELS + 3, width=4, layers=2, height=32),
            splits(32, 64),
            {"features": {"width": 2}},
        ),
        "stargan": Toy(
            stargan_recipe.recipe,
            make("stargan", size=16, domains=DOMAINS, width=4, blocks=1),
            make("stargan_discriminator", size=16, domains=DOMAINS, width=4, layers=2),
            splits(),
            {"critic_steps": 2},
        ),
    }
