"""Recipe `gan`: a generator of latents against a discriminator, without labels or inputs.

Goodfellow et al. 2014 with the losses, penalties and habits of what came after; `preset` takes those of one
paper: DCGAN (Radford et al. 2016), Spectral Style-DCGAN (`ssd`), StyleGAN (Karras et al. 2019) and StyleGAN2
(Karras et al. 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping

import torch
from torch import nn

from benchbench.architectures.spectral import spectral_norm
from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.diffaugment import DiffAugment
from benchbench.training.draws import Draws
from benchbench.training.gan_options import GanOptions
from benchbench.training.gradient_penalties import r1, wgan_gp
from benchbench.training.latents import Latents, latent_size
from benchbench.training.networks import Averaged, freeze_unused, frozen, unwrapped
from benchbench.training.optimizers import adam
from benchbench.training.path_length import PathLength, require_mapping
from benchbench.training.pixels import to_network
from benchbench.training.trying import check_size, try_out


class GanTask:
    """The objective as the loop sees it; penalties are told before their weights."""

    def __init__(self, context: TrainingContext, options: GanOptions) -> None:
        generator, discriminator = context.module, context.require_discriminator("gan")
        if options.spectral_norm:
            normalise(discriminator)
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": generator,
            "discriminator": discriminator,
        }
        self._averaged = (
            Averaged(generator, half_life_images=options.half_life_images)
            if options.half_life_images is not None
            else None
        )
        self._path = PathLength(world=context.world) if options.path_weight else None
        if self._path is not None:
            require_mapping(generator)
        kept = {"averaged": self._averaged, "path_length": self._path}
        self.kept: Mapping[str, nn.Module] = {name: each for name, each in kept.items() if each is not None}
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            "generator": adam(generator.parameters(), options, lr=options.lr),
            "discriminator": adam(
                discriminator.parameters(), options, lr=options.discriminator_lr or options.lr
            ),
        }
        self.schedulers: Mapping[str, torch.optim.lr_scheduler.LRScheduler] = {}
        self._draws = Draws(context.seed, context.device, rank=context.rank, world=context.world)
        self._augment = DiffAugment(options.augment, self._draws)
        self._latents = Latents(latent_size(context.inputs, "gan"), self._draws, context.values)
        self._options, self._values, self._world = options, context.values, context.world
        self._layers = _styled_layers(generator) if options.mixing else 0
        self._check(context)

    @property
    def result(self) -> nn.Module:
        """The running average, where one is kept."""
        return self._averaged.network if self._averaged is not None else unwrapped(self.networks["generator"])

    def _check(self, context: TrainingContext) -> None:
        what = "the discriminator of recipe 'gan'"
        made = _tensor(
            try_out(
                context.module,
                self._latents.fixed("trial", 2),
                what="the generator of recipe 'gan'",
                expected="one that takes latents alone",
            ),
            "the generator of recipe 'gan'",
        )
        check_size(made, context.images.train[0])
        expected = f"one that takes {list(made.shape[1:])}"
        _tensor(try_out(self.networks["discriminator"], made, what=what, expected=expected), what)
        if context.world > 1:
            freeze_unused(context.module, self._latents.fixed("trial", 2))
            freeze_unused(self.networks["discriminator"], made)

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The discriminator's, its R1 now and then; the generator's, and its path length now and then."""
        options, discriminator = self._options, self.networks["discriminator"]
        real = to_network(batch["image"], self._values)
        with torch.no_grad():
            fake = self._generate(step, "discriminator", len(real))
        yield "discriminator", self._judge(discriminator, real, fake, step)
        if step % options.critic_steps:
            return
        with frozen(discriminator) as judge:
            fake = self._generate(step, "generator", len(real))
            kind = "wgan" if options.loss == "wgan_gp" else options.loss
            fooled = generator_loss(judge(self._augment(fake, step, "generator")), kind)
            terms = {"adversarial": fooled, "total": fooled}
            if self._path is not None and step % options.path_every == 0:
                # In one loss with the rest, so that processes agree on its gradients.
                terms["path"] = self._lengths(step, len(real), fake.shape)
                terms["total"] = fooled + options.path_weight * options.path_every * terms["path"]
            yield "generator", terms
        if self._averaged is not None:
            self._averaged.update(self.networks["generator"], images=len(real) * self._world)

    def _judge(
        self, discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor, step: int
    ) -> Mapping[str, torch.Tensor]:
        options = self._options
        kind = "wgan" if options.loss == "wgan_gp" else options.loss
        seen, seen_made = self._augment(real, step, "real"), self._augment(fake, step, "fake")
        on_real, on_fake = discriminator(seen), discriminator(seen_made)
        told = discriminator_loss(on_real, on_fake, kind)
        terms = {"adversarial": told, "real": on_real.detach().mean(), "fake": on_fake.detach().mean()}
        bare, total = unwrapped(discriminator), told
        if options.loss == "wgan_gp":
            alpha = self._draws.uniform(step, "penalty", len(real), 1, 1, 1)
            # Between what the discriminator sees: there it is to be smooth.
            terms["penalty"] = wgan_gp(bare, seen, seen_made, alpha)
            total = total + options.penalty_weight * terms["penalty"]
        if options.r1_gamma and step % options.r1_every == 0:
            terms["r1"] = r1(lambda images: bare(self._augment(images, step, "real")), real)
            total = total + options.r1_gamma / 2 * options.r1_every * terms["r1"]
        return {**terms, "total": total}

    def _lengths(self, step: int, count: int, shape: torch.Size) -> torch.Tensor:
        assert self._path is not None
        part = max(1, int(count * self._options.path_share))
        noise = self._draws.normal(step, "path noise", part, *shape[1:])
        found: torch.Tensor = self._path(
            self.networks["generator"], self._latents.draw(step, "path", part), noise
        )
        return found

    def _generate(self, step: int, purpose: str, count: int) -> torch.Tensor:
        generator, latents = self.networks["generator"], self._latents.draw(step, purpose, count)
        if not self._layers or self._draws.number(step, f"{purpose} mixed") >= self._options.mixing:
            made: torch.Tensor = generator(latents)
            return made
        crossover = 1 + int(self._draws.number(step, f"{purpose} crossover") * (self._layers - 1))
        second = self._latents.draw(step, f"{purpose} second", count)
        mixed: torch.Tensor = generator(latents, mixed=(second, crossover))
        return mixed

    def validate(self) -> Mapping[str, float]:
        """Nothing: no loss of a game says how good its players are."""
        return {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """A grid of fixed latents; at the end what lies between two, and a walk past several."""
        network, rows = self.result, min(self._options.samples, 4)
        was_training = network.training
        network.eval()
        try:
            yield from self._latents.grid(network, self._options.samples)
            if final:
                yield from self._latents.between(network, rows)
                yield from self._latents.walk(network, rows)
        finally:
            network.train(was_training)


def _tensor(made: object, what: str) -> torch.Tensor:
    if isinstance(made, torch.Tensor):
        return made
    raise OptionError(f"{what} makes {type(made).__name__}", expected="one tensor", fix="take another recipe")


def normalise(network: nn.Module) -> None:
    """Spectral norm on every convolution and linear layer that has none."""
    for layer in list(network.modules()):
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)) and not hasattr(
            layer, "parametrizations"
        ):
            spectral_norm(layer)


def _styled_layers(generator: nn.Module) -> int:
    """Layers that a style rules, for style mixing.

    Raises:
        OptionError: a generator that takes one latent alone.
    """
    layers = getattr(generator, "style_layers", None)
    if not isinstance(layers, int):
        raise OptionError(
            f"mixing: {type(generator).__name__} makes an image of one latent alone",
            expected="a style-based generator: stylegan, stylegan2",
            fix="mixing: 0",
        )
    return layers


def build_task(context: TrainingContext, options: GanOptions) -> GanTask:
    """The task of a cell.

    Raises:
        OptionError: no discriminator, a generator of something else than latents, or networks and data of
            different sizes.
    """
    return GanTask(context, options)


recipe = Recipe(options=GanOptions, task=build_task)
