"""Recipe `stargan`: one generator takes pictures to any of several domains (Choi et al. 2018).

The discriminator tells real from made (Wasserstein, with gradient penalty) and names the domain; the
generator is to fool it, to have the target's domain named, and to bring a picture back to what it was.
Choi et al. 2018, "StarGAN: unified generative adversarial networks for multi-domain image-to-image
translation". DepthwiseGAN (Ngxande et al. 2019) trains the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch, ImageSet
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.data.domains import flipped
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.draws import Draws
from benchbench.training.gradient_penalties import wgan_gp
from benchbench.training.networks import Averaged, evaluating, frozen, unwrapped
from benchbench.training.optimizers import adam, decay_all
from benchbench.training.options import Count, LoopOptions
from benchbench.training.pixels import to_network, to_pictures
from benchbench.training.translated import load_examples
from benchbench.training.trying import try_out

Classification = Literal["binary", "softmax"]
# Enough to meet a picture with two attributes or none, where there are such.
_LOOKED_AT = 64


class StarGANRecipeOptions(LoopOptions):
    """Options of the recipe, with those of the loop.

    Attributes:
        steps: of the discriminator; the paper counts epochs (20 on CelebA), and the authors' code 200,000.
        batch: section 5.3.
        lr, beta_1, beta_2: Adam's, of both networks (section 5.3).
        critic_steps: the generator moves once after so many steps of the discriminator (section 5.3).
        penalty_weight: of the gradient penalty (section 4, eq. 8).
        class_weight: of the domain classification, in both losses (eqs. 5 and 6).
        cycle_weight: of the way back (eq. 6).
        classification: `softmax`: every picture is of one domain (RaFD, a folder per class); `binary`: every
            attribute is there or not (CelebA; summed over attributes, as in the authors' code); null: what
            the first training pictures are.
        decay_share: over how much of the training, at its end, the learning rates fall linearly to 0: the
            last 10 of 20 epochs (section 5.3).
        ema_decay: of each step of the generator; the kept network is the running average of the generator.
            Null, as the paper has it, keeps the generator itself.
    """

    steps: Count | None = 200_000
    batch: Count = 16
    lr: Annotated[float, Field(gt=0)] = 1e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    critic_steps: Count = 5
    penalty_weight: Annotated[float, Field(ge=0)] = 10.0
    class_weight: Annotated[float, Field(ge=0)] = 1.0
    cycle_weight: Annotated[float, Field(ge=0)] = 10.0
    classification: Classification | None = None
    decay_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    ema_decay: Annotated[float, Field(ge=0, lt=1)] | None = None


class StarGANTask:
    """The objective as the loop sees it. The terms are as they are before their weights."""

    def __init__(self, context: TrainingContext, options: StarGANRecipeOptions) -> None:
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": context.module,
            "discriminator": context.require_discriminator("stargan"),
        }
        decay = options.ema_decay
        self._averaged = Averaged(context.module, decay=decay) if decay is not None else None
        self.kept: Mapping[str, nn.Module] = (
            {"averaged": self._averaged} if self._averaged is not None else {}
        )
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            name: adam(network.parameters(), options, lr=options.lr)
            for name, network in self.networks.items()
        }
        train = context.images.train
        self.schedulers = decay_all(self.optimizers, options, share=options.decay_share, images=len(train))
        self._draws = Draws(context.seed, context.device, rank=context.rank, world=context.world)
        self._options, self._values, self._device = options, context.values, context.device
        self._test = context.images.test
        example = load_examples(train, [0], context.device)
        domains = example["attributes"].shape[1]
        self._classes = context.images.classes or tuple(str(number) for number in range(domains))
        self._classification = choose_classification(train, options.classification)
        self._check(example, domains)

    @property
    def result(self) -> nn.Module:
        """The running average, where one is kept."""
        return self._averaged.network if self._averaged is not None else unwrapped(self.networks["generator"])

    def _check(self, example: Batch, domains: int) -> None:
        real = to_network(example["image"], self._values)
        expected = f"domains: {domains}, as many as the data have: {', '.join(self._classes)}"
        given = (real, example["attributes"])
        what = "the network of recipe 'stargan'"
        try_out(self.networks["generator"], *given, what=what, expected=expected)
        what = "the discriminator of recipe 'stargan'"
        made = try_out(self.networks["discriminator"], real, what=what, expected=expected)
        if not isinstance(made, tuple) or len(made) != 2 or made[1].shape != (1, domains):
            told = " and ".join(
                str(list(each.shape)) for each in (made if isinstance(made, tuple) else (made,))
            )
            raise OptionError(f"{what} makes {told}", expected=f"a map, and {expected}")

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The discriminator's: adversarial, domain, penalty; every few steps the generator's too."""
        options, discriminator = self._options, self.networks["discriminator"]
        real = to_network(batch["image"], self._values)
        attributes, target = batch["attributes"], batch["target"]
        with torch.no_grad():
            made = self.networks["generator"](real, target)
        on_real, named = discriminator(real)
        on_made, _ = discriminator(made)
        told = discriminator_loss(on_real, on_made, "wgan")
        domain = self._classify(named, attributes)
        mixing = self._draws.uniform(step, "penalty", len(real), 1, 1, 1)
        # Out of its wrapping: in float32, and Fabric lets nobody else take gradients through it.
        bare = unwrapped(discriminator)
        penalty = wgan_gp(lambda images: bare(images)[0], real, made, mixing)
        total = told + options.class_weight * domain + options.penalty_weight * penalty
        yield (
            "discriminator",
            {"adversarial": told, "domain": domain, "penalty": penalty, "total": total},
        )
        if step % options.critic_steps:
            return
        made = self.networks["generator"](real, target)
        back = self.networks["generator"](made, attributes)
        with frozen(discriminator) as judge:
            on_made, named = judge(made)
            fooled = generator_loss(on_made, "wgan")
            domain, cycle = self._classify(named, target), (back - real).abs().mean()
            total = fooled + options.class_weight * domain + options.cycle_weight * cycle
            yield (
                "generator",
                {"adversarial": fooled, "domain": domain, "cycle": cycle, "total": total},
            )
        if self._averaged is not None:
            self._averaged.update(self.networks["generator"], images=len(real))

    def _classify(self, named: torch.Tensor, attributes: torch.Tensor) -> torch.Tensor:
        if self._classification == "softmax":
            return F.cross_entropy(named, attributes.argmax(dim=1))
        return F.binary_cross_entropy_with_logits(named, attributes, reduction="sum") / len(named)

    def validate(self) -> Mapping[str, float]:
        """Nothing: no picture is known in another domain."""
        return {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """One grid: a row for each of the first test images, itself and then in every domain."""
        rows = []
        for index in range(min(self._options.samples, len(self._test))):
            example = load_examples(self._test, [index], self._device)
            targets = self._targets(example["attributes"][0])
            given = to_network(example["image"], self._values).expand(len(targets), -1, -1, -1)
            with evaluating(self.result):
                made = to_pictures(self.result(given, targets), self._values)
            rows.append(torch.cat([example["image"], made]))
        if rows:
            grid = torch.cat([torch.cat(tuple(row), dim=2) for row in rows], dim=1)
            caption = f"input, {', '.join(self._classes)}"
            yield ImageRecord(path="", role="grid", caption=caption), grid

    def _targets(self, attributes: torch.Tensor) -> torch.Tensor:
        if self._classification == "softmax":
            return torch.eye(len(attributes), device=self._device)
        return flipped(attributes, self._classes)


def choose_classification(images: ImageSet, asked: Classification | None) -> Classification:
    """How the domains of training pictures are told apart; see StarGANRecipeOptions.

    Raises:
        OptionError: `softmax`, and a picture has several attributes or none.
    """
    if asked == "binary":
        return asked
    for index in range(min(_LOOKED_AT, len(images))):
        count = int(load_examples(images, [index], torch.device("cpu"))["attributes"].sum())
        if count == 1:
            continue
        if asked is None:
            return "binary"
        raise OptionError(
            f"classification: softmax, and {images.names[index]} has {count} attributes",
            expected="pictures of one domain each",
            fix="classification: binary",
        )
    return "softmax"


def build_task(context: TrainingContext, options: StarGANRecipeOptions) -> StarGANTask:
    """The task of a cell.

    Raises:
        OptionError: no discriminator, or networks of another number of domains or another size.
    """
    return StarGANTask(context, options)


recipe = Recipe(options=StarGANRecipeOptions, task=build_task, fields=("image", "attributes", "target"))
