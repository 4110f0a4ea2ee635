"""The base of everything that is stored or declared: frozen, and strict about unknown keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from inspect import isclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from benchbench.core.errors import OptionError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = [
    "Complaint",
    "Frozen",
    "JsonValue",
    "OneOrMore",
    "Options",
    "canonical_json",
    "dump_declared",
    "explain_validation",
    "known_keys",
    "parse_options",
]

_KINDS = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "list_type": "a list",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "tuple_type": "a list",
}


class Frozen(BaseModel):
    """An immutable record; an unknown key is an error."""

    # A NaN that became null could not be read back.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="constants"
    )


class Options(BaseModel):
    """Base of the options of an architecture, replacement, recipe, source or measure.

    Strict: the text "3" is not the number 3, and an unknown key is an error. A field that takes one
    value or a list of them is a `OneOrMore`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


OptionsT = TypeVar("OptionsT", bound=Options)
ItemT = TypeVar("ItemT")


class _OneOrMore:
    # A plain `BeforeValidator` will not do: behind one, pydantic's strict mode takes no list for a tuple,
    # and the JSON Schema would not know the short form.
    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        many = {**handler(source), "strict": False, "min_length": 1}
        return core_schema.no_info_before_validator_function(_as_list, cast("CoreSchema", many))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many, many["items"]]}


def _as_list(value: object) -> object:
    return value if isinstance(value, (list, tuple)) else [value]


OneOrMore = Annotated[tuple[ItemT, ...], _OneOrMore()]
"""A tuple that may be declared as its only item: `threads: 2` for `threads: [2]`; never empty."""


class Complaint(NamedTuple):
    """One thing that is wrong in a declared value, and where in it."""

    place: tuple[str | int, ...]
    problem: str
    expected: str | None
    fix: str | None


def canonical_json(value: JsonValue) -> str:
    """One text for one value: keys sorted, no spaces; what content ids are made from."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def known_keys(model: type[BaseModel], place: tuple[str | int, ...] = ()) -> tuple[str, ...]:
    """The keys that `model` takes at a place inside it; empty where any key goes or none does."""
    annotation: object = model
    for part in place:
        annotation = next(_steps(annotation, part), None)
    for arm in _arms(annotation):
        if isclass(arm) and issubclass(arm, BaseModel):
            return tuple(field.alias or name for name, field in arm.model_fields.items())
    return ()


def _arms(annotation: object) -> Iterator[object]:
    # `Annotated[A | None, ...]` has the arms A and None.
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _arms(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for arm in get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation


def _steps(annotation: object, part: str | int) -> Iterator[object]:
    for arm in _arms(annotation):
        if isclass(arm) and issubclass(arm, BaseModel):
            for name, field in arm.model_fields.items():
                if part in (name, field.alias):
                    yield field.annotation
        elif get_origin(arm) in (tuple, list):
            yield get_args(arm)[0]
        elif get_args(arm):
            yield get_args(arm)[-1]


def explain_validation(error: ValidationError, model: type[BaseModel]) -> Complaint:
    """The complaint of a validation that most likely names the cause, in plain words."""
    details = error.errors(include_url=False)
    # A misspelt key is reported as two faults, a missing key and an unknown one: the second tells more.
    first = next((each for each in details if each["type"] == "extra_forbidden"), details[0])
    place = tuple(part for part in first["loc"] if part != "[key]")
    kind, given = first["type"], first.get("input")
    if kind == "extra_forbidden":
        known = known_keys(model, place[:-1])
        match = nearest(str(place[-1]), known)
        expected = f"one of {', '.join(sorted(known))}" if known else None
        return Complaint(
            place, f"unknown key '{place[-1]}'", expected, f"did you mean '{match}'?" if match else None
        )
    if kind == "missing":
        present = set(given) - set(known_keys(model, place[:-1])) if isinstance(given, dict) else set()
        match = nearest(str(place[-1]), (str(key) for key in present))
        fix = f"add '{place[-1]}'" + (f", or is it what '{match}' was meant to be?" if match else "")
        return Complaint(place, f"key '{place[-1]}' is missing", None, fix)
    if kind == "value_error":
        return Complaint(place, first["msg"].removeprefix("Value error, "), None, None)
    return Complaint(place, f"got {_shown(given)}", _expectation(first), _remedy(first))


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _expectation(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _KINDS:
        return _KINDS[kind]
    if kind == "too_short":
        return f"{context['min_length']} or more entries"
    if kind == "string_pattern_mismatch":
        return f"text that matches {context['pattern']}"
    message = detail["msg"].removeprefix("Input should be ")
    return message[:1].lower() + message[1:]


def _remedy(detail: ErrorDetails) -> str | None:
    given = detail.get("input")
    if not isinstance(given, str):
        return None
    if detail["type"] == "literal_error":
        match = nearest(given, re.findall(r"'([^']*)'", detail.get("ctx", {})["expected"]))
        return f"did you mean '{match}'?" if match else None
    if _KINDS.get(detail["type"]) in ("a number", "a whole number"):
        if re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", given):
            # YAML 1.1 wants a point in the mantissa, and a sign in the exponent.
            mantissa, exponent = re.split("[eE]", given)
            sign = "" if exponent[0] in "+-" else "+"
            return f"write {mantissa}.0e{sign}{exponent}; YAML reads {given} as text"
        if re.fullmatch(r"[-+]?[\d.]+([eE][-+]?\d+)?", given):
            return "write it without quotes"
    return None


def parse_options(kind: str, name: str, model: type[OptionsT], given: Mapping[str, JsonValue]) -> OptionsT:
    """The options of `name`, checked.

    Raises:
        OptionError: an unknown option or a value of the wrong type or range; the error's
            `option` holds its place among the options.
    """
    try:
        # Through JSON, because strict Python mode would refuse a list where a tuple is declared.
        return model.model_validate_json(json.dumps(dict(given), allow_nan=False))
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, model)
        dotted = ".".join(str(part) for part in place)
        if problem.startswith("unknown key"):
            told = f"unknown option '{dotted}'"
            expected = expected or "no option"
        else:
            told = f"option {dotted}: {problem}" if dotted else problem
        raise OptionError(f"{kind} '{name}': {told}", expected=expected, fix=fix, option=place) from None
    except (TypeError, ValueError) as error:
        raise OptionError(
            f"{kind} '{name}': options are not plain values ({error})",
            expected="numbers, texts, true/false, lists and mappings",
        ) from None


def dump_declared(value: BaseModel) -> dict[str, Any]:
    """What was declared, as plain values under the keys of a suite file, without any default."""
    return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
