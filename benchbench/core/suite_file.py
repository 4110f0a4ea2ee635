"""Reading a suite from YAML: every fault is told with file, line, key and what would be right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchbench.core.errors import Location, SuiteError
from benchbench.core.expand import expand
from benchbench.core.model import JsonValue
from benchbench.core.overrides import Document
from benchbench.core.plain_yaml import PlainLoader, read_plain
from benchbench.core.resolve import check
from benchbench.core.source_map import SourceMap, map_lines
from benchbench.core.suite import Collection, Profile, Suite
from benchbench.core.validation import validated


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
    if "include" in document.raw:
        raise SuiteError(
            "this file lists several suites",
            expected="one suite",
            fix="use load_suites, or `benchbench run`",
            where=document.sources.at(("include",)),
        )
    suite = _suite(document, overrides=overrides, profile=profile)
    for other in suite.profiles:
        if other != profile:
            # So that a fault in a profile shows when it is written, not when it is first asked for.
            _suite(document, overrides=(), profile=other)
    return suite


def load_suites(
    path: str | Path, *, overrides: Sequence[str] = (), profile: Profile | None = None
) -> tuple[tuple[Path, Suite], ...]:
    """The suite in a file, or all those that it lists under `include`, each with its own file.

    Args:
        path: the file.
        overrides: as `load_suite`; for every suite.
        profile: as `load_suite`; for every suite.

    Raises:
        SuiteError: as `load_suite`, or a file that is listed twice or lists others itself.
        UnknownNameError, OptionError, BenchbenchError: as `load_suite`.
    """
    path = Path(path)
    document = read_document(path)
    if "include" not in document.raw:
        return ((path, load_suite(path, overrides=overrides, profile=profile)),)
    listed = validated(Collection, document.raw, document.sources, ())
    for index, name in enumerate(listed.include):
        where = document.sources.at(("include", index))
        if name in listed.include[:index]:
            raise SuiteError(f"'{name}' is listed twice", fix="remove one of them", where=where)
        if not (path.parent / name).is_file():
            raise SuiteError(
                f"there is no '{name}'",
                expected=f"a suite's file, relative to {path.parent or Path()}",
                fix=_what_is_near(path.parent / name),
                where=where,
            )
    files = [path.parent / name for name in listed.include]
    return tuple((file, load_suite(file, overrides=overrides, profile=profile)) for file in files)


def _suite(document: Document, *, overrides: Sequence[str], profile: str | None) -> Suite:
    changed = Document(document.raw, document.sources)
    if profile is not None:
        changed.apply_profile(profile)
    changed.apply(overrides)
    suite = validated(Suite, changed.raw, changed.sources, ())
    check(suite, sources=changed.sources)
    asked = any(text.strip().startswith("deploy") for text in overrides)
    if profile == "static" and profile not in suite.profiles and not asked:
        # Counts are the network's, whatever runs it; but a fault in what is declared is told.
        suite = suite.model_copy(update={"deploy": ()})
    expand(suite, sources=changed.sources)
    return suite


def read_document(path: Path, *, what: str = "a suite", start: str = "suites/quickstart.yaml") -> Document:
    """A YAML file's mapping as plain values, with the line of each.

    Args:
        path: the file.
        what: it holds, for messages.
        start: what an empty or other file is told to start from.

    Raises:
        SuiteError: the file is missing, not text, not YAML, not a mapping, or has a key twice.
    """
    text = _read_text(path, what)
    where = Location(str(path))
    try:
        node = yaml.compose(text, Loader=PlainLoader)
        if node is None:
            raise SuiteError("the file is empty", expected=what, fix=f"start from {start}", where=where)
        sources = map_lines(node, str(path))
        raw: JsonValue = read_plain(text)
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
            f"the file holds {kind}", expected="a mapping", fix=f"start from {start}", where=sources.at(())
        )
    _check_finite(raw, sources)
    return Document(raw, sources)


def _read_text(path: Path, what: str) -> str:
    where = Location(str(path))
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise SuiteError(
            "there is no such file", expected=f"{what} in YAML", fix=_what_is_near(path), where=where
        ) from None
    except IsADirectoryError:
        raise SuiteError(
            "this is a folder", expected=f"{what} in YAML", fix=_what_is_near(path / "_"), where=where
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
