"""Where example tensors go in a call: positional, by keyword, or as an entry of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def take_apart(args: Sequence[Any], kwargs: Mapping[str, Any], places: Sequence[str]) -> tuple[Any, ...]:
    """The flat sequence that `assemble` made a call of: its inverse.

    Raises:
        TypeError: the call does not have the places' arguments.
    """
    found: list[Any] = []
    left = iter(args)
    shared: Any = None
    try:
        for place in places:
            head, dot, entry = place.partition(".")
            if not dot:
                shared = None
                found.append(kwargs[head] if head else next(left))
            elif head:
                found.append(kwargs[head][entry])
            else:
                shared = next(left) if shared is None else shared
                found.append(shared[entry])
    except (KeyError, StopIteration) as error:
        raise TypeError(f"the call has no argument for the place {place!r}") from error
    if next(left, None) is not None:
        raise TypeError(f"the call has {len(args)} positional arguments, and {len(places)} values are known")
    return tuple(found)
