"""Where example tensors go in a call: positional, by keyword, or as an entry of a dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def assemble(values: Sequence[Any], places: Sequence[str] = ()) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a call, from a flat sequence and the place of each value.

    Args:
        values: one per place.
        places: "" is the next positional argument, `timestep` a keyword, `batch.image` the entry
            `image` of a dictionary given by the keyword `batch`, and `.image` an entry of a dictionary
            that is the next positional argument (entries in a row share one). Empty: all positional.

    Returns:
        (positional arguments, keyword arguments).
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    shared: dict[str, Any] | None = None
    for value, place in zip(values, places or [""] * len(values), strict=True):
        head, dot, entry = place.partition(".")
        if not dot:
            shared = None
            if head:
                kwargs[head] = value
            else:
                args.append(value)
        elif head:
            kwargs.setdefault(head, {})[entry] = value
        else:
            if shared is None:
                shared = {}
                args.append(shared)
            shared[entry] = value
    return tuple(args), kwargs
