"""A small project of somebody's own, in a repository with two commits; imported by the tests beside it."""

from __future__ import annotations

import subprocess
from pathlib import Path

MODEL = """
from torch import nn


def build(width=4, extra=0):
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(width, width, 3, padding=1) for _ in range(extra)]
    return nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))
"""
SUITE = """
name: own
architecture: {import: "nets:build", kwargs: {width: 4}, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  wide: {architecture: {kwargs: {width: 8}}}
measure:
  - parameters
  - latency: {threads: 1}
"""


def git(folder: Path, *words: str) -> str:
    who = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "init.defaultBranch=main",
    )
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--no-verify", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def make_project(folder: Path) -> Path:
    """A repository with one commit; its suite is in a folder of its own."""
    (folder / "suites").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "nets.py").write_text(MODEL)
    (folder / "suites" / "own.yaml").write_text(SUITE)
    commit(folder, "one")
    return folder
