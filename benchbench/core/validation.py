"""Checks whose faults are told at the place that they are about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from benchbench.core.errors import BenchbenchError, OptionError, SuiteError, unknown_name
from benchbench.core.model import JsonValue, Options, explain_validation, parse_options
from benchbench.core.source_map import Place, SourceMap

ModelT = TypeVar("ModelT", bound=BaseModel)


def validated(model: type[ModelT], raw: Mapping[str, JsonValue], sources: SourceMap, place: Place) -> ModelT:
    """A part of a suite from plain values, with its faults told at their place.

    Raises:
        SuiteError: an unknown key, a missing one or a value of the wrong kind.
    """
    try:
        return model.model_validate(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        below, problem, expected, fix = explain_validation(error, model)
        where = sources.at((*place, *below))
        raise SuiteError(problem, expected=expected, fix=fix, where=where) from None


@contextmanager
def told_at(sources: SourceMap, place: Place) -> Iterator[None]:
    """Give every error raised inside the place it is about, unless it has one."""
    try:
        yield
    except BenchbenchError as error:
        raise error.at(sources.at(place)) from error.__cause__


def check_known(kind: str, name: str, known: Iterable[str], sources: SourceMap, place: Place) -> None:
    """Raise UnknownNameError at `place` unless `name` is known."""
    names = tuple(known)
    if name not in names:
        raise unknown_name(kind, name, names, where=sources.at(place))


def check_options(
    kind: str,
    name: str,
    model: type[Options],
    given: Mapping[str, JsonValue],
    sources: SourceMap,
    place: Place,
) -> None:
    """Check the options that a registered name is given.

    Raises:
        OptionError: an option that it does not have, or a wrong value.
    """
    try:
        parse_options(kind, name, model, given)
    except OptionError as error:
        raise error.at(sources.at((*place, *error.option))) from None
