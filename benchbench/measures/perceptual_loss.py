"""Content, style and perceptual loss of a network's outputs on the test crops."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.contracts import Measure, MeasureContext, Measured, Subject
from benchbench.core.errors import DataError
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.core.model import JsonValue, Options, parse_options
from benchbench.data.images import digest_of, open_image
from benchbench.quality.bootstrap import bootstrap_interval
from benchbench.quality.perceptual import LossOptions, LossTerms, PerceptualLoss, loss_layers
from benchbench.quality.vgg_weights import load_vgg, weights_hash

_NAME = "perceptual_loss"


class PerceptualLossOptions(Options):
    """Options of the measure.

    Attributes:
        loss: what the loss is made of; that of the cell's `perceptual` recipe unless said, so that
            what is judged is what was trained.
        crops: how many test crops; all unless said.
        resamples: of the bootstrap over crops.
    """

    loss: LossOptions | None = None
    crops: Annotated[int, Field(ge=1)] | None = None
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 2000


def measure_perceptual_loss(
    subject: Subject, options: PerceptualLossOptions, context: MeasureContext
) -> Measured:
    """Losses of `subject` on its cell's test crops; one sample per crop.

    Raises:
        CheckpointError: VGG-16 weights that were asked for are not here.
        DataError: the style picture or a test image cannot be read.
    """
    loss_options = options.loss or _trained_with(subject)
    if loss_options is None:
        return _unsupported(
            f"'{subject.name}' was not trained by the perceptual recipe, and no other loss is given",
            "give 'loss' to the measure: perceptual_loss: {loss: {style: ..., style_layers: [...]}}",
        )
    try:
        splits = context.images()
    except DataError as error:
        return _unsupported(error.problem, error.fix)
    count = min(options.crops or len(splits.test), len(splits.test))
    if count == 0:
        return _unsupported("the data has no test images", "give the data source a number of 'test' images")
    crops = [splits.test[index] for index in range(count)]
    style = open_image(loss_options.style, size=loss_options.style_size)
    features = load_vgg(loss_layers(loss_options), loss_options.features)
    terms = _terms_of(subject, PerceptualLoss(features, style.float() / 255, loss_options), crops)
    settings: dict[str, JsonValue] = {
        "extractor": features.label,
        "weights_hash": weights_hash(features),
        "pool": loss_options.features.pool,
        "content_layer": loss_options.content_layer,
        "style_layers": list(loss_options.style_layers),
        "content_weight": loss_options.content_weight,
        "style_weight": loss_options.style_weight,
        "tv_weight": loss_options.tv_weight,
        "style_digest": digest_of([style]),
        "crops_digest": digest_of(crops),
        "crops": count,
        "size": list(crops[0].shape[-2:]),
        "aggregate": "mean",
    }
    flags: tuple[str, ...] = ()
    if loss_options.features.weights == "random":
        flags = (f"{features.label}: not comparable to the paper",)
    measurements = []
    for name, values in (
        ("perceptual_loss", terms.total),
        ("content_loss", terms.content),
        ("style_loss", terms.style),
    ):
        samples = tuple(values.double().tolist())
        measurements.append(
            Measurement(
                name=name,
                unit="1",
                direction="lower",
                value=sum(samples) / count,
                samples=(samples,),
                interval=bootstrap_interval(samples, resamples=options.resamples, seed=context.seed),
                protocol=Protocol(name=_NAME, settings=settings),
                provenance="benchbench.measures.perceptual_loss",
                flags=flags,
            )
        )
    return Measured(measurements=tuple(measurements))


def _trained_with(subject: Subject) -> LossOptions | None:
    train = subject.cell.train if subject.cell is not None else None
    if train is None or train.recipe != "perceptual":
        return None
    # The recipe's options hold those of the loop beside those of the loss.
    given = {key: value for key, value in train.options.items() if key in LossOptions.model_fields}
    return parse_options("recipe", train.recipe, LossOptions, given)


def _terms_of(subject: Subject, loss: PerceptualLoss, crops: list[torch.Tensor]) -> LossTerms:
    weight = next(subject.module.parameters(), torch.empty(0))
    loss.to(weight.device)
    was_training = subject.module.training
    subject.module.eval()
    found: list[LossTerms] = []
    try:
        with torch.inference_mode():
            for crop in crops:
                # One at a time: features must not depend on how many crops there are.
                image = crop.to(weight.device).float().div(255).unsqueeze(0)
                found.append(loss(subject.module(image.to(weight.dtype)).float(), image))
    finally:
        subject.module.train(was_training)
    return LossTerms(
        content=torch.cat([each.content for each in found]).cpu(),
        style=torch.cat([each.style for each in found]).cpu(),
        tv=torch.cat([each.tv for each in found]).cpu(),
    )


def _unsupported(reason: str, fix: str | None) -> Measured:
    return Measured(failures=(Failure(of=_NAME, kind="unsupported", reason=reason, fix=fix),))


measure = Measure(
    options=PerceptualLossOptions,
    per_cell=measure_perceptual_loss,
    names=("perceptual_loss", "content_loss", "style_loss"),
)
