"""Recipe `spade`: pictures made of label maps (GauGAN, Park et al. 2019).

Hinge loss on discriminators at several scales, which see layout and image side by side; feature
matching on their layers; a perceptual loss. Park et al. 2019, "Semantic image synthesis with
spatially-adaptive normalization". The perceptual loss is on VGG-19, as in pix2pixHD; with random weights,
the default that needs no download, its curve is called `random_features`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from benchbench.core.examples import Batch
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.quality.vgg_weights import VggOptions
from benchbench.training.adversarial import discriminator_loss, generator_loss
from benchbench.training.batch_norm import synchronise
from benchbench.training.feature_distance import FeatureDistance
from benchbench.training.feature_matching import captured, feature_matching
from benchbench.training.layout_colours import colour_layout
from benchbench.training.networks import frozen
from benchbench.training.optimizers import adam, decay_all
from benchbench.training.options import Count, LoopOptions
from benchbench.training.pixels import to_network, to_pictures
from benchbench.training.translated import load_examples, shown
from benchbench.training.trying import try_out


class SpadeOptions(LoopOptions):
    """Options of the recipe, with those of the loop.

    Attributes:
        batch: appendix A, on eight GPUs; GAN Compression takes 16 for Cityscapes.
        epochs: Cityscapes and ADE20K (appendix A).
        lr_generator, lr_discriminator: Adam's, of two time scales (section 4).
        beta_1, beta_2: section 4; the authors' code has 0.9 for the second.
        feature_weight: of feature matching (appendix A, as in pix2pixHD).
        perceptual_weight: of the perceptual loss (the same); 0 leaves it out.
        decay_share: over how much of the training, at its end, the learning rates fall linearly to 0: the
            last 100 of 200 epochs (appendix A).
        features: the weights of the VGG-19.
    """

    batch: Count = 32
    epochs: Annotated[float, Field(gt=0)] | None = 200.0
    lr_generator: Annotated[float, Field(gt=0)] = 1e-4
    lr_discriminator: Annotated[float, Field(gt=0)] = 4e-4
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.0
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    feature_weight: Annotated[float, Field(ge=0)] = 10.0
    perceptual_weight: Annotated[float, Field(ge=0)] = 10.0
    decay_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    features: VggOptions = VggOptions()


class SpadeTask:
    """The objective as the loop sees it. The terms are as they are before their weights."""

    def __init__(self, context: TrainingContext, options: SpadeOptions) -> None:
        if context.world > 1:
            synchronise(context.module)
        self.networks: MutableMapping[str, nn.Module] = {
            "generator": context.module,
            "discriminator": context.require_discriminator("spade"),
        }
        self.kept: Mapping[str, nn.Module] = {}
        self.result = context.module
        rates = {"generator": options.lr_generator, "discriminator": options.lr_discriminator}
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {
            name: adam(network.parameters(), options, lr=rates[name])
            for name, network in self.networks.items()
        }
        self.schedulers = decay_all(
            self.optimizers, options, share=options.decay_share, images=len(context.images.train)
        )
        self._perceptual = (
            FeatureDistance(options.features).to(context.device) if options.perceptual_weight > 0 else None
        )
        self._perceptual_name = "random_features" if options.features.weights == "random" else "perceptual"
        self._options, self._values, self._device = options, context.values, context.device
        self._test, self._classes = context.images.test, len(context.images.classes)
        self._check(load_examples(context.images.train, [0], context.device))

    def _check(self, example: Batch) -> None:
        layout, real = example["layout"], to_network(example["image"], self._values)
        try_out(
            self.networks["generator"],
            layout,
            what="the network of recipe 'spade'",
            expected=f"labels: {layout.shape[1]}, as many as the layouts have channels, at their size",
        )
        with captured(self.networks["discriminator"]):
            try_out(
                self.networks["discriminator"],
                torch.cat([layout, real], dim=1),
                what="the discriminator of recipe 'spade'",
                expected=f"{layout.shape[1] + real.shape[1]} channels, layout and image side by side",
            )

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """The discriminator's loss, then the generator's: adversarial, features, and the perceptual one."""
        options, discriminator = self._options, self.networks["discriminator"]
        layout, real = batch["layout"], to_network(batch["image"], self._values)
        # Made once for both: the discriminator's step does not touch the generator.
        made = self.networks["generator"](layout)
        on_real = discriminator(torch.cat([layout, real], dim=1))
        on_made = discriminator(torch.cat([layout, made.detach()], dim=1))
        yield "discriminator", {"total": discriminator_loss(on_real, on_made, "hinge")}
        with frozen(discriminator) as judge:
            with captured(judge) as wanted, torch.no_grad():
                judge(torch.cat([layout, real], dim=1))
            with captured(judge) as found:
                fooled = generator_loss(judge(torch.cat([layout, made], dim=1)), "hinge")
            matching = feature_matching(found, wanted)
            terms = {"adversarial": fooled, "features": matching}
            total = fooled + options.feature_weight * matching
            if self._perceptual is not None:
                pictures = ((made + 1) / 2 if self._values == "signed" else made).float()
                terms[self._perceptual_name] = self._perceptual(pictures, batch["image"])
                total = total + options.perceptual_weight * terms[self._perceptual_name]
            yield "generator", {**terms, "total": total}

    def validate(self) -> Mapping[str, float]:
        """Nothing: many pictures fit one layout."""
        return {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """Layout in colours, target and output of the first test images."""
        for index in range(min(self._options.samples, len(self._test))):
            example = load_examples(self._test, [index], self._device)
            made = self.networks["generator"](example["layout"])
            layout = example["layout"][0]
            yield from shown(
                index,
                self._test.names[index],
                given=colour_layout(layout, classes=self._classes or len(layout)),
                target=example["image"][0],
                made=to_pictures(made, self._values)[0],
            )


def build_task(context: TrainingContext, options: SpadeOptions) -> SpadeTask:
    """The task of a cell.

    Raises:
        OptionError: no discriminator, one without patches, or networks that do not take these layouts.
        CheckpointError: VGG-19 weights that were asked for are not here.
    """
    return SpadeTask(context, options)


recipe = Recipe(options=SpadeOptions, task=build_task, fields=("image", "layout"))
