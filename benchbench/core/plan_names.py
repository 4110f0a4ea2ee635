"""Which cells a suite declares, by name alone: nothing is checked, and no registered module is imported."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from benchbench.core.cell import Setting, deployed_settings
from benchbench.core.model import JsonValue
from benchbench.core.suite import Suite, Variant


def declared_names(suite: Suite) -> Iterator[tuple[str, tuple[Setting, ...]]]:
    """Variant and settings of each cell, in the order of `expand`.

    A name in the matrix that is no variant's is left out, as `expand` refuses it.
    """
    deployments = suite.deployments
    for name, settings in network_names(suite):
        for deployment in deployments:
            yield name, (*settings, *deployed_settings(deployment))


def network_names(suite: Suite) -> Iterator[tuple[str, tuple[Setting, ...]]]:
    """As `declared_names`, of eager float32 alone: settings outermost, variants inside."""
    shared = {key: values for key, values in suite.matrix.items() if not of_variant(key)}
    own = {key: values for key, values in suite.matrix.items() if key.startswith("variant.")}
    names = [str(name) for name in suite.matrix.get("variant", tuple(suite.variants))]
    for settings in _combinations(shared):
        for name in names:
            if name not in suite.variants:
                continue
            for swept in _combinations(own if has_swept_part(suite.variants[name], own) else {}):
                yield name, (*settings, *swept)


def of_variant(key: str) -> bool:
    """Whether a key of the matrix sweeps variants, or a field of them."""
    return key == "variant" or key.startswith("variant.")


def has_swept_part(variant: Variant, keys: Iterable[str]) -> bool:
    """Whether the variant has every field that `variant.*` keys sweep; a baseline replaces nothing."""
    return all(getattr(variant, key.split(".")[1].split("[")[0], None) for key in keys)


def _combinations(sweeps: Mapping[str, tuple[JsonValue, ...]]) -> Iterator[tuple[Setting, ...]]:
    for values in itertools.product(*sweeps.values()):
        yield tuple(Setting(key=key, value=value) for key, value in zip(sweeps, values, strict=True))
