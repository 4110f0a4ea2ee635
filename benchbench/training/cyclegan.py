"""Recipe `cyclegan`: pictures of one domain made of those of another, without pairs (Zhu et al. 2017).

Two generators, there and back again, and a discriminator for each domain: least-squares adversarial
losses, cycle consistency, identity. Zhu et al. 2017, "Unpaired image-to-image translation using
cycle-consistent adversarial networks". The network of the suite makes pictures of `image`'s domain (B)
out of `input`'s (A); the other generator and discriminator are of the same definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch, inputs_of
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.image_pool import ImagePool
from benchbench.training.networks import frozen
from benchbench.training.optimizers import adam, decay_all
from benchbench.training.options import Count, LoopOptions
from benchbench.training.pixels import to_network, to_pictures
from benchbench.training.translated import load_examples, shown
from benchbench.training.trying import try_out


class CycleGANOptions(LoopOptions):
    """Options of the recipe, with those of the loop.

    Attributes:
        batch, epochs: section 4.
        lr: Adam's, of all networks (section 4).
        beta_1, beta_2: the paper does not state them; those of the authors' code.
        cycle_weight: lambda (section 4).
        identity_weight: of the identity loss, as a share of `cycle_weight`: 0.5 in the paper (section 5.2,
            for paintings) and in the authors' code, for all; 0 leaves it out.
        pool: past images that the discriminators are shown from (section 4).
        decay_share: over how much of the training, at its end, the learning rate falls linearly to 0: the
            last 100 of 200 epochs (section 4).
    """

    batch: Count = 1
    epochs: Annotated[float, Field(gt=0)] | None = 200.0
    lr: Annotated[float, Field(gt=0)] = 2e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    cycle_weight: Annotated[float, Field(ge=0)] = 10.0
    identity_weight: Annotated[float, Field(ge=0)] = 0.5
    pool: Annotated[int, Field(ge=0, le=10_000)] = 50
    decay_share: Annotated[float, Field(ge=0, le=1)] = 0.5


class CycleGANTask:
    """The objective as the loop sees it. The terms are as they are before their weights."""

    def __init__(self, context: TrainingContext, options: CycleGANOptions) -> None:
        discriminator = context.require_discriminator("cyclegan")
        if context.another is None:
            raise OptionError(
                "recipe 'cyclegan' needs a second generator and discriminator, and nothing makes them",
                expected="a cell of a suite, whose architecture can be built twice",
            )
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": context.module,
            "generator_back": context.another("generator", 1),
            "discriminator": discriminator,
            "discriminator_back": context.another("discriminator", 1),
        }
        self.result = context.module
        train = context.images.train
        shapes = {"made": tuple(train[0].shape), "made_back": tuple(inputs_of(train)[0].shape)}
        self._pools = {
            name: ImagePool(
                options.pool, shape, seed=context.seed, name=name, rank=context.rank, world=context.world
            ).to(context.device)
            for name, shape in shapes.items()
        }
        self.kept: Mapping[str, nn.Module] = {f"pool_{name}": pool for name, pool in self._pools.items()}
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            role: adam(
                [*self.networks[role].parameters(), *self.networks[f"{role}_back"].parameters()],
                options,
                lr=options.lr,
            )
            for role in ("generator", "discriminator")
        }
        self.schedulers = decay_all(self.optimizers, options, share=options.decay_share, images=len(train))
        self._options, self._values, self._device = options, context.values, context.device
        self._test = context.images.test
        self._check(load_examples(train, [0], context.device))

    def _check(self, example: Batch) -> None:
        for role, expected in (("generator", "an image-to-image network"), ("discriminator", "3 channels")):
            for field in ("input", "image"):
                what = f"the {role} of recipe 'cyclegan'"
                try_out(self.networks[role], example[field], what=what, expected=expected)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The generators' loss: adversarial, cycle, identity, sums of both ways; then the discriminators'.

        In this order, as in the authors' code, the discriminators are shown what was just made, and it is
        made once. Their loss is halved (appendix 7.1).
        """
        options, networks = self._options, self.networks
        a, b = (to_network(batch[name], self._values) for name in ("input", "image"))
        there, back = networks["generator"], networks["generator_back"]
        made, made_back = there(a), back(b)
        with ExitStack() as stack:
            judge, judge_back = (
                stack.enter_context(frozen(networks[name]))
                for name in ("discriminator", "discriminator_back")
            )
            fooled = generator_loss(judge(made), "lsgan") + generator_loss(judge_back(made_back), "lsgan")
            cycle = _distance(back(made), a) + _distance(there(made_back), b)
            terms = {"adversarial": fooled, "cycle": cycle}
            total = fooled + options.cycle_weight * cycle
            if options.identity_weight > 0:
                terms["identity"] = _distance(there(b), b) + _distance(back(a), a)
                total = total + options.cycle_weight * options.identity_weight * terms["identity"]
            yield "generator", {**terms, "total": total}
        seen = self._pools["made"].exchange(made, step=step)
        seen_back = self._pools["made_back"].exchange(made_back, step=step)
        judge, judge_back = networks["discriminator"], networks["discriminator_back"]
        on_b = 0.5 * discriminator_loss(judge(b), judge(seen), "lsgan")
        on_a = 0.5 * discriminator_loss(judge_back(a), judge_back(seen_back), "lsgan")
        yield "discriminator", {"there": on_b, "back": on_a, "total": on_b + on_a}

    def validate(self) -> Mapping[str, float]:
        """Nothing: there are no pairs to measure a distance on."""
        return {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """Input and output of the first test inputs."""
        inputs = inputs_of(self._test)
        for index in range(min(self._options.samples, len(inputs))):
            given = inputs[index].to(self._device).float() / 255
            made = self.networks["generator"](to_network(given[None], self._values))
            yield from shown(index, inputs.names[index], given=given, made=to_pictures(made, self._values)[0])


def _distance(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one - other).abs().mean()


def build_task(context: TrainingContext, options: CycleGANOptions) -> CycleGANTask:
    """The task of a cell.

    Raises:
        OptionError: no discriminator, or networks that do not take these pictures.
    """
    return CycleGANTask(context, options)


recipe = Recipe(options=CycleGANOptions, task=build_task, fields=("image", "input"))
