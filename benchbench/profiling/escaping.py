"""Text that a suite or a model names, made safe for Markdown."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """The text with nothing left in it that Markdown or HTML would read."""
    flat = " ".join(text.split())
    return re.sub(
        r"([\\`*_{}\[\]()#+!|~:@-])",
        r"\\\1",
        flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),
    )


def code(text: str) -> str:
    """The text for between backticks, where nothing can be escaped: what would end them is exchanged."""
    return "".join("?" if char in "`|\\<" or not char.isprintable() else char for char in text)
