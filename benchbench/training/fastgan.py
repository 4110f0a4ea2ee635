"""Recipe `fastgan`: a generator of latents against a self-supervised discriminator (Liu et al. 2021).

"Towards faster and stabilized GAN training for high-fidelity few-shot image synthesis". Equations are the
paper's: its hinge loss has margins of 1, where the released code draws each from 0.8..1. What the paper does
not say is the released code's: one pass of the generator per step for both players, augmentation of every
image by its own draw, a real image's small version (and what decoders are to rebuild) by nearest neighbour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch
from benchbench.core.measurement import ImageRecord
from benchbench.core.model import OneOrMore
from benchbench.core.training import Recipe, TrainingContext
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.decoding import VggLpips, open_distance, rebuilding, resized
from benchbench.training.diffaugment import Augmentation, DiffAugment
from benchbench.training.draws import Draws
from benchbench.training.latents import Latents, latent_size
from benchbench.training.networks import Averaged, evaluating, frozen, unwrapped
from benchbench.training.optimizers import adam
from benchbench.training.options import Count, LoopOptions
from benchbench.training.pixels import to_network
from benchbench.training.self_supervision import (
    SelfSupervision,
    choose_parts,
    contrastive,
    decoders_of,
    feature_reader,
    inputs_of,
    projection,
    ratio_head,
    stretched,
)
from benchbench.training.trying import check_size, try_out


class FastGanOptions(LoopOptions):
    """Options of the recipe, with those of the loop: the paper's and its released code's.

    Attributes:
        steps: the paper's for its few-shot sets; 100,000 for its larger ones.
        batch, lr, beta_1, beta_2: of Adam, for both players.
        ema_decay: of each step; the kept network is the running average of the generator. Null keeps the
            generator itself.
        augment: what is done to images before the discriminator sees them (Zhao et al. 2020); null: nothing.
        self_supervision: what the discriminator learns of real images, in the letters of the paper's
            comparison: `contrastive` (a), `aspect_ratio` (b), `auto_encoding` (c), `a+b`, `a+b+c`, `none`.
            Unless said, `auto_encoding` where there are decoders, and `none` where not; decoders that
            nothing trains stay as they are. How a and b are made is inferred (training/self_supervision.py).
        reconstruction: how far rebuilt images are from real ones. `lpips` is the released code's and needs
            its weights; `l1`, the mean absolute difference, needs none, and is not the paper's result.
        reconstruction_weight: of the sum over three rebuilt images; the paper has none. The released code
            sums LPIPS over the batch: 8 is its weight at a batch of 8.
        lpips: its weights.
        contrastive_weight, aspect_weight, temperature: ours.
    """

    steps: Count | None = 50_000
    batch: Count = 8
    lr: Annotated[float, Field(gt=0)] = 2e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | None = 0.999
    augment: OneOrMore[Augmentation] | None = ("colour", "translation")
    self_supervision: SelfSupervision | None = None
    reconstruction: Literal["l1", "lpips"] = "l1"
    reconstruction_weight: Annotated[float, Field(ge=0)] = 1.0
    lpips: VggLpips = VggLpips()
    contrastive_weight: Annotated[float, Field(ge=0)] = 1.0
    aspect_weight: Annotated[float, Field(ge=0)] = 1.0
    temperature: Annotated[float, Field(gt=0)] = 0.5
    samples: Annotated[int, Field(ge=0, le=64)] = 16


class FastGanTask:
    """The objective as the loop sees it; terms are told before their weights."""

    def __init__(self, context: TrainingContext, options: FastGanOptions) -> None:
        generator, discriminator = context.module, context.require_discriminator("fastgan")
        self._options, self._values = options, context.values
        self._draws = Draws(context.seed, context.device, rank=context.rank, world=context.world)
        self._augment = DiffAugment(options.augment or (), self._draws)
        self._latents = Latents(latent_size(context.inputs, "fastgan"), self._draws, context.values)
        self._parts = choose_parts(discriminator, options.self_supervision)
        if "contrastive" in self._parts and options.batch < 2 * options.devices:
            raise OptionError(
                f"self_supervision: {options.self_supervision} tells the images of a batch apart, and there "
                f"are {options.batch} on {options.devices} devices",
                expected="a batch of at least 2 on each device",
            )
        self._small, channels = self._check(context)
        heads = {
            "contrastive": projection(channels) if "contrastive" in self._parts else None,
            "aspect_ratio": ratio_head(channels) if "aspect_ratio" in self._parts else None,
        }
        self._heads = {name: head.to(context.device) for name, head in heads.items() if head is not None}
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": generator,
            "discriminator": discriminator,
            **self._heads,
        }
        if "auto_encoding" not in self._parts and (unused := decoders_of(discriminator)) is not None:
            unused.requires_grad_(requires_grad=False)
        self._averaged = (
            Averaged(generator, decay=options.ema_decay) if options.ema_decay is not None else None
        )
        self.kept: Mapping[str, nn.Module] = (
            {"averaged": self._averaged} if self._averaged is not None else {}
        )
        players = {"generator": [generator], "discriminator": [discriminator, *self._heads.values()]}
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            role: adam(
                (each for part in parts for each in part.parameters() if each.requires_grad),
                options,
                lr=options.lr,
            )
            for role, parts in players.items()
        }
        self.schedulers: Mapping[str, torch.optim.lr_scheduler.LRScheduler] = {}
        self._distance = (
            open_distance(options.reconstruction, options.lpips, context.device)
            if "auto_encoding" in self._parts
            else None
        )
        self._world = context.world

    @property
    def result(self) -> nn.Module:
        """The running average, where one is kept."""
        return self._averaged.network if self._averaged is not None else unwrapped(self.networks["generator"])

    def _check(self, context: TrainingContext) -> tuple[int, int]:
        """The side of the small image, and the channels of the features that heads read."""
        made = try_out(
            context.module,
            self._latents.draw(0, "trial", 2),
            what="the generator of recipe 'fastgan'",
            expected="one of two images at once: fastgan",
            images="both",
        )
        check_size(made[0], context.images.train[0])
        judge = context.require_discriminator("fastgan")
        large, small = (list(each.shape[1:]) for each in made)
        expected = f"one that takes {large} and {small}: fastgan_discriminator"
        what = "the discriminator of recipe 'fastgan'"
        if not self._parts - {"auto_encoding"}:
            try_out(judge, *made, what=what, expected=expected)
            return int(made[1].shape[-1]), 0
        with inputs_of(feature_reader(judge)) as seen:
            try_out(judge, *made, what=what, expected=expected)
        return int(made[1].shape[-1]), int(seen[0].shape[1])

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The discriminator's with its self-supervision, and the generator's on the same images."""
        discriminator = self.networks["discriminator"]
        real = to_network(batch["image"], self._values)
        latents = self._latents.draw(step, "latents", len(real))
        made = self.networks["generator"](latents, images="both")
        fakes = [self._augment(each, step, f"fake {place}") for place, each in enumerate(made)]
        yield "discriminator", self._judge(discriminator, real, [each.detach() for each in fakes], step)
        with frozen(discriminator) as judge:
            fooled = generator_loss(judge(*fakes), "hinge")
            yield "generator", {"adversarial": fooled, "total": fooled}
        if self._averaged is not None:
            self._averaged.update(self.networks["generator"], images=len(real) * self._world)

    def _judge(
        self, discriminator: nn.Module, images: torch.Tensor, fakes: list[torch.Tensor], step: int
    ) -> Mapping[str, torch.Tensor]:
        options, terms = self._options, {}
        real = self._augment(images, step, "real")
        reads = feature_reader(discriminator) if self._heads else nn.Identity()
        with inputs_of(reads) as features:
            if self._distance is not None:
                part = int(self._draws.number(step, "part") * 4)
                on_real, rebuilt = discriminator(real, resized(real, self._small), part=part)
                terms["reconstruction"] = rebuilding(self._distance, real, rebuilt, part)
            else:
                on_real = discriminator(real, resized(real, self._small))
            if self._heads:
                terms.update(self._heads_terms(discriminator, images, features, step))
        on_fake = discriminator(*fakes)
        told = discriminator_loss(on_real, on_fake, "hinge")
        weights = {
            "reconstruction": options.reconstruction_weight,
            "contrastive": options.contrastive_weight,
            "aspect_ratio": options.aspect_weight,
        }
        total = told + sum(weights[name] * term for name, term in terms.items())
        means = {"real": on_real.detach().mean(), "fake": on_fake.detach().mean()}
        return {"adversarial": told, **means, **terms, "total": total}

    def _heads_terms(
        self, discriminator: nn.Module, images: torch.Tensor, features: list[torch.Tensor], step: int
    ) -> dict[str, torch.Tensor]:
        """Of a second view of the real images, whose features come in when the discriminator sees it."""
        view, terms = self._augment(images, step, "second view"), {}
        if "aspect_ratio" in self._heads:
            numbers = self._draws.uniform(step, "aspect ratio", len(images), 2)
            view, ratios = stretched(view, numbers)
        discriminator(view, resized(view, self._small))
        first, second = features
        if "contrastive" in self._heads:
            projected = self.networks["contrastive"](torch.cat([first, second]))
            views = projected.chunk(2)
            terms["contrastive"] = contrastive(views[0], views[1], self._options.temperature)
        if "aspect_ratio" in self._heads:
            predicted = self.networks["aspect_ratio"](second).squeeze(1)
            terms["aspect_ratio"] = F.mse_loss(predicted.float(), ratios)
        return terms

    def validate(self) -> Mapping[str, float]:
        """Nothing: no loss of a game says how good its players are."""
        return {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """A grid of fixed latents; at the end what lies between two, and styles mixed where they can be."""
        network, rows = self.result, min(self._options.samples, 4)
        with evaluating(network):
            yield from self._latents.grid(network, self._options.samples)
            if final:
                yield from self._latents.between(network, rows)
                if len(getattr(network, "excitation", ())):
                    yield from self._latents.mixing(network, rows)


def build_task(context: TrainingContext, options: FastGanOptions) -> FastGanTask:
    """The task of a cell.

    Raises:
        OptionError: networks that are not of this recipe, or of another size than the data.
        CheckpointError: weights of LPIPS that were asked for are not here.
        DependencyError: LPIPS is not installed.
    """
    return FastGanTask(context, options)


recipe = Recipe(options=FastGanOptions, task=build_task)
