"""A session with the face of a module, so that whatever takes a network takes a deployed one too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from benchbench.backends.flat import Structure
from benchbench.core.arguments import take_apart
from benchbench.core.backends import Session
from benchbench.core.errors import UnsupportedDeploymentError


class Deployed(nn.Module):
    """Calls a session as the module that it was made from would be called; float32 on the CPU in and out.

    A session that was opened for fixed shapes takes any number of inputs, one batch of its own size after the
    other; the last one is filled up with its last input, and what comes of that is left out.

    Args:
        session: what runs it.
        inputs: the example inputs that it was opened for.
        places: where each goes in the call.
        fixed: whether it takes those shapes alone.
        label: what it is called in messages.
        structure: the nest that the network returns; None leaves a tuple of its tensors, or the only one.
    """

    def __init__(
        self,
        session: Session,
        inputs: tuple[Tensor, ...],
        *,
        places: tuple[str, ...] = (),
        fixed: bool,
        label: str,
        structure: Structure | None = None,
    ) -> None:
        super().__init__()
        self.session = session
        self.label = label
        self._shapes = tuple(tuple(each.shape) for each in inputs)
        self._places = places or ("",) * len(inputs)
        self._fixed = fixed
        self._structure = structure

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the network makes of its inputs, [n, ...] each: a tensor, or a nest or tuple of them.

        Raises:
            TypeError: it is called with other arguments than it was opened for.
            UnsupportedDeploymentError: other shapes than it was opened for, the batch aside, or several
                batches of a network with a result that is not one per input; another number of results
                than the network's of its example inputs.
        """
        made = self._run(take_apart(args, kwargs, self._places))
        return made if self._structure is None else self._structure.rebuild(made)

    def _run(self, given: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
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
        if not same or own == 0 or count == 0:
            raise UnsupportedDeploymentError(
                f"{self.label} was opened for {_shapes(self._shapes)}, and was given "
                f"{_shapes(tuple(tuple(each.shape) for each in given))}",
                expected="those shapes, or another number of such inputs",
                fix="declare `shapes: dynamic` for it, or the network's `input` as large as the data",
            )
        whole = tuple(_filled_up(each, -count % own) for each in given)
        made = [
            self.session.run(tuple(each[start : start + own] for each in whole))
            for start in range(0, count, own)
        ]
        parts = [(part,) if isinstance(part, Tensor) else part for part in made]
        for part in parts[0]:
            if part.shape[:1] != (own,):
                raise UnsupportedDeploymentError(
                    f"{self.label} was opened for {own} at a time and given {count}, and a result of it has "
                    f"the shape {list(part.shape)}: not one per input",
                    fix="declare `shapes: dynamic` for it, or the network's `input` as large as the data",
                )
        joined = tuple(torch.cat(each)[:count] for each in zip(*parts, strict=True))
        return joined[0] if isinstance(made[0], Tensor) else joined


def _filled_up(values: Tensor, missing: int) -> Tensor:
    return torch.cat([values, *([values[-1:]] * missing)]) if missing else values


def _shapes(shapes: tuple[tuple[int, ...], ...]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes)
