from __future__ import annotations

import pytest
from pydantic import ValidationError

from benchbench.core.expectation import Expectation


@pytest.mark.parametrize(
    ("printed", "value", "tolerance"),
    [
        ("11.38M", 11_380_000, 5_000),
        ("56.8G", 56.8e9, 0.05e9),
        ("281G", 281e9, 0.5e9),
        ("0.34 M", 340_000, 5_000),
    ],
)
def test_a_printed_figure_is_known_to_half_its_last_digit(
    printed: str, value: float, tolerance: float
) -> None:
    figure = Expectation.model_validate(printed)
    assert (figure.value, figure.printed) == (value, printed)
    assert figure.tolerance == pytest.approx(tolerance, rel=1e-12)
    assert Expectation.model_validate({"value": printed, "note": "n"}).note == "n"


def test_a_plain_number_is_exact() -> None:
    assert Expectation.model_validate(1_679_235).tolerance == 0.0


@pytest.mark.parametrize("text", ["381315", "1.2.3M", "M", "11,38M", "-1M"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Expectation.model_validate(text)


def test_it_survives_the_way_to_a_file_and_back() -> None:
    figure = Expectation.model_validate({"value": "2.67G", "note": "n"})
    assert Expectation.model_validate_json(figure.model_dump_json()) == figure
