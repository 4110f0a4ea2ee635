from __future__ import annotations

from typing import Any

import pytest
import yaml

from benchbench.core.plain_yaml import read_plain


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("24_24_24_32_20_16", "24_24_24_32_20_16"),
        ("1:30", "1:30"),
        ("-12", -12),
        ("0", 0),
        ("0x1f", 31),
        ("1.5e-3", 0.0015),
        ("[1, 2, a_b]", [1, 2, "a_b"]),
        ("yes", True),
        ("{on: off}", {"on": "off"}),
        ("null", None),
    ],
)
def test_values_are_what_a_person_means(text: str, value: Any) -> None:
    assert read_plain(text) == value


def test_no_object_is_made() -> None:
    with pytest.raises(yaml.YAMLError):
        read_plain("!!python/object/apply:os.getcwd []")
