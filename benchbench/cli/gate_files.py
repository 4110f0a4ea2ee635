"""The files that `benchbench gate` leaves: checked before anything is measured, written after the verdict."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from benchbench.cli.commands import say
from benchbench.core.errors import StoreError

if TYPE_CHECKING:
    from benchbench.core.gating import GateReport

WrittenT = TypeVar("WrittenT")
_SUMMARY = "GITHUB_STEP_SUMMARY"
_STDOUT = "-"


def check_files(args: Namespace) -> None:
    """Check that what was asked for can be written, as far as that can be known.

    Raises:
        StoreError: it cannot; nothing was measured.
    """
    for option, path in _files(args):
        if path.is_dir():
            raise _cannot(option, path, "it is a folder")
        _check_folder(option, path, path.parent)
        if option == "--summary" and path.exists() and not os.access(path, os.W_OK):
            raise _cannot(option, path, "it may not be written")
    if args.out is not None:
        _check_folder("--out", Path(args.out), Path(args.out))


def _files(args: Namespace) -> Iterator[tuple[str, Path]]:
    if args.markdown not in (None, _STDOUT):
        yield "--markdown", Path(args.markdown)
    if args.junit is not None:
        yield "--junit", Path(args.junit)
    if args.summary and (target := os.environ.get(_SUMMARY)):
        yield "--summary", Path(target)
    if args.update:
        yield "--baseline", Path(args.baseline)


def _check_folder(option: str, path: Path, folder: Path) -> None:
    # A folder that is not there is made, in the nearest one that is.
    there = next(each for each in (folder, *folder.absolute().parents) if os.path.lexists(each))
    if not there.is_dir():
        raise _cannot(option, path, f"{there} is no folder")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _cannot(option, path, f"the folder {there} may not be written")


def _cannot(option: str, path: Path, why: str) -> StoreError:
    what = "folder" if option == "--out" else "file"
    fix = f"give another {what} with {option}"
    if option == "--summary":
        fix = f"leave --summary out, or let ${_SUMMARY} name a file that can be written"
    return StoreError(f"{option} {path} cannot be written: {why}", expected=f"a writable {what}", fix=fix)


def attempt(write: Callable[[], WrittenT], *, option: str) -> WrittenT | None:
    """What `write` returns; None where it failed, which is told: a full disk hides no verdict."""
    try:
        return write()
    except StoreError as error:
        fix = f"free some disk space, or give another place with {option}; the verdict stands all the same"
        say(f"error: {StoreError(error.problem, fix=fix)}")
        return None


def write_reports(args: Namespace, report: GateReport) -> None:
    """Markdown, JUnit and GitHub's summary, where they were asked for; what cannot be written is told."""
    from benchbench.core.store import write_atomically
    from benchbench.gate.junit import write_junit
    from benchbench.gate.markdown import write_markdown

    if args.markdown not in (None, _STDOUT):
        attempt(lambda: write_atomically(Path(args.markdown), write_markdown(report)), option="--markdown")
    if args.junit is not None:
        attempt(lambda: write_atomically(Path(args.junit), write_junit(report)), option="--junit")
    if args.summary:
        target = os.environ.get(_SUMMARY)
        if target:
            attempt(lambda: _append(Path(target), f"{write_markdown(report)}\n"), option=f"${_SUMMARY}")
        else:
            say(f"--summary: ${_SUMMARY} is not set here; nothing was added")


def _append(path: Path, text: str) -> None:
    from benchbench.core.store import cannot_write

    try:
        with path.open("a", encoding="utf-8") as summary:
            summary.write(text)
    except OSError as error:
        raise cannot_write(path, error) from error
