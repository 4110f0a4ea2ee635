"""What a variant changes of its suite's networks, data and training."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TypeVar

from pydantic import BaseModel

from benchbench.core.data_spec import DataSpec
from benchbench.core.model import JsonValue, dump_declared
from benchbench.core.source_map import Place, SourceMap
from benchbench.core.suite import ArchitectureSpec, TrainSpec, Variant
from benchbench.core.validation import validated

PartT = TypeVar("PartT", bound=BaseModel)


def networks_of(
    architecture: ArchitectureSpec,
    discriminator: ArchitectureSpec | None,
    variant: Variant,
    sources: SourceMap,
    place: Place,
) -> dict[str, ArchitectureSpec]:
    """The suite's networks with a variant's changes, by `generator` and, where there is one, `discriminator`.

    Raises:
        SuiteError: together they are no architecture.
    """
    found = {
        "generator": _changed(architecture, variant.architecture, sources, (*place, "architecture")),
        "discriminator": _changed(
            discriminator, variant.discriminator or {}, sources, (*place, "discriminator")
        ),
    }
    return {network: spec for network, spec in found.items() if spec is not None}


def _changed(
    spec: ArchitectureSpec | None, changes: Mapping[str, JsonValue], sources: SourceMap, place: Place
) -> ArchitectureSpec | None:
    """Other options, or another architecture altogether where the changes name one."""
    if not changes:
        return spec
    if spec is None or "name" in changes or "import" in changes:
        return validated(ArchitectureSpec, changes, sources, place)
    base = dump_declared(spec)
    changed: dict[str, JsonValue] = {**base, **changes}
    arguments = changes.get("kwargs")
    if isinstance(arguments, dict):
        changed["kwargs"] = {**base.get("kwargs", {}), **arguments}
    return validated(ArchitectureSpec, changed, sources, place)


def data_of(
    base: Mapping[str, JsonValue] | None, variant: Variant, sources: SourceMap, place: Place
) -> DataSpec | None:
    """The suite's data with a variant's changes; others altogether where those name a source.

    Raises:
        SuiteError: together they are no data.
    """
    return _merged(DataSpec, base, variant.data, {"source"}, sources, place, "data")


def train_of(
    base: Mapping[str, JsonValue] | None, variant: Variant, sources: SourceMap, place: Place
) -> TrainSpec | None:
    """The suite's training with a variant's changes; another one where those name a recipe or a checkpoint.

    Raises:
        SuiteError: together they are no training.
    """
    return _merged(TrainSpec, base, variant.train, {"recipe", "load"}, sources, place, "train")


def _merged(
    part: type[PartT],
    base: Mapping[str, JsonValue] | None,
    changes: Mapping[str, JsonValue] | None,
    naming: Set[str],
    sources: SourceMap,
    place: Place,
    key: str,
) -> PartT | None:
    """The base with the changes; these alone where one of their keys is among `naming`."""
    changes = changes or {}
    whole = changes if naming & set(changes) else {**(base or {}), **changes}
    return validated(part, whole, sources, (*place, key) if changes else place) if whole else None
