"""A session with the face of a module, so that whatever takes a network takes a deployed one too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchbench.core.arguments import take_apart
from benchbench.core.backends import Session
from benchbench.core.errors import UnsupportedDeploymentError


class Deployed(nn.Module):
    """Calls a session as the module that it was made from would be called; float32 on the CPU in and out.

    A session that was opened for fixed shapes takes any number of inputs, one batch of its own size after the
    other.

    Args:
        session: what runs it.
        inputs: the example inputs that it was opened for.
        places: where each goes in the call.
        fixed: whether it takes those shapes alone.
        label: what it is called in messages.
    """

    def __init__(
        self,
        session: Session,
        inputs: tuple[Tensor, ...],
        *,
        places: tuple[str, ...] = (),
        fixed: bool,
        label: str,
    ) -> None:
        super().__init__()
        self.session = session
        self.label = label
        self._shapes = tuple(tuple(each.shape) for each in inputs)
        self._places = places or ("",) * len(inputs)
        self._fixed = fixed

    def forward(self, *args: Any, **kwargs: Any) -> Tensor | tuple[Tensor, ...]:
        """What the network makes of its inputs, [n, ...] each.

        Raises:
            UnsupportedDeploymentError: other shapes than it was opened for, the batch aside.
        """
        given = take_apart(args, kwargs, self._places)
        if not self._fixed or all(
            tuple(each.shape) == shape for each, shape in zip(given, self._shapes, strict=True)
        ):
            return self.session.run(given)
        return self._in_batches(given)

    def _in_batches(self, given: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
        own = self._shapes[0][0] if self._shapes[0] else 0
        count = given[0].shape[0] if given[0].dim() else 0
        same = all(
            each.shape[1:] == shape[1:] and each.shape[:1] == (count,) and shape[:1] == (own,)
            for each, shape in zip(given, map(torch.Size, self._shapes), strict=True)
        )
        if not same or own == 0 or count % own:
            raise UnsupportedDeploymentError(
                f"{self.label} was opened for {_shapes(self._shapes)}, and was given "
                f"{_shapes(tuple(tuple(each.shape) for each in given))}",
                expected="those shapes, or several batches of them",
                fix="declare `shapes: dynamic` for it, or the network's `input` as large as the data",
            )
        parts = [
            self.session.run(tuple(each[start : start + own] for each in given))
            for start in range(0, count, own)
        ]
        if isinstance(parts[0], Tensor):
            return torch.cat([part for part in parts if isinstance(part, Tensor)])
        return tuple(torch.cat(list(each)) for each in zip(*parts, strict=True))


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)
