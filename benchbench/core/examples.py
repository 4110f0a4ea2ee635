"""Images and what belongs to each of them: what data sources give, and recipes and measures take.

Torch appears in annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from benchbench.core.errors import DataError
from benchbench.core.model import Options

if TYPE_CHECKING:
    import torch

Batch = Mapping[str, "torch.Tensor"]
"""One step's examples by field, batch first: pictures as float in 0..1, the rest as float or int64."""


class ImageSet(Protocol):
    """A sequence of images; `[i]` is a uint8 tensor [3, H, W] in RGB."""

    names: Sequence[str]

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> torch.Tensor: ...


@runtime_checkable
class ExampleSet(Protocol):
    """An ImageSet whose images come with more than their pixels.

    `[i]` is the image that a generator is to make; `example` has it as `image`, and of these what `fields`
    names:

        input       uint8 [3, H, W], the picture that it is to be made of
        layout      bool [C, H, W], the map that it is to be made of: one channel per class, then edges
        attributes  float32 [A] of 0 and 1, what is to be seen on it (one class is one 1)
        target      float32 [A], attributes that it is to be given: those of another image

    Attributes:
        fields: what `example` gives, `image` first.
        inputs: the pictures of `input`, all of them, each once; None without that field. As many as images
            where they are pairs, of any number else.
    """

    names: Sequence[str]
    fields: tuple[str, ...]
    inputs: ImageSet | None

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> torch.Tensor: ...

    def example(self, index: int, draw: int) -> Batch:
        """The fields of image `index`, without a batch dimension.

        `draw` is a seed: all that is random in an example (which unpaired input stands beside it, which
        target, a crop, a flip) depends on it and on `index` alone. Called from several threads.
        """
        ...


@dataclass(frozen=True, slots=True)
class Splits:
    """Train, validation and test images that share no pixel, and a digest of their content.

    Attributes:
        left_out: the files that the suite asked to pass over, each with its reason.
        classes: what the entries of `attributes`, or the first channels of `layout`, are called.
    """

    train: ImageSet
    validation: ImageSet
    test: ImageSet
    digest: str
    left_out: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """Where images come from. `open` is given the options and the cell's seed.

    Attributes:
        fields: what its examples have, `image` first; `benchbench list sources` shows what the first line
            of its module's docstring says of it.
    """

    options: type[Options]
    open: Callable[[Any, int], Splits]
    fields: tuple[str, ...] = ("image",)


def fields_of(images: ImageSet) -> tuple[str, ...]:
    """What each example of a set has: `image` alone for a plain one."""
    return images.fields if isinstance(images, ExampleSet) else ("image",)


def example_of(images: ImageSet, index: int, draw: int) -> Batch:
    """The fields of one image, of any set."""
    return images.example(index, draw) if isinstance(images, ExampleSet) else {"image": images[index]}


def inputs_of(images: ImageSet) -> ImageSet:
    """What an image-to-image network is given: the images themselves where there are no inputs."""
    if isinstance(images, ExampleSet) and images.inputs is not None:
        return images.inputs
    return images


def require_fields(images: ImageSet, fields: Sequence[str], *, what: str) -> None:
    """Whoever needs them has them.

    Args:
        what: who needs them, for the message: `recipe 'pix2pix'`.

    Raises:
        DataError: one is missing.
    """
    given = fields_of(images)
    missing = [name for name in fields if name not in given]
    if missing:
        raise DataError(
            f"{what} needs examples with {', '.join(fields)}, and the data give {', '.join(given)}",
            expected=f"a data source with '{missing[0]}'",
            fix="`benchbench list sources` says what each gives",
        )
