"""What a deployed file takes, held against what its network takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from benchbench.core.errors import ArtefactError


class Taken(NamedTuple):
    """One input of a file.

    Attributes:
        shape: its sizes; None is an open one.
        dtype: by torch's name for it: `float32`, `int64`.
    """

    shape: tuple[int | None, ...]
    dtype: str

    def __str__(self) -> str:
        sizes = ("?" if each is None else str(each) for each in self.shape)
        return f"[{', '.join(sizes)}] of {self.dtype}"


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for torch.float32."""
    return str(dtype).removeprefix("torch.")


def in_dtype(inputs: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """A network's inputs as a file in that precision takes them: whole numbers stay what they are."""
    return tuple(each.to(dtype) if each.is_floating_point() else each for each in inputs)


def check_inputs(taken: Sequence[Taken], inputs: Sequence[Tensor], path: Path | None) -> None:
    """Whether a file takes what it is to be given: a library may cast what it does not take, unasked.

    Args:
        inputs: the network's, in the file's precision.

    Raises:
        ArtefactError: it does not.
    """
    own = [Taken(tuple(each.shape), dtype_name(each.dtype)) for each in inputs]
    if len(taken) != len(own) or not all(map(_takes, taken, own)):
        told, wanted = (", ".join(map(str, each)) or "nothing" for each in (taken, own))
        raise ArtefactError(f"{path} takes {told}, and the network {wanted}", fix="export it again")


def _takes(taken: Taken, given: Taken) -> bool:
    return (
        taken.dtype == given.dtype
        and len(taken.shape) == len(given.shape)
        and all(size in (None, own) for size, own in zip(taken.shape, given.shape, strict=True))
    )
