from __future__ import annotations

import pytest

from benchbench.core.stages import match_depth, selects, stage_of


@pytest.mark.parametrize(
    ("path", "pattern", "depth"),
    [
        ("a.b.c", "a", 1),
        ("a.b.c", "a.b.c", 3),
        ("a.b", "a.b.c", 0),
        ("a.b.c", "a.*", 2),
        ("ab.c", "a", 0),
        ("block_3.conv", "block_?", 1),
        ("a.b.c", "*.c", 0),
    ],
)
def test_match_depth(path: str, pattern: str, depth: int) -> None:
    assert match_depth(path, pattern) == depth
    assert selects((pattern,), path) == bool(depth)


def test_most_exact_pattern_wins_then_the_first() -> None:
    stages = {"all": ("net",), "head": ("net.head", "net.tail"), "again": ("net.tail",)}
    assert stage_of("net.body.0", stages) == "all"
    assert stage_of("net.head.0", stages) == "head"
    assert stage_of("net.tail", stages) == "head"
    assert stage_of("other", stages) is None
