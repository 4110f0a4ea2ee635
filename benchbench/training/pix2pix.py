"""Recipe `pix2pix`: pictures made of others, learnt from pairs (Isola et al. 2017).

The discriminator sees input and image side by side; the generator is to fool it and to be near the
target (L1). Isola et al. 2017, "Image-to-image translation with conditional adversarial networks". GAN
Compression (Li et al. 2020) trains the same with `adversarial: hinge`, `batch: 4`, `epochs: 20` and
`decay_share: 0.75` (its released code).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn

from benchbench.core.examples import Batch
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.networks import frozen
from benchbench.training.optimizers import adam, decay_all
from benchbench.training.options import Count, LoopOptions
from benchbench.training.pixels import to_network, to_pictures
from benchbench.training.translated import load_examples, shown
from benchbench.training.trying import try_out


class Pix2PixOptions(LoopOptions):
    """Options of the recipe, with those of the loop.

    Attributes:
        batch: that of the paper's facades, maps and Cityscapes (appendix 6.2); its edges take 4.
        epochs: of the same; 15 for edges to shoes.
        adversarial: `bce` is the paper's (eq. 1).
        lr, beta_1, beta_2: Adam's, of both networks (section 3.3).
        l1_weight: of the distance to the target (section 4.2).
        decay_share: over how much of the training, at its end, the learning rate falls linearly to 0; the
            paper does not speak of it, and the authors' later code has 0.5.
    """

    batch: Count = 1
    epochs: Annotated[float, Field(gt=0)] | None = 200.0
    adversarial: Literal["bce", "lsgan", "hinge"] = "bce"
    lr: Annotated[float, Field(gt=0)] = 2e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    l1_weight: Annotated[float, Field(ge=0)] = 100.0
    decay_share: Annotated[float, Field(ge=0, le=1)] = 0.0


class Pix2PixTask:
    """The objective as the loop sees it. The terms are as they are before their weights."""

    def __init__(self, context: TrainingContext, options: Pix2PixOptions) -> None:
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": context.module,
            "discriminator": context.require_discriminator("pix2pix"),
        }
        self.kept: Mapping[str, nn.Module] = {}
        self.result = context.module
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            name: adam(network.parameters(), options, lr=options.lr)
            for name, network in self.networks.items()
        }
        self.schedulers = decay_all(
            self.optimizers, options, share=options.decay_share, images=len(context.images.train)
        )
        self._options, self._values, self._device = options, context.values, context.device
        self._validation, self._test = context.images.validation, context.images.test
        self._check(load_examples(context.images.train, [0], context.device))

    def _check(self, example: Batch) -> None:
        given, real = (to_network(example[name], self._values) for name in ("input", "image"))
        try_out(
            self.networks["generator"],
            given,
            what="the network of recipe 'pix2pix'",
            expected="an image-to-image network",
        )
        try_out(
            self.networks["discriminator"],
            torch.cat([given, real], dim=1),
            what="the discriminator of recipe 'pix2pix'",
            expected=f"{given.shape[1] + real.shape[1]} channels, input and image side by side",
        )

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The discriminator's loss, halved (section 3.3), then the generator's: adversarial, l1."""
        options, discriminator = self._options, self.networks["discriminator"]
        given, real = (to_network(batch[name], self._values) for name in ("input", "image"))
        # Made once for both: the discriminator's step does not touch the generator.
        made = self.networks["generator"](given)
        on_real = discriminator(torch.cat([given, real], dim=1))
        on_made = discriminator(torch.cat([given, made.detach()], dim=1))
        yield "discriminator", {"total": 0.5 * discriminator_loss(on_real, on_made, options.adversarial)}
        with frozen(discriminator) as judge:
            fooled = generator_loss(judge(torch.cat([given, made], dim=1)), options.adversarial)
            distance = (made - real).abs().mean()
            total = fooled + options.l1_weight * distance
            yield "generator", {"adversarial": fooled, "l1": distance, "total": total}

    def validate(self) -> Mapping[str, float]:
        """Mean L1 to the target, as in training; empty where there are no validation images."""
        count, size = len(self._validation), self._options.batch
        found = 0.0
        for start in range(0, count, size):
            indices = range(start, min(start + size, count))
            batch = load_examples(self._validation, indices, self._device)
            given, real = (to_network(batch[name], self._values) for name in ("input", "image"))
            found += float((self.networks["generator"](given) - real).abs().mean()) * len(indices)
        return {"l1": found / count} if count else {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """Input, target and output of the first test images."""
        for index in range(min(self._options.samples, len(self._test))):
            example = load_examples(self._test, [index], self._device)
            made = self.networks["generator"](to_network(example["input"], self._values))
            yield from shown(
                index,
                self._test.names[index],
                given=example["input"][0],
                target=example["image"][0],
                made=to_pictures(made, self._values)[0],
            )


def build_task(context: TrainingContext, options: Pix2PixOptions) -> Pix2PixTask:
    """The task of a cell.

    Raises:
        OptionError: no discriminator, or networks that do not take these pairs.
    """
    return Pix2PixTask(context, options)


recipe = Recipe(options=Pix2PixOptions, task=build_task, fields=("image", "input"))
