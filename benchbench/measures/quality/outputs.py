"""What a network makes, as images: of contents, or of seeded latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchbench.core.arguments import assemble
from benchbench.core.contracts import ImageSet, Subject
from benchbench.core.errors import DataError, MeasurementError, OptionError
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.store import fill_atomically
from benchbench.measures.quality.options import QualityOptions

# Latents beyond it are drawn anew; more draws than this and the cut-off is too narrow to be meant.
_REDRAWS = 1000


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


def takes_images(subject: Subject) -> bool:
    """Whether its first input is a picture: float [n, 3, H, W]."""
    first = subject.inputs[0]
    return first.dim() == 4 and first.shape[1] == 3 and first.is_floating_point()


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
    if takes_images(subject) and contents is None:
        raise DataError(
            f"'{subject.name}' turns images into images, and has none to turn",
            fix="declare the suite's data, or 'contents' of the quality measure",
        )
    signed = pixel_range(subject, options) == "signed"
    weight = next(subject.module.parameters(), torch.empty(0))
    was_training = subject.module.training
    subject.module.eval()
    try:
        for start in range(0, count, options.batch):
            indices = range(start, min(start + options.batch, count))
            inputs = [
                _input(place, example, indices, options, contents, signed=signed).to(
                    weight.device, weight.dtype if example.is_floating_point() else None
                )
                for place, example in enumerate(subject.inputs)
            ]
            # Fresh noise inside the network is part of what it makes: the same for the same seed.
            with torch.inference_mode(), torch.random.fork_rng(devices=_devices(weight)):
                torch.manual_seed(options.seed * 1_000_003 + start)
                args, kwargs = assemble(inputs, list(subject.places) or [""] * len(inputs))
                made = subject.module(*args, **kwargs)
            yield _as_bytes(made, subject.name, count=len(indices), signed=signed)
    finally:
        subject.module.train(was_training)


def _input(
    place: int,
    example: Tensor,
    indices: Sequence[int],
    options: QualityOptions,
    contents: ImageSet | None,
    *,
    signed: bool,
) -> Tensor:
    if place == 0 and contents is not None:
        pictures = torch.stack([contents[index] for index in indices]).float().div(255)
        return pictures * 2 - 1 if signed else pictures
    return torch.stack([_drawn(example, place, index, options) for index in indices])


def _drawn(example: Tensor, place: int, index: int, options: QualityOptions) -> Tensor:
    """One input without its batch dimension, of the example's kind, from (seed, place, index) alone."""
    state = np.random.SeedSequence((options.seed, place, index)).generate_state(1, np.uint64)
    generator = torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))
    shape = example.shape[1:]
    if not example.is_floating_point():
        # The example shows which values there are; nothing else here does.
        choices = example.reshape(-1)
        return choices[torch.randint(len(choices), shape, generator=generator)]
    if example.dim() == 4 and bool(((example == 0) | (example == 1)).all()):
        return example[0]
    drawn = torch.randn(shape, generator=generator)
    if options.truncation is None:
        return drawn
    for _ in range(_REDRAWS):
        beyond = drawn.abs() > options.truncation
        if not beyond.any():
            return drawn
        drawn[beyond] = torch.randn(int(beyond.sum()), generator=generator)
    raise OptionError(f"truncation: {options.truncation} keeps next to nothing", expected="0.1 or more")


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
