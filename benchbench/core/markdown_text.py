"""Text that anything may name, made safe for the Markdown that GitHub shows."""

from __future__ import annotations

import re

from benchbench.core.visible import show_controls

# A bracket matters only where a link, a footnote or a check box would begin; intervals stay readable.
_SPECIAL = re.compile(r"([\\`*|~]|\](?=[(\[:])|\[(?=[\^ xX]))")
_EDGE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def escape(text: str) -> str:
    """Text on one line in which nothing is markup, and no control acts, safe in a table too."""
    flat = show_controls(" ".join(text.split()))
    flat = flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")
    return _EDGE_UNDERSCORE.sub(r"\\_", _SPECIAL.sub(r"\\\1", flat))
