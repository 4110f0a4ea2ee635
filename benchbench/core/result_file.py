"""One result file: JSON that says the version of its schema; every older version is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from pydantic import JsonValue, ValidationError

from benchbench.core.errors import DamagedResultError, Location, StoreError
from benchbench.core.measurement import SCHEMA_VERSION, ResultTable
from benchbench.core.model import Frozen

FrozenT = TypeVar("FrozenT", bound=Frozen)
Document: TypeAlias = dict[str, JsonValue]

# version -> what turns a document of that version into one of the next; it is given the kind of document
# (ResultTable, CellResult, Addenda or Replicate) and its content.
MIGRATIONS: dict[int, Callable[[str, Document], Document]] = {}


def dump_result(content: Frozen, *, indent: int | None = None) -> str:
    """The content as JSON with the version of its schema; of a ResultTable the header alone."""
    # Every file says its version: a run that an older benchbench began may be finished by a newer one.
    document = content.model_dump(mode="json", by_alias=True)
    if isinstance(content, ResultTable):
        del document["results"]
    return json.dumps({**document, "schema_version": SCHEMA_VERSION}, indent=indent, ensure_ascii=False)


def read_result(path: Path, model: type[FrozenT]) -> FrozenT:
    """The content of a file as a `model`, whatever older version wrote it.

    Raises:
        DamagedResultError: it is not whole.
        StoreError: it cannot be opened, or is of a newer version.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(path, str(error), model) from error
    if not isinstance(document, dict):
        raise _damaged(path, f"it holds a {type(document).__name__}", model)
    version = document.pop("schema_version", 1)
    if not isinstance(version, int) or version < 1:
        raise _damaged(path, f"schema_version is {version!r}", model, key="schema_version")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {version}",
            expected=f"a version up to {SCHEMA_VERSION}",
            fix="update benchbench",
        )
    for older in range(version, SCHEMA_VERSION):
        document = MIGRATIONS[older](model.__name__, document)
    try:
        # Through JSON, because strict fields take a list for a tuple from there alone.
        return model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise _damaged(path, first["msg"], model, key=key) from error


def _damaged(path: Path, what: str, model: type[Frozen], *, key: str = "") -> DamagedResultError:
    if model is ResultTable:
        fix = "restore it, or run the suite anew, without --resume"
    else:
        fix = "run again with --resume: what it held is measured anew"
    return DamagedResultError(
        f"damaged result file: {what}",
        expected=f"a {model.__name__} as benchbench writes it",
        fix=fix,
        where=Location(str(path), key=key or None),
    )
