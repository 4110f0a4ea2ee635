"""Recipe `perceptual`: a feed-forward network learns one style (Johnson et al. 2016).

Content + style + total variation on VGG-16 features, Adam, ReduceLROnPlateau. "Can depthwise
separable convolution make neural style transfer more lightweight?" (2025) states VGG-16, the three
terms, Adam at 1e-3, ReduceLROnPlateau and 20 epochs. It does not state batch size, the terms'
weights, layers, the plateau's factor and patience nor the style picture: those defaults are ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from benchbench.core.examples import Batch, ImageSet
from benchbench.core.measurement import ImageRecord
from benchbench.core.training import Recipe, TrainingContext
from benchbench.data.images import open_image
from benchbench.quality.perceptual import LossOptions, LossTerms, PerceptualLoss, loss_layers
from benchbench.quality.vgg_weights import load_vgg
from benchbench.training.options import LoopOptions


class PerceptualOptions(LoopOptions, LossOptions):
    """Options of the recipe, with those of the loop and of the loss.

    Attributes:
        lr: Adam's learning rate.
        plateau_factor: what the learning rate is multiplied by when validation stands still.
        plateau_patience: validations without improvement before that.
    """

    lr: Annotated[float, Field(gt=0)] = 1e-3
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    plateau_patience: Annotated[int, Field(ge=0)] = 2


class PerceptualTask:
    """The objective as the loop sees it."""

    def __init__(self, context: TrainingContext, options: PerceptualOptions) -> None:
        self.networks: MutableMapping[str, nn.Module] = {"network": context.module}
        self.kept: Mapping[str, nn.Module] = {}
        self.result = context.module
        adam = torch.optim.Adam(context.module.parameters(), lr=options.lr)
        self.optimizers: MutableMapping[str, torch.optim.Optimizer] = {"network": adam}
        self.schedulers: Mapping[str, torch.optim.lr_scheduler.LRScheduler] = {
            "network": torch.optim.lr_scheduler.ReduceLROnPlateau(
                adam, factor=options.plateau_factor, patience=options.plateau_patience
            )
        }
        self._style = open_image(options.style, size=options.style_size)
        self._loss = build_loss(options, self._style, device=context.device)
        self._validation, self._test = context.images.validation, context.images.test
        self._device = context.device
        self._batch, self._shown = options.batch, options.samples

    def losses(self, batch: Batch, step: int) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
        """One optimiser, four terms: content, style, tv and their total, means over the batch."""
        images = batch["image"]
        terms: LossTerms = self._loss(self.networks["network"](images), images)
        yield (
            "network",
            {
                "content": terms.content.mean(),
                "style": terms.style.mean(),
                "tv": terms.tv.mean(),
                "total": terms.total.mean(),
            },
        )

    def validate(self) -> Mapping[str, float]:
        """Means over the validation images; empty where there are none."""
        sums = {"loss": 0.0, "content": 0.0, "style": 0.0, "tv": 0.0}
        count = len(self._validation)
        for start in range(0, count, self._batch):
            images = self._stack(self._validation, range(start, min(start + self._batch, count)))
            terms: LossTerms = self._loss(self.networks["network"](images), images)
            for name, term in (("content", terms.content), ("style", terms.style), ("tv", terms.tv)):
                sums[name] += float(term.sum())
            sums["loss"] += float(terms.total.sum())
        return {name: value / count for name, value in sums.items()} if count else {}

    def samples(self, *, final: bool) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """The style, and the first test images with what the network makes of them."""
        yield ImageRecord(path="", role="style", caption="style"), self._style
        for index in range(min(self._shown, len(self._test))):
            images = self._stack(self._test, range(index, index + 1))
            name = self._test.names[index]
            yield ImageRecord(path="", role="content", index=index, caption=name), images[0]
            yield (
                ImageRecord(path="", role="output", index=index, caption=name),
                self.networks["network"](images)[0],
            )

    def _stack(self, images: ImageSet, indices: range) -> torch.Tensor:
        return torch.stack([images[index] for index in indices]).to(self._device).float().div_(255)


def build_loss(options: LossOptions, style: torch.Tensor, *, device: torch.device) -> PerceptualLoss:
    """The loss with its extractor, on `device`. `style` is uint8 [3, H, W]."""
    features = load_vgg(loss_layers(options), options.features).to(device)
    return PerceptualLoss(features, style.to(device).float() / 255, options).to(device)


def build_task(context: TrainingContext, options: PerceptualOptions) -> PerceptualTask:
    """The task of a cell.

    Raises:
        CheckpointError: VGG-16 weights that were asked for are not here.
        DataError: the style picture cannot be read.
    """
    return PerceptualTask(context, options)


recipe = Recipe(options=PerceptualOptions, task=build_task)
