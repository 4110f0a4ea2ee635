"""Stage names and module paths: which layer belongs to which part of a network.

A stage is a list of patterns over dotted module paths. `*` and `?` stand for text within one part
of a path, and a pattern selects the module that it names with everything below it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from benchbench.core.contracts import InputSpec, Stages
from benchbench.core.layer_record import LayerReplacement

if TYPE_CHECKING:
    from torch import nn

_ATTRIBUTE = "benchbench_origin"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a module came from; it rides on the module, and is copied with it.

    Attributes:
        name: the architecture's name or import path.
        stages: its stage map.
        inputs: its example inputs.
        replacements: what was exchanged since it was built.
    """

    name: str
    stages: Stages
    inputs: tuple[InputSpec, ...] = ()
    replacements: tuple[LayerReplacement, ...] = ()

    def with_replacements(self, records: Iterable[LayerReplacement]) -> Origin:
        """The same origin with `records` added."""
        return replace(self, replacements=(*self.replacements, *records))


def remember_origin(module: nn.Module, origin: Origin) -> None:
    """Tie `origin` to `module`; parameters and the state dictionary do not change."""
    setattr(module, _ATTRIBUTE, origin)


def origin_of(module: nn.Module) -> Origin | None:
    """The origin of a module that `build` made, or None for anybody else's."""
    origin = getattr(module, _ATTRIBUTE, None)
    return origin if isinstance(origin, Origin) else None


def match_depth(path: str, pattern: str) -> int:
    """How many parts of `path` the pattern takes, 0 when it selects neither it nor a parent of it."""
    parts, wanted = path.split("."), pattern.split(".")
    if len(wanted) > len(parts):
        return 0
    matched = all(fnmatchcase(part, want) for part, want in zip(parts, wanted, strict=False))
    return len(wanted) if matched else 0


def selects(patterns: Sequence[str], path: str) -> bool:
    """Whether one of `patterns` names `path` or a module above it."""
    return any(match_depth(path, pattern) for pattern in patterns)


def stage_of(path: str, stages: Stages) -> str | None:
    """The stage of a module path: the most exact pattern wins, then the first declared."""
    best, depth = None, 0
    for stage, patterns in stages.items():
        found = max((match_depth(path, pattern) for pattern in patterns), default=0)
        if found > depth:
            best, depth = stage, found
    return best
