"""What a network is given: examples of the data, and what is drawn where it takes no data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from benchbench.core.contracts import Subject
from benchbench.core.errors import OptionError
from benchbench.core.examples import ImageSet, example_of, inputs_of, require_fields
from benchbench.data.collate import collate

# Latents beyond it are drawn anew; more draws than this and the cut-off is too narrow to be meant.
_REDRAWS = 1000


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


def draw_inputs(
    subject: Subject,
    contents: ImageSet | None,
    indices: Sequence[int],
    *,
    seed: int,
    signed: bool,
    truncation: float | None = None,
) -> list[Tensor]:
    """One batch of inputs on the CPU, [n, ...] each: examples `indices` of the contents, or drawn.

    Input i is made from (seed, i) alone, so that it is the same whatever the batch.

    Args:
        signed: whether the network takes pixels in -1..1 rather than in 0..1.
        truncation: latents are drawn from a normal cut off at this many deviations.
    """
    fields = fields_taken(subject)
    given = _examples(contents, indices, seed=seed, signed=signed)
    found = []
    for place, example in enumerate(subject.inputs):
        known = given.get(fields[place])
        if known is None:
            known = torch.stack([_drawn(example, place, index, seed, truncation) for index in indices])
        found.append(known)
    return found


def _examples(
    contents: ImageSet | None, indices: Sequence[int], *, seed: int, signed: bool
) -> dict[str, Tensor]:
    """Fields of the contents at `indices`, pictures in the network's range."""
    if contents is None:
        return {}
    found = collate([example_of(contents, index, _seed(seed, 0, index)) for index in indices])
    found.setdefault("input", found["image"])
    if signed:
        found["input"] = found["input"] * 2 - 1
    return found


def _drawn(example: Tensor, place: int, index: int, seed: int, truncation: float | None) -> Tensor:
    """One input without its batch dimension, of the example's kind, from (seed, place, index) alone."""
    generator = torch.Generator().manual_seed(_seed(seed, place, index))
    shape = example.shape[1:]
    if not example.is_floating_point():
        # The example shows which values there are; nothing else here does.
        choices = example.reshape(-1)
        return choices[torch.randint(len(choices), shape, generator=generator)]
    if example.dim() == 4 and bool(((example == 0) | (example == 1)).all()):
        return example[0]
    drawn = torch.randn(shape, generator=generator)
    if truncation is None:
        return drawn
    for _ in range(_REDRAWS):
        beyond = drawn.abs() > truncation
        if not beyond.any():
            return drawn
        drawn[beyond] = torch.randn(int(beyond.sum()), generator=generator)
    raise OptionError(f"truncation: {truncation} keeps next to nothing", expected="0.1 or more")


def _seed(seed: int, place: int, index: int) -> int:
    state = np.random.SeedSequence((seed, place, index)).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))
