"""YAML as a person means it: `24_24_32` is a text, not the number 242432, and `on` is a key, not true."""

from __future__ import annotations

import re
from typing import Any

import yaml

_INTEGER = "tag:yaml.org,2002:int"
_BOOLEAN = "tag:yaml.org,2002:bool"
# YAML 1.1 also takes underscores and base 60 (1:30) for integers; YAML 1.2 no longer does.
_DIGITS = re.compile(r"[-+]?(?:0b[01]+|0o?[0-7]+|0|[1-9][0-9]*|0x[0-9a-fA-F]+)$")


class PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, with integers as YAML 1.2 has them; no object is ever constructed.

    `on` and `off` are texts, as there too; `yes` and `no` stay what YAML 1.1 makes of them.
    """


PlainLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in known
        if tag != _INTEGER and not (tag == _BOOLEAN and first in ("o", "O"))
    ]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(_INTEGER, _DIGITS, list("-+0123456789"))


def read_plain(text: str) -> Any:
    """The value that `text` holds.

    Raises:
        yaml.YAMLError: it is not YAML, or asks for an object.
    """
    loader = PlainLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
