from __future__ import annotations

import math
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from benchbench.core import errors
from benchbench.core.errors import BenchbenchError, Location, OptionError, nearest, unknown_name
from benchbench.core.model import OneOrMore, Options, canonical_json, dump_declared, known_keys, parse_options
from benchbench.core.suite import ArchitectureSpec, MeasureSpec, Paper, Suite, TrainSpec
from benchbench.core.units import format_quantity, significant


class Inner(Options):
    rate: float = 0.1


class Sample(Options):
    count: int = Field(default=1, gt=0)
    sizes: tuple[int, ...] = ()
    threads: OneOrMore[Annotated[int, Field(gt=0)]] = (1,)
    mode: Literal["fast", "exact"] = "fast"
    on: bool = False
    inner: Inner = Inner()
    several: Annotated[tuple[Inner, ...] | None, Field(alias="many")] = None
    by_name: dict[str, Inner] = {}


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Location("a.yaml"), "a.yaml"),
        (Location("a.yaml", 3), "a.yaml:3"),
        (Location("a.yaml", 3, "data.size"), "a.yaml:3: data.size"),
        (Location("--set x=1"), "--set x=1"),
        (Location("a.yaml", key="data"), "a.yaml: data"),
    ],
)
def test_a_location_reads_like_a_compilers(where: Location, text: str) -> None:
    assert str(where) == text


def test_an_error_says_problem_expectation_and_fix() -> None:
    error = BenchbenchError("no", expected="yes", fix="say yes", where=Location("a", 1))
    assert str(error) == "a:1: no\n  expected: yes\n  to do: say yes"
    assert str(BenchbenchError("no")) == "no"


def test_the_first_place_of_an_error_stays() -> None:
    error = OptionError("no", option=("a", 0)).at(Location("first")).at(Location("second"))
    assert str(error) == "first: no"
    assert error.option == ("a", 0)


def test_every_error_is_one_of_ours_and_has_an_exit_code() -> None:
    ours = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Exception)]
    assert len(ours) > 10
    for each in ours:
        assert issubclass(each, BenchbenchError)
        assert each.exit_code in (1, 2)


@pytest.mark.parametrize(
    ("name", "match"),
    [("residuals", "residual"), ("Decoder", "Decoder"), ("DECODR", "Decoder"), ("xyz", None), ("", None)],
)
def test_the_nearest_name(name: str, match: str | None) -> None:
    assert nearest(name, ["residual", "encoder", "Decoder"]) == match


def test_an_unknown_name_where_none_is_known() -> None:
    assert str(unknown_name("stage", "a", [])) == "unknown stage 'a'\n  expected: no stage is known here"


OPTION_FAULTS: list[tuple[dict[str, object], str, tuple[str | int, ...]]] = [
    (
        {"count": "3"},
        'option count: got "3"\n  expected: a whole number\n  to do: write it without quotes',
        ("count",),
    ),
    ({"count": 3.5}, "option count: got 3.5\n  expected: a whole number", ("count",)),
    ({"count": True}, "option count: got true\n  expected: a whole number", ("count",)),
    ({"count": 0}, "option count: got 0\n  expected: greater than 0", ("count",)),
    ({"sizes": 3}, "option sizes: got 3\n  expected: a list", ("sizes",)),
    ({"sizes": [1, "a"]}, 'option sizes.1: got "a"\n  expected: a whole number', ("sizes", 1)),
    ({"threads": []}, "option threads: got []\n  expected: 1 or more entries", ("threads",)),
    ({"threads": 0}, "option threads.0: got 0\n  expected: greater than 0", ("threads", 0)),
    ({"threads": [1, True]}, "option threads.1: got true\n  expected: a whole number", ("threads", 1)),
    ({"on": "yes"}, 'option on: got "yes"\n  expected: true or false', ("on",)),
    ({"on": 1}, "option on: got 1\n  expected: true or false", ("on",)),
    (
        {"mode": "fats"},
        "option mode: got \"fats\"\n  expected: 'fast' or 'exact'\n  to do: did you mean 'fast'?",
        ("mode",),
    ),
    ({"inner": 3}, "option inner: got 3\n  expected: a mapping", ("inner",)),
    (
        {"inner": {"rate": "1e3"}},
        'option inner.rate: got "1e3"\n  expected: a number\n  to do: write 1.0e+3; YAML reads 1e3 as text',
        ("inner", "rate"),
    ),
    (
        {"many": [{}, {"rat": 1}]},
        "unknown option 'many.1.rat'\n  expected: one of rate\n  to do: did you mean 'rate'?",
        ("many", 1, "rat"),
    ),
    (
        {"by_name": {"x": {"rates": 1}}},
        "unknown option 'by_name.x.rates'\n  expected: one of rate\n  to do: did you mean 'rate'?",
        ("by_name", "x", "rates"),
    ),
    (
        {"cuont": 3},
        (
            "unknown option 'cuont'\n"
            "  expected: one of by_name, count, inner, many, mode, on, sizes, threads\n"
            "  to do: did you mean 'count'?"
        ),
        ("cuont",),
    ),
]


