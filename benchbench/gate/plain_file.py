"""JSON files of a gate: readable by a person, strict when read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from benchbench.core.errors import Location, StoreError
from benchbench.core.gating import GATE_SCHEMA
from benchbench.core.model import Frozen, JsonValue

FrozenT = TypeVar("FrozenT", bound=Frozen)


def dump_readable(record: Frozen) -> str:
    """The record as JSON, without what is as by default; a list of plain values stands on one line."""
    document = record.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return _lines({"schema_version": GATE_SCHEMA, **document}, "") + "\n"


def _lines(value: JsonValue, indent: str) -> str:
    deeper = indent + " "
    if isinstance(value, dict) and value:
        rows = [f"{deeper}{_plain(key)}: {_lines(below, deeper)}" for key, below in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(each, (list, dict)) for each in value):
        return "[\n" + ",\n".join(deeper + _lines(each, deeper) for each in value) + f"\n{indent}]"
    return _plain(value)


def _plain(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)


def parse_file(path: Path, model: type[FrozenT], *, what: str, mark: str, fix: str) -> FrozenT:
    """The record in a file.

    Args:
        path: the file.
        model: its type.
        what: a word for it in messages: `baseline`.
        mark: a key that only such a file has.
        fix: what to do about a file that is none.

    Raises:
        StoreError: it is missing, damaged, of a newer version, or another kind of file.
    """
    where = Location(str(path))
    expected = f"a {what} as `benchbench gate` writes it"
    # What is damaged is never written over, so a command alone would say the same again.
    anew = f"remove the file, then: {fix}"
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"there is no {what} at {path}", expected=expected, fix=fix) from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}", expected=expected) from None
    except (ValueError, RecursionError) as error:
        raise StoreError(f"damaged {what}: {error}", expected=expected, fix=anew, where=where) from None
    if not isinstance(document, dict) or mark not in document:
        raise StoreError(f"{path} is no {what}", expected=expected, fix=f"name another file: {fix}")
    version = document.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StoreError(
            f"damaged {what}: schema_version is {version!r}", expected=expected, fix=anew, where=where
        )
    if version > GATE_SCHEMA:
        raise StoreError(
            f"{path} has schema version {version}",
            expected=f"a version up to {GATE_SCHEMA}",
            fix="update benchbench",
        )
    try:
        # Through JSON, because strict fields take a list for a tuple from there alone.
        return model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise StoreError(
            f"damaged {what}: {first['msg']}",
            expected=expected,
            fix=anew,
            where=Location(str(path), key=key or None),
        ) from None
