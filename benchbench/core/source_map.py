"""Where each value of a suite was said: a line of its file, or an override."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import yaml

from benchbench.core.errors import Location, SuiteError
from benchbench.core.model import JsonValue

Place: TypeAlias = tuple[str | int, ...]

_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq", "merge")
)
# A suite of this project has some hundred values; aliases of aliases could unfold to billions.
_MOST_VALUES = 100_000


def dotted(place: Iterable[str | int]) -> str:
    """A place as people write it: `variants.v1.replace.stages[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def places_in(value: JsonValue, place: Place) -> Iterator[Place]:
    """`place` and every place below it."""
    yield place
    if isinstance(value, dict):
        for key, below in value.items():
            yield from places_in(below, (*place, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places_in(below, (*place, index))


class SourceMap:
    """Place in a suite -> where it was said.

    Args:
        path: the file, or words for a suite that comes from none.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._where: dict[Place, Location] = {}

    def at(self, place: Place) -> Location:
        """Where a place was said, or else the nearest place around it.

        A part that the file does not spell is passed over: the index of a lone `replace`, the
        `name` of a short form.
        """
        found: Place = ()
        for part in place:
            if (*found, part) in self._where:
                found = (*found, part)
        if not self._where:
            return Location(self.path, key=dotted(place))
        return self._where.get(found, Location(self.path))

    def note(self, place: Place, where: Location) -> None:
        """Remember where `place` was said."""
        self._where[place] = where

    def knows(self, place: Place) -> bool:
        """Whether exactly this place was said."""
        return place in self._where

    def replace(self, place: Place, value: JsonValue, where: Location) -> None:
        """Remember that `place` and all below it come from elsewhere now, an override say."""
        depth = len(place)
        for length in range(1, depth):
            # What an override spelt out on its way (`latency` as `{latency: {}}`) keeps its own place.
            self._where.setdefault(place[:length], self.at(place[:length]))
        self._where = {known: at for known, at in self._where.items() if known[:depth] != place}
        for each in places_in(value, place):
            self._where[each] = where

    def copy(self) -> SourceMap:
        """A map that can be changed apart from this one."""
        twin = SourceMap(self.path)
        twin._where = dict(self._where)
        return twin


def map_lines(root: yaml.Node, path: str) -> SourceMap:
    """The line of every place in a composed YAML document.

    Raises:
        SuiteError: a key that is given twice or is not text, a value that is not plain (a date,
            an object), or a document that contains itself or unfolds without end.
    """
    walk = _Walk(path)
    walk.visit(root, ())
    return walk.map


class _Walk:
    def __init__(self, path: str) -> None:
        self.map = SourceMap(path)
        self._open: list[yaml.Node] = []
        self._visited = 0

    def _location(self, node: yaml.Node, place: Place) -> Location:
        return Location(self.map.path, node.start_mark.line + 1, dotted(place) or None)

    def visit(self, node: yaml.Node, place: Place, *, said_at: yaml.Node | None = None) -> None:
        where = self._location(said_at or node, place)
        self._visited += 1
        if any(node is each for each in self._open):
            raise SuiteError("an alias refers to what it is part of", where=where)
        if self._visited > _MOST_VALUES:
            raise SuiteError(
                "the aliases of this file unfold without end",
                expected=f"at most {_MOST_VALUES} values",
                where=where,
            )
        if node.tag not in _PLAIN_TAGS:
            kind = node.tag.removeprefix("tag:yaml.org,2002:")
            raise SuiteError(
                f"a value of the kind '{kind}' is not plain",
                expected="numbers, texts, true/false, lists and mappings",
                fix=f"put it in quotes: '{node.value}'" if isinstance(node, yaml.ScalarNode) else None,
                where=where,
            )
        if not self.map.knows(place):
            self.map.note(place, where)
        self._open.append(node)
        if isinstance(node, yaml.MappingNode):
            self._visit_mapping(node, place)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.visit(item, (*place, index))
        self._open.pop()

    def _visit_mapping(self, node: yaml.MappingNode, place: Place) -> None:
        first: dict[str, yaml.Node] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in ("tag:yaml.org,2002:str", _MERGE):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "a list or mapping"
                raise SuiteError(
                    f"the key {shown} is not text",
                    fix=f"put it in quotes: '{shown}'" if isinstance(key, yaml.ScalarNode) else None,
                    where=self._location(key, place),
                )
            if key.value in first:
                raise SuiteError(
                    f"key '{key.value}' is given twice",
                    expected="each key once",
                    fix=f"remove one; the first is on line {first[key.value].start_mark.line + 1}",
                    where=self._location(key, (*place, key.value)),
                )
            first[key.value] = key
            if key.tag == _MERGE:
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            else:
                self.visit(value, (*place, key.value), said_at=key)
        for other in merged:
            # What a mapping says itself wins over what it merges; `visit` keeps the first line it learnt.
            self.visit(other, place)
