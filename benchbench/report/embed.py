"""What a page that loads nothing carries: our scripts, their data, and a policy that allows no others."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from markupsafe import Markup

from benchbench.core.errors import StoreError
from benchbench.core.visible import show_controls

_STATIC = Path(__file__).parent / "static"
CHARTS_FILE = "echarts.simple.min.js"
# Of the file in the npm package echarts 6.1.0 (static/README.md); another one is not embedded.
CHARTS_SHA256 = "5eef51bee09fb9cc234c4179a58ae0150126f49f88c992efe2d6bca81d8dd03b"
# In the order in which they are read: what is used stands before what uses it.
OWN_FILES = ("elements.js", "tables.js", "galleries.js", "flames.js", "axes.js", "explorer.js", "page.js")

# Only in a page that has a table of pairs; after what it uses, and before the page is enhanced.
PAIRS_FILE = "pairs.js"

JsonData = None | bool | int | float | str | list["JsonData"] | dict[str, "JsonData"]


def read_charts() -> str:
    """The charting library, as published.

    Raises:
        StoreError: the file is not the one that was published.
    """
    content = (_STATIC / CHARTS_FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != CHARTS_SHA256:
        raise StoreError(
            f"{_STATIC / CHARTS_FILE} is not the published file",
            expected=f"SHA-256 {CHARTS_SHA256}",
            fix="install benchbench anew",
        )
    return content.decode("utf-8")


def read_own(*further: str) -> str:
    """Our own scripts as one, whose names nothing outside of it sees; `further` ones before the last."""
    names = (*OWN_FILES[:-1], *further, OWN_FILES[-1])
    parts = "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in names)
    return f'(function () {{\n"use strict";\n{parts}}})();\n'


def dump_island(data: JsonData) -> Markup:
    """JSON that may stand inside a `<script type="application/json">`, whatever its texts hold.

    Controls in its texts are visible.

    Raises:
        ValueError: a number is NaN or infinite, which JSON has no word for.
    """
    text = json.dumps(_shown(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Within JSON these characters stand in texts alone, where an escape means the same.
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _shown(data: JsonData) -> JsonData:
    if isinstance(data, str):
        return show_controls(data)
    if isinstance(data, list):
        return [_shown(each) for each in data]
    if isinstance(data, dict):
        return {show_controls(key): _shown(each) for key, each in data.items()}
    return data


def hash_source(text: str) -> str:
    """The source expression that allows exactly this inline script or style."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def content_policy(*, scripts: tuple[str, ...], styles: tuple[str, ...]) -> str:
    """A Content-Security-Policy: these scripts and style sheets, pictures inside the file, and nothing else.

    Style attributes are allowed, for the drawings have them; what they could load is not.
    """
    allowed = {
        "default-src": "'none'",
        "script-src": " ".join(map(hash_source, scripts)) or "'none'",
        "style-src": "'unsafe-inline'",
        "style-src-elem": " ".join(map(hash_source, styles)),
        "style-src-attr": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in allowed.items())
