"""The base of everything that is stored or declared: frozen, and strict about unknown keys."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from benchbench.core.errors import OptionError, nearest

__all__ = ["Frozen", "JsonValue", "Options", "canonical_json", "explain_validation", "parse_options"]


class Frozen(BaseModel):
    """An immutable record; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Options(BaseModel):
    """Base of the options of an architecture, replacement, recipe, source or measure.

    Strict: the text "3" is not the number 3, and an unknown key is an error.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


OptionsT = TypeVar("OptionsT", bound=Options)


def canonical_json(value: JsonValue) -> str:
    """One text for one value: keys sorted, no spaces; what content ids are made from."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def explain_validation(
    error: ValidationError, known_keys: Sequence[str] | None = None
) -> tuple[tuple[str | int, ...], str, str | None, str | None]:
    """The first complaint of a validation as (place, problem, expected, fix)."""
    first = error.errors(include_url=False)[0]
    place = tuple(first["loc"])
    given = first.get("input")
    if first["type"] == "extra_forbidden":
        key = str(place[-1])
        match = nearest(key, known_keys or ())
        expected = f"one of {', '.join(known_keys)}" if known_keys else None
        return place, f"unknown key '{key}'", expected, f"did you mean '{match}'?" if match else None
    if first["type"] == "missing":
        return place, f"key '{place[-1]}' is missing", None, f"add '{place[-1]}'"
    if first["type"] == "value_error":
        return place, first["msg"].removeprefix("Value error, "), None, None
    text = json.dumps(given, default=str)
    shown = text if len(text) <= 80 else f"{text[:77]}..."
    message = first["msg"]
    return place, f"got {shown}", message[:1].lower() + message[1:], None


def parse_options(kind: str, name: str, model: type[OptionsT], given: Mapping[str, JsonValue]) -> OptionsT:
    """The options of `name`, checked.

    Raises:
        OptionError: an unknown option or a value of the wrong type or range; the error's
            `option` attribute holds its dotted path.
    """
    try:
        # Through JSON, because strict Python mode would refuse a list where a tuple is declared.
        return model.model_validate_json(json.dumps(dict(given), allow_nan=False))
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, tuple(model.model_fields))
        dotted = ".".join(str(part) for part in place)
        failure = OptionError(f"{kind} '{name}': option {dotted}: {problem}", expected=expected, fix=fix)
        failure.option = place  # type: ignore[attr-defined]
        raise failure from None
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{kind} '{name}': options are not plain values ({error})",
            expected="numbers, texts, true/false, lists and mappings",
        ) from None
