"""The workflows that docs/ci.md offers: their shell lines run as they stand, in a project that has them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml

from benchbench.cli.parser import parse_arguments

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs/ci"
# They need a network, and what they install is what runs here.
NETWORK = "pip install "
MODEL = """
import torch

def build(width=8):
    layers = [torch.nn.Conv2d(3, width, 3, padding=1), torch.nn.Conv2d(width, 3, 3, padding=1)]
    return torch.nn.Sequential(*layers)
"""
SUITE = """
name: own
architecture: {import: "model.py:build", input: [1, 3, 32, 32], stages: {all: ["*"]}}
variants:
  baseline: {}
measure:
  - parameters
  - macs
  - latency: {threads: 1}
"""
LIMITS = """
import model

def test_cost(benchbench_counts):
    assert benchbench_counts(model.build(), (1, 3, 32, 32)).macs <= 1_000_000
"""


def github_lines() -> list[str]:
    job = yaml.safe_load((FOLDER / "github.yml").read_text(encoding="utf-8"))["jobs"]["gate"]
    return [line for step in job["steps"] for line in step.get("run", "").splitlines()]


def gitlab_lines() -> list[str]:
    job = yaml.safe_load((FOLDER / "gitlab.yml").read_text(encoding="utf-8"))["gate"]
    return [*job["before_script"], *job["script"]]


LINES = {"github": github_lines(), "gitlab": gitlab_lines()}


def executed(kind: str) -> list[str]:
    return [line for line in LINES[kind] if not line.startswith(NETWORK)]


@pytest.mark.parametrize("kind", LINES)
def test_the_commands_are_ours_and_parse(kind: str) -> None:
    words = [shlex.split(line) for line in executed(kind)]
    assert [each[0] for each in words if each[0] != "git"] == ["pytest", "pytest", "benchbench"]
    for each in words:
        if each[0] == "benchbench":
            parse_arguments(each[1:])


def test_both_do_the_same() -> None:
    of_pytest = [[line for line in executed(kind) if line.startswith("pytest")] for kind in LINES]
    assert of_pytest[0] == of_pytest[1]


def run(
    words: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """`benchbench` and `pytest` are this Python's; git and GitHub's variables are a merge request's."""
    installed = any(each.name == "benchbench" for each in entry_points(group="pytest11"))
    plugin = "" if installed else "-p benchbench.pytest_plugin"
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("benchbench", "benchbench"), ("pytest", f"pytest {plugin} -p no:cacheprovider")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {words} "$@"\n')
        (programs / name).chmod(0o755)
    who = {
        f"GIT_{role}_{what}": "ci@localhost" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "GITHUB_", "CI_"))},
        **who,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "OMP_NUM_THREADS": "1",
        "GITHUB_BASE_REF": "main",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str]) -> Path:
    """A clone whose origin has the suite, the baseline and a test on `main`."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    (origin / "tests").mkdir(parents=True)
    for name, text in {
        "model.py": MODEL,
        "bench.yaml": SUITE,
        "tests/test_limits.py": LIMITS,
        "pytest.ini": "[pytest]\npythonpath = .\n",
        ".gitignore": "results/\n*.xml\n*.md\n__pycache__/\n",
    }.items():
        (origin / name).write_text(text, encoding="utf-8")
    baseline = ("gate", "bench.yaml", "--profile", "static", "--baseline", "baseline.json", "--update")
    for words in (
        ("benchbench", *baseline, "--reason", "the first"),
        ("git", "init", "-q", "-b", "main"),
        ("git", "add", "."),
        ("git", "commit", "-q", "-m", "first"),
        ("git", "clone", "-q", str(origin), str(clone)),
    ):
        done = run(words, tmp_path if words[1] == "clone" else origin, environment)
        assert done.returncode == 0, done.stderr
    return clone


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINES)
def test_the_lines_pass_on_a_change_that_costs_nothing(
    kind: str, project: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    (project / "model.py").write_text(f"# of the same cost\n{MODEL}", encoding="utf-8")
    for line in executed(kind):
        done = run(("bash", "-eo", "pipefail", "-c", line), project, environment)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (project / "gate.xml").is_file()
    written = tmp_path / "summary.md" if kind == "github" else project / "gate.md"
    assert "own" in written.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_lines_fail_on_a_network_that_grew(project: Path, environment: dict[str, str]) -> None:
    (project / "model.py").write_text(MODEL.replace("width=8", "width=80"), encoding="utf-8")
    for line in executed("github"):
        done = run(("bash", "-eo", "pipefail", "-c", line), project, environment)
        assert done.returncode == 1, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
