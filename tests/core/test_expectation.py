from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchbench.core.expectation import Expectation


@pytest.mark.parametrize(
    ("printed", "value", "agreeing", "not_agreeing"),
    [
        # Rounded, cut off (6,574,672 is printed as 6.574M), and just beyond either.
        ("11.38M", 11_380_000, (11_375_000, 11_378_179, 11_389_999), (11_374_999, 11_390_000)),
        ("6.574M", 6_574_000, (6_573_500, 6_574_672), (6_575_000,)),
        ("56.8G", 56.8e9, (56.75e9, 56_799_264_768), (56.7e9, 56.9e9)),
        ("281G", 281e9, (281_276_612_608,), (280.4e9, 282e9)),
        ("44 M", 44_000_000, (44_762_048,), (45_000_000,)),
    ],
)
def test_a_printed_figure_agrees_with_what_is_printed_so(
    printed: str, value: float, agreeing: tuple[float, ...], not_agreeing: tuple[float, ...]
) -> None:
    figure = Expectation.model_validate(printed)
    assert (figure.value, figure.printed) == (value, printed)
    assert all(figure.agrees(each) for each in agreeing)
    assert not any(figure.agrees(each) for each in not_agreeing)
    assert Expectation.model_validate({"value": printed, "note": "n"}).note == "n"


def test_a_plain_number_is_exact() -> None:
    assert Expectation.model_validate(1_679_235).agrees(1_679_235)
    assert not Expectation.model_validate(1_679_235).agrees(1_679_236)


def test_what_is_not_reproducible_says_why() -> None:
    assert not Expectation.model_validate({"value": "32M", "reproducible": False, "note": "n"}).reproducible
    with pytest.raises(ValidationError, match="note"):
        Expectation.model_validate({"value": "32M", "reproducible": False})


@pytest.mark.parametrize("text", ["381315", "1.2.3M", "M", "11,38M", "-1M"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Expectation.model_validate(text)


def test_it_survives_the_way_to_a_file_and_back() -> None:
    figure = Expectation.model_validate({"value": "2.67G", "note": "n"})
    assert Expectation.model_validate_json(figure.model_dump_json()) == figure
