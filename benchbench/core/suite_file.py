"""Reading a suite from YAML: every fault is told with file, line, key and what would be right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml

from benchbench.core.errors import Location, SuiteError
from benchbench.core.expand import expand
from benchbench.core.model import JsonValue
from benchbench.core.overrides import Document
from benchbench.core.resolve import check, validated
from benchbench.core.source_map import SourceMap, map_lines
from benchbench.core.suite import Suite

Profile = Literal["quick", "full"]


def load_suite(path: str | Path, *, overrides: Sequence[str] = (), profile: Profile | None = None) -> Suite:
    """The suite in a YAML file, checked against everything that is registered.

    Args:
        path: the file.
        overrides: `key=value` texts with dotted keys, applied last: `train.steps=50`,
            `measure.latency.threads=[1]`, `variants.v1.replace.stages=[residual]`.
        profile: which of the suite's `profiles` to apply; `full` changes nothing unless declared.

    Raises:
        SuiteError: a file that cannot be read, is not YAML, or declares what makes no suite.
        UnknownNameError: a name that nothing knows, with the nearest one that something does.
        OptionError: an option that does not exist or has a wrong value, or a malformed override.
        BenchbenchError: a registered module that cannot be imported.
    """
    document = read_document(Path(path))
    suite = _suite(document, overrides=overrides, profile=profile)
    for other in suite.profiles:
        if other != profile:
            # So that a fault in a profile shows when it is written, not when it is first asked for.
            _suite(document, overrides=(), profile=other)
    return suite


def _suite(document: Document, *, overrides: Sequence[str], profile: str | None) -> Suite:
    changed = Document(document.raw, document.sources)
    if profile is not None:
        changed.apply_profile(profile)
    changed.apply(overrides)
    suite = validated(Suite, changed.raw, changed.sources, ())
    check(suite, sources=changed.sources)
    expand(suite, sources=changed.sources)
    return suite


def read_document(path: Path) -> Document:
    """A YAML file's mapping as plain values, with the line of each.

    Raises:
        SuiteError: the file is missing, not text, not YAML, not a mapping, or has a key twice.
    """
    text = _read_text(path)
    where = Location(str(path))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            raise SuiteError("the file is empty", expected="a suite", fix=_HOW_TO_START, where=where)
        sources = map_lines(node, str(path))
        raw: JsonValue = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise SuiteError(
            f"the character {error.character!r} has no place in YAML", where=Location(str(path), line)
        ) from None
    except RecursionError:
        raise SuiteError("the file is nested too deeply", where=where) from None
    except ValueError as error:
        raise SuiteError(f"a value does not fit its tag ({error})", where=where) from None
    if not isinstance(raw, dict):
        kind = "a list" if isinstance(raw, list) else "one value"
        raise SuiteError(
            f"the file holds {kind}", expected="a mapping", fix=_HOW_TO_START, where=sources.at(())
        )
    _check_finite(raw, sources)
    return Document(raw, sources)


_HOW_TO_START = "start from suites/quickstart.yaml"


def _read_text(path: Path) -> str:
    where = Location(str(path))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SuiteError(
            "there is no such file", expected="a suite in YAML", fix=_what_is_near(path), where=where
        ) from None
    except IsADirectoryError:
        raise SuiteError(
            "this is a folder", expected="a suite in YAML", fix=_what_is_near(path / "_"), where=where
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SuiteError(
            f"byte {error.object[error.start]:#04x} is not UTF-8",
            fix="save the file as UTF-8",
            where=Location(str(path), line),
        ) from None
    except OSError as error:
        raise SuiteError(f"the file cannot be read ({error.strerror or error})", where=where) from None


def _what_is_near(path: Path) -> str | None:
    if not path.parent.is_dir():
        return None
    found = sorted(each.name for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml"))
    return f"in {path.parent} there is {', '.join(found)}" if found else None


def _syntax_error(error: yaml.MarkedYAMLError, path: Path) -> SuiteError:
    mark = error.problem_mark or error.context_mark
    said = error.problem or "this is not YAML"
    told = f"{said} ({error.context})" if error.context else said
    return SuiteError(
        f"not YAML: {told}",
        fix="look at this line and the one above: indentation, colons, quotes, brackets",
        where=Location(str(path), mark.line + 1 if mark else None),
    )


def _check_finite(raw: JsonValue, sources: SourceMap) -> None:
    pending: list[tuple[JsonValue, tuple[str | int, ...]]] = [(raw, ())]
    while pending:
        value, place = pending.pop()
        if isinstance(value, dict):
            pending += [(below, (*place, key)) for key, below in value.items()]
        elif isinstance(value, list):
            pending += [(below, (*place, index)) for index, below in enumerate(value)]
        elif isinstance(value, float) and json.dumps(value) in ("NaN", "Infinity", "-Infinity"):
            raise SuiteError(f"got {value}", expected="a finite number", where=sources.at(place))
