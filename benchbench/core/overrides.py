"""Setting one value deep in a declaration: `--set key=value`, profiles and swept fields."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import yaml

from benchbench.core import registry
from benchbench.core.errors import Location, OptionError, UnknownNameError, unknown_name
from benchbench.core.model import JsonValue
from benchbench.core.plain_yaml import read_plain
from benchbench.core.source_map import Place, SourceMap, dotted

# What `architecture: resnet` is short for, by the key that it stands under.
_SHORT_FOR = {"architecture": "name", "discriminator": "name", "with": "name", "data": "source"}


class Document:
    """A suite as plain values, with where each of them was said.

    Args:
        raw: the suite file's mapping.
        sources: where its values were said.
    """

    def __init__(self, raw: dict[str, JsonValue], sources: SourceMap) -> None:
        # Through text, so that no two places share one list or mapping, as YAML aliases do.
        self.raw: dict[str, JsonValue] = json.loads(json.dumps(raw))
        self.sources = sources.copy()

    def set(self, path: str, value: JsonValue, *, where: Location) -> None:
        """Set the value at a dotted path; `where` is told in every error about it from now on.

        Raises:
            UnknownNameError, OptionError: the path leads through something that does not exist.
        """
        try:
            place = set_value(self.raw, path, value)
        except (OptionError, UnknownNameError) as error:
            raise error.at(where) from None
        self.sources.replace(place, _value_at(self.raw, place), where)

    def apply(self, overrides: Sequence[str]) -> None:
        """Apply `key=value` texts, the last one wins.

        Raises:
            UnknownNameError, OptionError: an override that is not `key=value` or leads nowhere.
        """
        for text in overrides:
            path, value = parse_override(text)
            self.set(path, value, where=Location(f"--set {text}"))

    def apply_profile(self, name: str) -> None:
        """Apply what the suite declares under `profiles.<name>`.

        `full` is the suite as it stands, `static` what needs neither weights nor training nor a backend, and
        `latency` the same with the suite's latency; a suite may declare its own under these names.

        Raises:
            UnknownNameError: the suite has no such profile.
            OptionError: a path in it leads nowhere.
        """
        profiles = self.raw.get("profiles")
        declared = profiles if isinstance(profiles, dict) else {}
        if name not in declared and name in ("static", "latency"):
            _leave_untrained(self.raw, timed=name == "latency")
            return
        if name not in declared and name != "full":
            raise unknown_name(
                "profile",
                name,
                {*declared, "full", "static", "latency"},
                where=Location(self.sources.path, key="profiles"),
            )
        changes = declared.get(name)
        # Anything else than a mapping is told by the suite's own validation.
        for path, value in changes.items() if isinstance(changes, dict) else ():
            self.set(path, value, where=self.sources.at(("profiles", name, path)))


def _leave_untrained(raw: dict[str, JsonValue], *, timed: bool) -> None:
    for key in ("train", "data"):
        raw.pop(key, None)
    if isinstance(sweeps := raw.get("matrix"), dict):
        trained = ("seed", "train", "data")
        raw["matrix"] = {key: values for key, values in sweeps.items() if key.split(".")[0] not in trained}
    measures = raw.get("measure")
    if not isinstance(measures, list):
        return
    kept = [entry for entry in measures if _needs_no_training(_measure_name(entry), timed=timed)]
    raw["measure"] = kept or ["parameters", "macs"]


def _needs_no_training(name: str, *, timed: bool) -> bool:
    # An unknown name stays, and is told by the suite's own check.
    is_static = name not in registry.MEASURES or registry.MEASURES.load(name).needs == "structure"
    return is_static or (timed and name == "latency")


def parse_override(text: str) -> tuple[str, JsonValue]:
    """`train.steps=50` as a dotted path and a value; the value is read as YAML.

    Raises:
        OptionError: there is no `=`, no key, or the value is not plain YAML.
    """
    where = Location(f"--set {text}")
    path, equals, written = text.partition("=")
    if not equals or not path.strip():
        raise OptionError(
            f"'{text}' sets nothing", expected="key=value, for example train.steps=50", where=where
        )
    try:
        value = read_plain(written)
        # Refuses dates, infinities and lists that contain themselves.
        json.dumps(value, allow_nan=False)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        raise OptionError(
            f"the value '{written}' is not plain",
            expected="a number, a text, true or false, [a list] or {a: mapping}",
            fix="put text with special characters in quotes",
            where=where,
        ) from None
    return path.strip(), value


def set_value(raw: dict[str, JsonValue], path: str, value: JsonValue) -> Place:
    """Set the value at a dotted path in place, and return the outermost place that is new.

    A short form on the way is written out, `measure.latency.threads` finds the entry of that
    measure, and one entry of a list needs its index unless it is the only one.

    Raises:
        UnknownNameError: a variant or measure that the suite does not declare.
        OptionError: the path is malformed, or leads below a plain value or past the end of a list.
    """
    if not re.fullmatch(r"[^.\[\]]+(\[\d+\]|\.[^.\[\]]+)*", path):
        raise OptionError(f"'{path}' is no path", expected="keys with dots between, like data.size")
    return _Setter(path).descend(raw, re.findall(r"\[\d+\]|[^.\[\]]+", path), (), value)


class _Setter:
    def __init__(self, path: str) -> None:
        self._path = path

    def descend(self, node: JsonValue, parts: list[str], place: Place, value: JsonValue) -> Place:
        if isinstance(node, list):
            return self._descend_list(node, parts, place, value)
        if not isinstance(node, dict):
            raise OptionError(f"'{dotted(place)}' is {json.dumps(node)}; it has no '{parts[0]}'")
        if parts[0] == "[0]" and len(parts) > 1:
            return self.descend(node, parts[1:], place, value)  # the only entry, written without a list
        key, rest = self._take_key(node, parts, place)
        here = (*place, key)
        if not rest:
            node[key] = value
            return here
        if key not in node:
            if place == ("variants",):
                raise unknown_name("variant", key, node)
            node[key] = {"baseline": {}} if here == ("variants",) else {}
            self.descend(node[key], rest, here, value)
            return here
        node[key] = _spelt_out(node[key], key, place)
        return self.descend(node[key], rest, here, value)

    def _take_key(self, node: dict[str, JsonValue], parts: list[str], place: Place) -> tuple[str, list[str]]:
        if place == ("matrix",) or (len(place) == 2 and place[0] == "profiles"):
            return ".".join(parts), []  # keys there are dotted paths themselves
        for size in range(len(parts), 1, -1):  # a name may contain dots
            if ".".join(parts[:size]) in node:
                return ".".join(parts[:size]), parts[size:]
        return parts[0], parts[1:]

    def _descend_list(self, node: list[JsonValue], parts: list[str], place: Place, value: JsonValue) -> Place:
        head, rest = parts[0].strip("[]"), parts[1:]
        if head.isdigit():
            index = int(head)
            if index >= len(node):
                raise OptionError(
                    f"'{dotted(place)}' has no entry [{index}]", expected=f"an index below {len(node)}"
                )
            if place == ("measure",) and rest:
                named = rest[1:] if rest[0] == _measure_name(node[index]) else rest
                return self._into_measure(node, index, named, value)
        elif place == ("measure",):
            return self._descend_measure(node, parts, value)
        elif len(node) == 1:
            index, rest = 0, parts
        else:
            raise OptionError(
                f"'{dotted(place)}' is a list of {len(node)}",
                expected="the index of one",
                fix=self._indexed(place),
            )
        here = (*place, index)
        if not rest:
            node[index] = value
            return here
        return self.descend(node[index], rest, here, value)

    def _indexed(self, place: Place) -> str:
        head = dotted(place)
        return f"write {head}[0]{self._path.removeprefix(head)}"

    def _descend_measure(self, node: list[JsonValue], parts: list[str], value: JsonValue) -> Place:
        name, rest = parts[0], parts[1:]
        names = [_measure_name(entry) for entry in node]
        if name not in names:
            raise unknown_name("measure in this suite", name, [each for each in names if each])
        if names.count(name) > 1:
            raise OptionError(
                f"the suite has {names.count(name)} measures '{name}'",
                expected="the index of one",
                fix=f"write measure[{names.index(name)}]{'.' if rest else ''}{'.'.join(rest)}",
            )
        return self._into_measure(node, names.index(name), rest, value)

    def _into_measure(self, node: list[JsonValue], index: int, rest: list[str], value: JsonValue) -> Place:
        entry, name, here = node[index], _measure_name(node[index]), ("measure", index)
        if rest and isinstance(entry, dict) and "name" in entry:
            return self.descend(entry, rest, here, value)
        if not rest:
            node[index] = {name: value}
            return (*here, name) if not isinstance(entry, dict) or name in entry else here
        options = entry.get(name) if isinstance(entry, dict) else None
        node[index] = {name: {} if options is None else options}
        return self.descend(node[index], [name, *rest], here, value)


def _measure_name(entry: JsonValue) -> str:
    if isinstance(entry, dict):
        return str(entry["name"]) if "name" in entry else str(next(iter(entry), ""))
    return str(entry)


def _spelt_out(value: JsonValue, key: str, place: Place) -> JsonValue:
    if value is None:
        return {}
    if isinstance(value, str) and key in _SHORT_FOR:
        return {_SHORT_FOR[key]: value}
    if place[:1] == ("expect",) and len(place) == 2 and not isinstance(value, dict):
        return {"value": value}
    return value


def _value_at(raw: JsonValue, place: Place) -> JsonValue:
    for part in place:
        if isinstance(raw, dict):
            raw = raw[str(part)]
        elif isinstance(raw, list):
            raw = raw[int(part)]
    return raw
