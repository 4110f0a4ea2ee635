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
        TypeError: the call does not have the places' arguments, or has others too.
    """
    found: list[Any] = []
    left = iter(args)
    shared: Any = None
    for place in places:
        head, dot, entry = place.partition(".")
        try:
            if not dot:
                shared = None
                found.append(kwargs[head] if head else next(left))
            elif head:
                found.append(_entries(kwargs[head], place)[entry])
            else:
                shared = next(left) if shared is None else shared
                found.append(_entries(shared, place)[entry])
        except (KeyError, StopIteration) as error:
            raise TypeError(_lacking(args, places, place)) from error
    _refuse_others(args, kwargs, *assemble(found, places))
    return tuple(found)


def _lacking(args: Sequence[Any], places: Sequence[str], place: str) -> str:
    wanted = len(assemble(places, places)[0])
    if place.partition(".")[0] == "" and len(args) < wanted:
        return f"the call has {len(args)} positional argument{'s' * (len(args) != 1)}; it needs {wanted}"
    return f"the call has no argument for the place {place!r}"


def _entries(given: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"the place {place!r} is an entry of a dictionary, not of a {type(given).__name__}")
    return given


def _refuse_others(
    args: Sequence[Any], kwargs: Mapping[str, Any], known: Sequence[Any], known_kwargs: Mapping[str, Any]
) -> None:
    if len(args) != len(known):
        raise TypeError(f"the call has {len(args)} positional arguments, {len(known)} of them known")
    _refuse_keys(kwargs, known_kwargs, "arguments")
    pairs = (*zip(args, known, strict=True), *((kwargs[name], value) for name, value in known_kwargs.items()))
    for given, taken in pairs:
        # A value that is itself a dictionary is its place's own, and the same object.
        if taken is not given:
            _refuse_keys(given, taken, "entries")


def _refuse_keys(given: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    more = given.keys() - known.keys()
    if more:
        named, expected = (", ".join(sorted(map(str, each))) for each in (more, known))
        raise TypeError(f"the call has unknown {what}: {named}; known: {expected or 'none'}")
