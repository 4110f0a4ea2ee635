"""What a network makes, as images: of contents, or of seeded latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Subject
from benchbench.core.errors import DataError, MeasurementError, OptionError
from benchbench.core.examples import ImageSet
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.store import fill_atomically
from benchbench.measures.drawn_inputs import draw_inputs, fields_taken
from benchbench.measures.quality.options import QualityOptions


def pixel_range(subject: Subject, options: QualityOptions) -> str:
    """-1..1 (`signed`) or 0..1 (`unit`), as declared; never guessed from values.

    Raises:
        OptionError: an imported network whose range nobody declares.
    """
    if options.range is not None:
        return options.range
    spec = subject.cell.architecture if subject.cell is not None else None
    if spec is None or spec.name is None:
        raise OptionError(
            f"'{subject.name}' does not say the range of its pixels",
            expected="range: signed (-1..1) or range: unit (0..1)",
            fix="add it to the quality measure",
        )
    return ARCHITECTURES.load(spec.name).values


def write_outputs(
    subject: Subject,
    path: Path,
    options: QualityOptions,
    *,
    contents: ImageSet | None,
    count: int,
    progress: Callable[[int, int], None],
) -> None:
    """Run the network and keep what it makes at `path`: uint8 [count, 3, H, W], rounded, as .npy.

    Args:
        contents: for an image-to-image network; `[i]` becomes output i.
        count: how many.
        progress: told (made, in all).

    Raises:
        MeasurementError: outputs that are no pictures, not finite, or of changing size.
        StoreError: the file cannot be written.
    """

    def fill(temporary: Path) -> None:
        kept: np.memmap[tuple[int, ...], np.dtype[np.uint8]] | None = None
        done = 0
        for made in make_outputs(subject, options, contents=contents, count=count):
            if kept is None:
                shape = (count, *made.shape[1:])
                kept = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)
            if kept.shape[1:] != made.shape[1:]:
                raise MeasurementError(
                    f"'{subject.name}' made images of {list(made.shape[1:])} after {list(kept.shape[1:])}",
                    expected="one size; contents of one size",
                )
            kept[done : done + len(made)] = made.numpy()
            done += len(made)
            progress(done, count)
        assert kept is not None
        kept.flush()

    fill_atomically(path, fill)


def make_outputs(
    subject: Subject, options: QualityOptions, *, contents: ImageSet | None, count: int
) -> Iterator[Tensor]:
    """Batches of outputs, uint8 [n, 3, H, W] on the CPU, `count` in all.

    Input i is drawn from (seed, i), so that it is the same whatever the batch; the network's own noise is
    seeded batch by batch.

    Raises:
        MeasurementError: outputs that are no pictures or not finite.
        DataError: an image-to-image network without contents.
    """
    fields = fields_taken(subject)
    if any(fields) and contents is None:
        raise DataError(
            f"'{subject.name}' is given {' and '.join(filter(None, fields))}, and there is none",
            fix="declare the suite's data, or 'contents' of the quality measure",
        )
    signed = pixel_range(subject, options) == "signed"
    weight = next(subject.module.parameters(), torch.empty(0))
    was_training = subject.module.training
    subject.module.eval()
    try:
        for start in range(0, count, options.batch):
            indices = range(start, min(start + options.batch, count))
            drawn = draw_inputs(
                subject,
                contents,
                indices,
                seed=options.seed,
                signed=signed,
                truncation=options.truncation,
            )
            inputs = [
                each.to(weight.device, weight.dtype if each.is_floating_point() else None) for each in drawn
            ]
            # Fresh noise inside the network is part of what it makes: the same for the same seed.
            with torch.inference_mode(), torch.random.fork_rng(devices=_devices(weight)):
                torch.manual_seed(options.seed * 1_000_003 + start)
                args, kwargs = assemble(inputs, list(subject.places) or [""] * len(inputs))
                made = subject.module(*args, **kwargs)
            yield _as_bytes(made, subject.name, count=len(indices), signed=signed)
    finally:
        subject.module.train(was_training)


def _as_bytes(made: object, name: str, *, count: int, signed: bool) -> Tensor:
    # Networks with several heads give the picture first.
    image = made[0] if isinstance(made, (tuple, list)) and made else made
    if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[:2] != (count, 3):
        told = list(image.shape) if isinstance(image, Tensor) else type(image).__name__
        raise MeasurementError(
            f"'{name}' made {told} of {count} inputs", expected=f"images: float [{count}, 3, height, width]"
        )
    values = image.float()
    if not torch.isfinite(values).all():
        raise MeasurementError(f"'{name}' made images with NaN or infinity", fix="look at its training")
    unit = (values + 1) / 2 if signed else values
    return (unit.clamp(0, 1) * 255).round().to(torch.uint8).cpu()


def _devices(weight: Tensor) -> list[torch.device]:
    return [weight.device] if weight.is_cuda else []
