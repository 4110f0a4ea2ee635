"""The declared `input` of an architecture: shapes, kinds of values, and arguments by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from benchbench.core.errors import nearest
from benchbench.core.model import Frozen, JsonValue

# Strict number by number, since pydantic's strict mode takes no list for a tuple behind a validator.
Shape = tuple[Annotated[int, Strict(), Field(gt=0)], ...]


class TensorInput(Frozen):
    """One tensor that is more than a shape: `{shape: [1, 77], dtype: int64, high: 1000}`.

    Attributes:
        shape: batch first.
        dtype: float32 is drawn as `values` says, int64 are indices in 0..high-1, bool is all true.
        high: how many indices there are; int64 needs it.
        values: standard normal, or a label map: 1 in one of the channels (dimension 1) and 0 in the others.
    """

    shape: Shape
    dtype: Literal["float32", "int64", "bool"] = "float32"
    high: Annotated[int | None, Strict(), Field(gt=0)] = None
    values: Literal["normal", "one_hot"] = "normal"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.dtype == "int64" and self.high is None:
            raise ValueError("int64 indices need 'high': how many there are, for example high: 1000")
        if self.dtype != "int64" and self.high is not None:
            raise ValueError(f"'high' is of int64 indices, and the dtype is {self.dtype}; remove one of them")
        if self.values == "one_hot" and self.dtype != "float32":
            raise ValueError(f"a one_hot label map is float32, and the dtype is {self.dtype}; remove 'dtype'")
        if self.values == "one_hot" and len(self.shape) < 2:
            raise ValueError(
                f"a one_hot label map has its classes in dimension 1, and the shape is {list(self.shape)}; "
                "give batch and classes first, for example [1, 36, 256, 512]"
            )
        return self


Tensor: TypeAlias = Shape | TensorInput
Argument: TypeAlias = Tensor | dict[str, Tensor]
Arguments: TypeAlias = tuple[Argument, ...] | dict[str, Argument]

_SHAPE: TypeAdapter[Shape] = TypeAdapter(Shape)
_TENSOR = TypeAdapter(TensorInput)
_FORM = "a shape such as [1, 3, 256, 256], or {shape: ..., dtype: ..., high: ..., values: ...}"


def read_arguments(value: object) -> Arguments:
    """What a suite declares as `input`, as arguments of a call.

    Args:
        value: a shape; a list with one entry per positional argument; or a mapping, argument name ->
            entry. An entry is a shape, a mapping with `shape` (TensorInput), or a dictionary argument:
            a mapping of names to those.

    Raises:
        ValidationError: anything else, with its place.
    """
    if isinstance(value, TensorInput) or (isinstance(value, Mapping) and _is_tensor(value)):
        return (_read_tensor(value, ()),)
    if isinstance(value, Mapping):
        return {name: _read_argument(each, (name,)) for name, each in _named(value, ())}
    if not isinstance(value, (list, tuple)):
        raise _complaint(value, (), f"{_FORM}, or a list or mapping of those")
    if not value:
        raise _complaint(value, (), "one input or more, for example [1, 3, 256, 256]")
    if not any(isinstance(each, (list, tuple, Mapping, TensorInput)) for each in value):
        return (_read_tensor(value, ()),)
    arguments = tuple(_read_argument(each, (index,)) for index, each in enumerate(value))
    for index, (first, second) in enumerate(itertools.pairwise(arguments)):
        if isinstance(first, dict) and isinstance(second, dict):
            # In a flat sequence of tensors nothing would part them.
            raise _complaint(value, (index + 1,), "no two dictionaries in a row; give arguments by name")
    return arguments


def plain_arguments(value: Arguments | Argument | None) -> JsonValue:
    """`value` as a suite declares it."""
    if value is None:
        return None
    if isinstance(value, TensorInput):
        return value.model_dump(mode="json", exclude_defaults=True)
    if isinstance(value, dict):
        return {name: plain_arguments(each) for name, each in value.items()}
    return [each if isinstance(each, int) else plain_arguments(each) for each in value]


def is_shapes(arguments: Arguments) -> bool:
    """Whether it is nothing but one shape per positional argument."""
    return isinstance(arguments, tuple) and all(isinstance(each, tuple) for each in arguments)


def places_of(arguments: Arguments) -> Iterator[tuple[str, TensorInput]]:
    """Every tensor of a call with its place, as core/arguments.py reads them."""
    pairs = arguments.items() if isinstance(arguments, dict) else (("", each) for each in arguments)
    for name, argument in pairs:
        if isinstance(argument, dict):
            yield from ((f"{name}.{entry}", _as_tensor(each)) for entry, each in argument.items())
        else:
            yield name, _as_tensor(argument)


def _as_tensor(value: Tensor) -> TensorInput:
    return value if isinstance(value, TensorInput) else TensorInput(shape=value)


def _is_tensor(value: Mapping[Any, Any]) -> bool:
    # A misspelt `shape` beside `dtype: int64` is no dictionary of tensors.
    return "shape" in value or any(
        key in TensorInput.model_fields and isinstance(each, (str, int)) for key, each in value.items()
    )


def _read_argument(value: object, place: tuple[str | int, ...]) -> Argument:
    if isinstance(value, Mapping) and not _is_tensor(value):
        return {name: _read_tensor(each, (*place, name)) for name, each in _named(value, place)}
    return _read_tensor(value, place)


def _named(value: Mapping[Any, Any], place: tuple[str | int, ...]) -> Iterator[tuple[str, object]]:
    if not value:
        raise _complaint(value, place, "one entry or more, name: shape")
    for name, each in value.items():
        if not isinstance(name, str) or not name or "." in name:
            raise _complaint(name, place, "a name without a point")
        yield name, each


def _read_tensor(value: object, place: tuple[str | int, ...]) -> Tensor:
    if isinstance(value, TensorInput):
        return value
    if isinstance(value, Mapping):
        _refuse_unknown(value, place)
    try:
        if isinstance(value, Mapping):
            return _TENSOR.validate_python(dict(value))
        if isinstance(value, (list, tuple)):
            return _SHAPE.validate_python(value)
    except ValidationError as error:
        raise _below(place, error) from None
    raise _complaint(value, place, _FORM)


def _refuse_unknown(value: Mapping[Any, Any], place: tuple[str | int, ...]) -> None:
    known = tuple(TensorInput.model_fields)
    for key in value:
        if key not in known:
            match = nearest(str(key), known)
            hint = f"; did you mean '{match}'?" if match else ""
            told = f"unknown key '{key}' of an input: it has {', '.join(known)}{hint}"
            raise ValidationError.from_exception_data(
                "input",
                [
                    InitErrorDetails(
                        type=PydanticCustomError("value_error", "{told}", {"told": told}),
                        loc=(*place, str(key)),
                        input=value[key],
                    )
                ],
            )


def _complaint(value: object, place: tuple[str | int, ...], expected: str) -> ValidationError:
    fault = PydanticCustomError("input_form", "{expected}", {"expected": expected})
    return ValidationError.from_exception_data(
        "input", [InitErrorDetails(type=fault, loc=place, input=value)]
    )


def _below(place: tuple[str | int, ...], error: ValidationError) -> ValidationError:
    details = [
        InitErrorDetails(
            type=each["type"], loc=(*place, *each["loc"]), input=each["input"], ctx=each.get("ctx", {})
        )
        for each in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data("input", details)


DeclaredInput = Annotated[
    Arguments,
    PlainValidator(read_arguments),
    PlainSerializer(plain_arguments),
]
"""The type of a field that holds a declared input; it dumps to what was declared."""
