"""What a network makes, as images: of contents, or of seeded latents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Subject
from benchbench.core.errors import DataError, MeasurementError, OptionError
from benchbench.core.examples import ImageSet, example_of, inputs_of, require_fields
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.store import fill_atomically
from benchbench.data.collate import collate
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


def fields_taken(subject: Subject) -> tuple[str, ...]:
    """What each input is of an example (core/examples.py); "" for what is drawn.

    Of a network that says nothing, a first input float [n, 3, H, W] is a picture.
    """
    said = tuple(spec.field for spec in subject.specs) or ("",) * len(subject.inputs)
    first = subject.inputs[0]
    is_picture = first.dim() == 4 and first.shape[1] == 3 and first.is_floating_point()
    return ("input", *said[1:]) if not any(said) and is_picture else said


def contents_among(subject: Subject, images: ImageSet) -> ImageSet | None:
    """What the network is given of a set of examples; None for one that is given latents alone.

    Raises:
        DataError: it needs what the examples do not have: a label map, attributes.
    """
    taken = [name for name in fields_taken(subject) if name]
    if not taken:
        return None
    if taken == ["input"]:
        return inputs_of(images)
    # A picture may be its own input: a translation into another domain.
    needed = [name for name in taken if name != "input"]
    require_fields(images, needed, what=f"'{subject.name}'")
    return images


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
            given = _examples(contents, indices, options, signed=signed)
            inputs = [
                _input(place, example, indices, options, given.get(fields[place])).to(
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


def _examples(
    contents: ImageSet | None, indices: Sequence[int], options: QualityOptions, *, signed: bool
) -> dict[str, Tensor]:
    """Fields of the contents at `indices`, pictures in the network's range."""
    if contents is None:
        return {}
    found = collate([example_of(contents, index, _seed(options, 0, index)) for index in indices])
    found.setdefault("input", found["image"])
    if signed:
        found["input"] = found["input"] * 2 - 1
    return found


def _input(
    place: int,
    example: Tensor,
    indices: Sequence[int],
    options: QualityOptions,
    given: Tensor | None,
) -> Tensor:
    if given is not None:
        return given
    return torch.stack([_drawn(example, place, index, options) for index in indices])


def _drawn(example: Tensor, place: int, index: int, options: QualityOptions) -> Tensor:
    """One input without its batch dimension, of the example's kind, from (seed, place, index) alone."""
    generator = torch.Generator().manual_seed(_seed(options, place, index))
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


def _seed(options: QualityOptions, place: int, index: int) -> int:
    state = np.random.SeedSequence((options.seed, place, index)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


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
