"""One door for every addition: entry points, looked up by name and loaded when first used."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Generic, TypeVar

from benchbench.core.errors import BenchbenchError, unknown_name

if TYPE_CHECKING:
    from benchbench.core.backends import Backend
    from benchbench.core.contracts import Architecture, Measure, Replacement
    from benchbench.core.examples import Source
    from benchbench.core.features import Features
    from benchbench.core.training import Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered name, known without importing what it names."""

    name: str
    target: str
    package: str
    summary: str


class Registry(Generic[T]):
    """Names of one kind; the built-in ones come in through entry points as everyone else's do.

    Args:
        group: entry-point group, `benchbench.architectures` and the like.
        kind: the word for one of them in messages.
    """

    def __init__(self, group: str, *, kind: str) -> None:
        self.group = group
        self.kind = kind
        self._added: dict[str, T] = {}

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        points: dict[str, EntryPoint] = {}
        for point in entry_points(group=self.group):
            known = points.get(point.name)
            if known is not None and known.value != point.value:
                raise BenchbenchError(
                    f"two packages register the {self.kind} '{point.name}': {known.value} and {point.value}",
                    fix="uninstall one of them, or rename its entry point",
                )
            points[point.name] = point
        return points

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._points, *self._added}))

    def __contains__(self, name: object) -> bool:
        return name in self._points or name in self._added

    def add(self, name: str, value: T) -> None:
        """Register `value` for this process only (a notebook, a test).

        Raises:
            BenchbenchError: the name is taken; the registry is left as it was.
        """
        if name in self:
            raise BenchbenchError(
                f"the {self.kind} '{name}' is registered already", fix="choose another name"
            )
        self._added[name] = value

    def load(self, name: str) -> T:
        """The registered object.

        Raises:
            UnknownNameError: nothing has that name; the nearest match is named.
            BenchbenchError: its module cannot be imported, for whatever reason.
        """
        if name in self._added:
            return self._added[name]
        if name not in self._points:
            raise unknown_name(self.kind, name, self)
        point = self._points[name]
        try:
            loaded: T = point.load()
        except Exception as error:  # a module may fail in any way while it is imported
            raise BenchbenchError(
                f"the {self.kind} '{name}' ({point.value}) cannot be imported: {error}",
                fix="install what it needs; `benchbench doctor` lists the packages",
            ) from error
        return loaded

    def entries(self) -> list[Entry]:
        """Every name with the first line of its module's docstring, imported or not."""
        rows = [
            Entry(name, point.value, point.dist.name if point.dist else "?", _module_summary(point.module))
            for name, point in self._points.items()
        ]
        rows += [Entry(name, type(value).__name__, "this process", "") for name, value in self._added.items()]
        return sorted(rows, key=lambda row: row.name)


def _module_summary(module: str) -> str:
    # Read as text: importing an architecture would import torch, and `list` must stay quick.
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return "(cannot be found)"
    if spec is None or spec.origin is None:
        return "(cannot be found)"
    if not spec.origin.endswith(".py"):
        return ""  # compiled or built in: nothing to read
    try:
        with open(spec.origin, encoding="utf-8") as file:
            doc = ast.get_docstring(ast.parse(file.read()))
    except (OSError, SyntaxError, UnicodeDecodeError):
        return "(cannot be read)"
    return doc.splitlines()[0] if doc else ""


ARCHITECTURES: Registry[Architecture] = Registry("benchbench.architectures", kind="architecture")
REPLACEMENTS: Registry[Replacement] = Registry("benchbench.replacements", kind="replacement")
SOURCES: Registry[Source] = Registry("benchbench.sources", kind="data source")
RECIPES: Registry[Recipe] = Registry("benchbench.recipes", kind="recipe")
MEASURES: Registry[Measure] = Registry("benchbench.measures", kind="measure")
BACKENDS: Registry[Backend] = Registry("benchbench.backends", kind="backend")
FEATURES: Registry[Features] = Registry("benchbench.features", kind="feature extractor")
