from __future__ import annotations

import pytest

from benchbench.core.markdown_text import escape
from benchbench.core.visible import on_one_line, show_controls


@pytest.mark.parametrize("code", [0x00, 0x07, 0x1B, 0x7F, 0x85, 0xAD, 0x200B, 0x200E, 0x200F, 0x2028, 0x202A,
                                  0x202B, 0x202C, 0x202D, 0x202E, 0x2066, 0x2067, 0x2068, 0x2069, 0xFEFF,
                                  0xD800, 0xE0041])  # fmt: skip
def test_what_is_not_seen_is_told(code: int) -> None:
    assert show_controls(f"v{chr(code)}1") == f"v[U+{code:04X}]1"


@pytest.mark.parametrize(
    "text", ["", "v1", "größer", "日本語", "עברית", "👩\u200d💻", "می\u200cخواهم", "a\tb\nc"]
)
def test_what_is_seen_stays(text: str) -> None:
    assert show_controls(text) == text


def test_line_ends_are_one_space() -> None:
    assert on_one_line("a\r\nb\u2028c\x85d") == "a b c d"


def test_markdown_has_no_control_that_acts() -> None:
    assert escape("a\u202e|b\nc\x1b") == "a[U+202E]\\|b c[U+001B]"
