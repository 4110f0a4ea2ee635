"""Pictures that image-to-image recipes keep: what is given, what is made of it, what should be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from benchbench.core.examples import Batch, ImageSet, example_of
from benchbench.core.measurement import ImageRecord
from benchbench.data.collate import collate


def load_examples(images: ImageSet, indices: Iterable[int], device: torch.device) -> Batch:
    """Examples as a batch; always the same."""
    examples = collate([example_of(images, index, 0) for index in indices])
    return {name: value.to(device) for name, value in examples.items()}


def shown(
    index: int, caption: str, *, given: torch.Tensor, made: torch.Tensor, target: torch.Tensor | None = None
) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
    """The pictures of one test image, [3, H, W] in 0..1: `input`, `target` where there is one, `output`."""
    yield ImageRecord(path="", role="input", index=index, caption=caption), given
    if target is not None:
        yield ImageRecord(path="", role="target", index=index, caption=caption), target
    yield ImageRecord(path="", role="output", index=index, caption=caption), made
