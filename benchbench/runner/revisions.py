"""Two revisions of one repository side by side: the working tree, and another in a temporary worktree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from benchbench.core.errors import GateError

_GIT_LIMIT_S = 600.0
_DISTRUSTED = re.compile(r"dubious ownership in repository at '(.+)'")
# Set in a hook, they would send every command to the hook's repository and index.
HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


@dataclass(frozen=True, slots=True)
class Tree:
    """One revision's files.

    Attributes:
        root: its folder, resolved.
        suite: the suite's file in it.
        name: for people: `main (1a2b3c4)`, `the working tree (5d6e7f8, changed)`.
        revision: the commit that it is, or that it began from.
    """

    root: Path
    suite: Path
    name: str
    revision: str


@contextmanager
def two_trees(suite: Path, against: str) -> Iterator[tuple[Tree, Tree]]:
    """Base, checked out into a temporary worktree that is gone afterwards however this ends, and head.

    Head is the tree that `suite` lies in, as it is, with what is not committed.

    Args:
        suite: the suite's file in the repository.
        against: base: a branch, a tag, a commit.

    Raises:
        GateError: there is no git or no repository, no such revision, it has submodules or lacks the
            suite, or it cannot be checked out.
    """
    root = _root_of(suite)
    commit = _commit_of(against, root)
    file = suite.resolve().relative_to(root)
    _check_tree(root, commit, against, file)
    folder = Path(tempfile.mkdtemp(prefix="benchbench-gate-")).resolve()
    place = folder / root.name
    with _cleared_away(root, folder, place):
        # A hook of the repository is no part of the revision, and may do anything.
        git = ["git", "-C", str(root), "-c", "core.hooksPath=/dev/null"]
        added = _run([*git, "worktree", "add", "--quiet", "--detach", str(place), commit])
        if added.returncode != 0:
            raise GateError(f"'{against}' cannot be checked out: {_last_line(added.stderr)}")
        base = Tree(place, place / file, f"{against} ({commit[:7]})", commit)
        yield base, Tree(root, root / file, *_describe_head(root))


def import_path(tree: Tree, head: Tree, *, searched: Sequence[str], own: Path, inherited: str = "") -> str:
    """PYTHONPATH of a process that is to import `tree`'s own modules.

    Every folder of head's tree from which this process imports is there in the tree's own form, with the
    root and `src`: a package installed in editable form would be head's on both sides.

    Args:
        tree: whose modules are wanted.
        head: the tree from which this process imports.
        searched: `sys.path`.
        own: the folder that holds the package benchbench of this process.
        inherited: PYTHONPATH as it is; what lies outside of head's tree stays on it.
    """
    prefixes = [Path(each).resolve() for each in (sys.prefix, sys.base_prefix)]
    wanted = [tree.root, tree.root / "src"]
    for each in (Path(text).resolve() for text in searched if text):
        # A virtual environment inside the tree is the same for both.
        if each.is_relative_to(head.root) and not any(
            each.is_relative_to(prefix) and prefix.is_relative_to(head.root) for prefix in prefixes
        ):
            wanted.append(tree.root / each.relative_to(head.root))
    outside = [Path(text).resolve() for text in inherited.split(os.pathsep) if text]
    if own.name not in ("site-packages", "dist-packages"):
        outside.append(own.resolve())
    wanted += [each for each in outside if not each.is_relative_to(head.root)]
    return os.pathsep.join(dict.fromkeys(str(each) for each in wanted if each.is_dir()))


def _root_of(suite: Path) -> Path:
    if shutil.which("git") is None:
        raise GateError(
            "there is no git here", fix="install git, or compare two runs: benchbench gate BASE HEAD"
        )
    found = _run(["git", "-C", str(suite.resolve().parent), "rev-parse", "--show-toplevel"])
    if distrusted := _DISTRUSTED.search(found.stderr):
        raise GateError(
            f"git does not trust the repository {distrusted[1]}: its folder belongs to another user",
            expected="a repository of your own, or one that git was told to trust",
            fix=shlex.join(["git", "config", "--global", "--add", "safe.directory", distrusted[1]]),
        )
    if found.returncode != 0:
        raise GateError(
            f"{suite} lies in no git repository: {_last_line(found.stderr)}",
            fix="run it from a clone, or compare two runs: benchbench gate BASE HEAD",
        )
    root = Path(found.stdout.strip()).resolve()
    if not suite.resolve().is_relative_to(root):
        raise GateError(f"{suite} lies outside of {root}", fix="keep the suite in the repository")
    return root


def _commit_of(against: str, root: Path) -> str:
    found = _run(
        [
            "git",
            "-C",
            str(root),
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{against}^{{commit}}",
        ]
    )
    if found.returncode != 0 or not found.stdout.strip():
        if not _run(["git", "-C", str(root), "rev-list", "--all", "--max-count=1"]).stdout.strip():
            raise GateError(
                f"the repository {root} has no commit yet",
                expected="a commit to judge the working tree by",
                fix="git add --all && git commit -m 'the first'; change something; then: --against HEAD",
            )
        raise GateError(
            f"there is no revision '{against}' in {root}",
            expected="a branch, a tag or a commit that this clone has",
            fix="git fetch origin main:main (in a CI's shallow clone: fetch with depth 0 first)",
        )
    return found.stdout.strip()


def _check_tree(root: Path, commit: str, against: str, file: Path) -> None:
    listed = _run(["git", "-C", str(root), "ls-tree", "-r", "-z", "--full-tree", commit])
    entries = [entry.partition("\t") for entry in listed.stdout.split("\0") if entry]
    modules = [path for facts, _, path in entries if facts.startswith("160000")]
    if modules:
        raise GateError(
            f"'{against}' has submodules ({', '.join(modules[:3])}), which a temporary worktree would lack",
            fix="run the suite at both revisions, then: benchbench gate BASE HEAD",
        )
    if file.as_posix() not in {path for _, _, path in entries}:
        raise GateError(
            f"'{against}' has no {file}",
            expected="a suite that both revisions have",
            fix="choose a later revision, or keep a baseline: benchbench gate SUITE --update",
        )


def _describe_head(root: Path) -> tuple[str, str]:
    head = _run(["git", "-C", str(root), "rev-parse", "HEAD"]).stdout.strip()
    changed = _run(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    return f"the working tree ({head[:7]}{', changed' if changed else ''})", head


@contextmanager
def _cleared_away(root: Path, folder: Path, place: Path) -> Iterator[None]:
    """Remove the worktree at `place` in `folder` afterwards, also when this process is asked to end."""
    with _ended_in_order():
        try:
            yield
        finally:
            with _undisturbed():
                removed = _run(["git", "-C", str(root), "worktree", "remove", "--force", str(place)])
                shutil.rmtree(folder, ignore_errors=True)
                if removed.returncode != 0:
                    # It was interrupted half made; with its folder gone, its entry goes too.
                    _run(["git", "-C", str(root), "worktree", "prune"])


@contextmanager
def _ended_in_order() -> Iterator[None]:
    # A CI ends a job by SIGTERM, which would leave everything as it stands.
    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    with _handled((signal.SIGTERM, signal.SIGHUP), stop):
        yield


@contextmanager
def _undisturbed() -> Iterator[None]:
    with _handled((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), signal.SIG_IGN):
        yield


@contextmanager
def _handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key not in HOOK_VARIABLES}
    return subprocess.run(
        list(command),
        capture_output=True,
        text=True,
        check=False,
        timeout=_GIT_LIMIT_S,
        stdin=subprocess.DEVNULL,
        # Ctrl-C is for us, who clear away what it leaves.
        process_group=0,
        env={**environment, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("fatal: ").removeprefix("error: ") if lines else "git says nothing more"
