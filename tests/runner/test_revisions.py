from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gate_repository import commit, git, make_project

from benchbench.core.errors import GateError
from benchbench.runner.revisions import Tree, import_path, two_trees

SUITE = Path("suites/own.yaml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_project(tmp_path / "project")


@contextmanager
def nothing_left(project: Path) -> Iterator[None]:
    """That no worktree and no change is left in the project."""
    before = git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")
    yield
    assert git(project, "worktree", "list", "--porcelain").count("worktree ") == 1
    assert (git(project, "status", "--porcelain"), git(project, "rev-parse", "HEAD")) == before


def test_base_is_the_revision_and_head_the_tree_as_it_is(project: Path) -> None:
    first = git(project, "rev-parse", "HEAD")
    (project / "nets.py").write_text("second = True")
    second = commit(project, "two")
    (project / "nets.py").write_text("third = True")
    with nothing_left(project), two_trees(project / SUITE, "HEAD~1") as (base, head):
        assert "def build" in (base.root / "nets.py").read_text()
        assert (head.root / "nets.py").read_text() == "third = True"
        assert (base.revision, head.revision) == (first, second)
        assert base.name == f"HEAD~1 ({first[:7]})"
        assert head.name == f"the working tree ({second[:7]}, changed)"
        assert (base.suite, head.suite) == (base.root / SUITE, project / SUITE)
        assert base.suite.is_file()
        place = base.root
    assert not place.exists()


@pytest.mark.parametrize("how", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_worktree_is_gone_however_it_ends(project: Path, how: type[BaseException]) -> None:
    places: list[Path] = []
    with nothing_left(project):

        def fail() -> None:
            with two_trees(project / SUITE, "HEAD") as (base, _):
                places.append(base.root)
                (base.root / "left behind.txt").write_text("by somebody's model")
                raise how

        with pytest.raises(how):
            fail()
        assert not places[0].parent.exists()


def test_a_process_that_is_told_to_end_clears_away_first(project: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with nothing_left(project):
        with pytest.raises(SystemExit) as ended, two_trees(project / SUITE, "HEAD"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is handler


def test_hooks_of_the_repository_are_not_run(project: Path) -> None:
    hook = project / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {project}/hook-was-here\n")
    hook.chmod(0o755)
    with two_trees(project / SUITE, "HEAD"):
        pass
    assert not (project / "hook-was-here").exists()


def test_a_gate_inside_a_hook_looks_at_its_own_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    with two_trees(project / SUITE, "main") as (base, _):
        assert base.suite.is_file()


@pytest.mark.parametrize("against", ["no-such-branch", "--help", "", "HEAD:nets.py"])
def test_a_revision_that_is_not_there_is_told(project: Path, against: str) -> None:
    with nothing_left(project), pytest.raises(GateError) as told, two_trees(project / SUITE, against):
        pass
    assert told.value.problem == f"there is no revision '{against}' in {project.resolve()}"
    assert told.value.fix is not None
    assert "git fetch" in told.value.fix


def test_a_suite_that_base_lacks_is_told(project: Path) -> None:
    (project / "suites" / "new.yaml").write_text("name: new")
    with (
        pytest.raises(GateError, match=r"'main' has no suites/new\.yaml"),
        two_trees(project / "suites/new.yaml", "main"),
    ):
        pass


def test_submodules_are_told(project: Path, tmp_path: Path) -> None:
    other = make_project(tmp_path / "other")
    git(project, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(other), "lib")
    commit(project, "with a submodule")
    told = pytest.raises(GateError, match=r"'main' has submodules \(lib\)")
    with nothing_left(project), told, two_trees(project / SUITE, "main"):
        pass


def test_a_folder_without_a_repository_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "own.yaml").write_text("name: own")
    with (
        pytest.raises(GateError, match="lies in no git repository"),
        two_trees(tmp_path / "own.yaml", "main"),
    ):
        pass


def test_a_repository_of_somebody_else_is_told_with_the_command_that_trusts_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    with pytest.raises(GateError, match="git does not trust") as told, two_trees(project / SUITE, "main"):
        pass
    assert told.value.fix == f"git config --global --add safe.directory {project.resolve()}"


def test_a_repository_without_a_commit_is_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "own.yaml").write_text("name: own")
    with (
        pytest.raises(GateError, match="has no commit yet") as told,
        two_trees(tmp_path / "own.yaml", "main"),
    ):
        pass
    assert told.value.fix is not None
    assert told.value.fix.startswith("git add --all && git commit")


def test_a_machine_without_git_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GateError, match="there is no git here"), two_trees(project / SUITE, "main"):
        pass


def _tree(root: Path) -> Tree:
    for each in ("src", "lib"):
        (root / each).mkdir(parents=True)
    return Tree(root, root / SUITE, "name", "0" * 40)


def test_each_side_imports_its_own_tree_also_where_head_is_installed_in_editable_form(tmp_path: Path) -> None:
    head, base = _tree(tmp_path / "head"), _tree(tmp_path / "base")
    own = tmp_path / "tools"
    own.mkdir()
    searched = ["", str(head.root / "lib"), str(head.root / "gone"), "/usr/lib/python3"]
    path = import_path(base, head, searched=searched, own=own, inherited=f"{own}:{head.root / 'src'}")
    assert path.split(":") == [str(base.root), str(base.root / "src"), str(base.root / "lib"), str(own)]
    path = import_path(head, head, searched=searched, own=own)
    assert path.split(":") == [str(head.root), str(head.root / "src"), str(head.root / "lib"), str(own)]


def test_a_virtual_environment_inside_the_tree_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, base = _tree(tmp_path / "head"), _tree(tmp_path / "base")
    for root in (head.root, base.root):
        (root / ".venv" / "site-packages").mkdir(parents=True)
    installed = head.root / ".venv" / "site-packages"
    monkeypatch.setattr(sys, "prefix", str(head.root / ".venv"))
    path = import_path(base, head, searched=[str(installed)], own=installed)
    assert path.split(":") == [str(base.root), str(base.root / "src")]
