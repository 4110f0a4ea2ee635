"""Characters that have no shape of their own, but change what is read: made visible."""

from __future__ import annotations

import re
import unicodedata

# Joiners shape letters in several scripts and in emoji, and hide nothing.
_JOINERS = "\u200c\u200d"
# What HTML and Markdown collapse to one space anyway.
_SPACES = "\t\n\r"
_CONTROLS = re.compile(
    "["
    + "".join(
        re.escape(char)
        for char in map(chr, (*range(0x3000), *range(0xFE00, 0x10000)))
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp") and char not in _JOINERS + _SPACES
    )
    + "\ud800-\udfff\U000e0000-\U000e007f]"
)
_LINE_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")


def show_controls(text: str) -> str:
    """The text with each control character as `[U+202E]`: a name that turns its line round cannot.

    That is: control and format characters of Unicode (directions, zero-width spaces, language tags) and lone
    surrogates, without tab, line ends and the two joiners. A text without any is returned as it is.

    Source: Unicode Technical Report 36, section 2.6; CVE-2021-42574.
    """
    return _CONTROLS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def on_one_line(text: str) -> str:
    """The text with a space in place of each run of line ends, and its controls visible."""
    return show_controls(_LINE_ENDS.sub(" ", text))