@pytest.mark.parametrize(
    ("given", "message", "place"), OPTION_FAULTS, ids=[str(each[0]) for each in OPTION_FAULTS]
)
def test_an_option_that_is_wrong(
    given: dict[str, object], message: str, place: tuple[str | int, ...]
) -> None:
    with pytest.raises(OptionError) as caught:
        parse_options("recipe", "toy", Sample, given)  # type: ignore[arg-type]
    assert str(caught.value) == f"recipe 'toy': {message}"
    assert caught.value.option == place


def test_right_options() -> None:
    options = parse_options("recipe", "toy", Sample, {"count": 2, "sizes": [1, 2], "inner": {"rate": 1}})
    assert (options.count, options.sizes, options.inner.rate) == (2, (1, 2), 1.0)


@pytest.mark.parametrize(("given", "threads"), [(2, (2,)), ([2], (2,)), ([1, 2], (1, 2))])
def test_one_or_more(given: int | list[int], threads: tuple[int, ...]) -> None:
    options = parse_options("recipe", "toy", Sample, {"threads": given})  # type: ignore[dict-item]
    assert options.threads == threads
    assert Sample.model_validate_json(options.model_dump_json(by_alias=True)) == options
    form = Sample.model_json_schema()["properties"]["threads"]["anyOf"]
    assert [each["type"] for each in form] == ["array", "integer"]


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}])
def test_options_are_plain_values(value: object) -> None:
    with pytest.raises(OptionError, match="options are not plain values"):
        parse_options("recipe", "toy", Sample, {"count": value})  # type: ignore[dict-item]


def test_canonical_json_has_one_text_for_one_value() -> None:
    assert canonical_json({"b": [1, None], "a": {"d": True, "c": "é"}}) == (
        '{"a":{"c":"\\u00e9","d":true},"b":[1,null]}'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(math.nan)


def test_known_keys_of_a_suite() -> None:
    assert "with" in known_keys(Suite, ("variants", "v1", "replace", 0))
    assert "year" in known_keys(Suite, ("paper",))
    assert known_keys(Suite, ("matrix",)) == ()
    assert known_keys(Suite, ("nowhere", "at", "all")) == ()


def test_only_what_was_declared_is_dumped() -> None:
    assert dump_declared(ArchitectureSpec.model_validate("resnet")) == {"name": "resnet"}
    imported = {"import": "a:b", "input": [1, 3, 8, 8]}
    assert dump_declared(ArchitectureSpec.model_validate(imported)) == {
        "import": "a:b",
        "input": [[1, 3, 8, 8]],
    }


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (Paper, {"title": "t", "year": "2025"}),
        (Paper, {"title": "t", "year": True}),
        (Paper, {"title": "t", "year": 2025, "url": "ftp://x"}),
        (ArchitectureSpec, {}),
        (ArchitectureSpec, {"name": "a", "kwargs": {"n": 1}}),
        (ArchitectureSpec, {"import": "a:b", "input": [1, 3], "width": 3}),
        (ArchitectureSpec, {"import": "a:b", "input": [1, "3"]}),
        (ArchitectureSpec, {"import": "a:b", "input": [0]}),
        (ArchitectureSpec, {"import": "a.b", "input": [1]}),
        (TrainSpec, {"steps": 3}),
        (TrainSpec, {"recipe": "a", "load": "b"}),
        (TrainSpec, {"load": "b", "steps": 3}),
        (MeasureSpec, {"latency": {"name": "x"}}),
        (MeasureSpec, {"latency": 3}),
        (MeasureSpec, {"latency": {}, "macs": {}}),
    ],
)
def test_suite_parts_are_strict(model: type[Paper], value: object) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(value)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0713, "s", "71.3 ms"),
        (2.5e-6, "s", "2.50 µs"),
        (0.0, "s", "0 ns"),
        (239.7, "s", "4 min 0 s"),
        (-130, "s", "-2 min 10 s"),
        (math.inf, "s", "inf"),
        (math.nan, "s", "nan"),
        (10_078_912_512, "MAC", "10.1 GMAC"),
        (12, "MAC", "12.0 MAC"),
        (3e10, "MAC/s", "30.0 GMAC/s"),
        (2**20, "B", "1.00 MiB"),
        (1_679_235, "1", "1,679,235"),
        (1.4412, "1", "1.44"),
        (0.01234, "1", "0.0123"),
    ],
)
def test_quantities_for_people(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


def test_significant_digits_without_an_exponent() -> None:
    assert [significant(each) for each in (0, 0.000123, 4.567, 1234.5)] == ["0", "0.000123", "4.57", "1230"]
