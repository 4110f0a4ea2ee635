"""Extractors by name: a registered one, or a user's own `pkg.module:callable`."""

from __future__ import annotations

from collections.abc import Mapping

from benchbench.core.features import Extractor, FeatureContext
from benchbench.core.model import JsonValue, parse_options
from benchbench.core.registry import FEATURES


def load_features(name: str, options: Mapping[str, JsonValue], context: FeatureContext) -> Extractor:
    """The extractor, loaded and ready.

    Args:
        name: of a registered extractor, or `pkg.module:callable`, `path/to/file.py:callable`.
        options: its options, not checked yet.

    Raises:
        UnknownNameError: nothing has that name; the nearest one is told.
        OptionError: an unknown option, or a value out of its range.
        CheckpointError: its weights are missing or have another hash.
        DependencyError: its library is not installed.
        FeatureError: a user's own callable cannot be imported, or makes no features.
    """
    if ":" in name:
        from benchbench.quality.custom import CustomOptions, load_custom

        return load_custom(name, parse_options("feature extractor", name, CustomOptions, options), context)
    kind = FEATURES.load(name)
    return kind.load(parse_options("feature extractor", name, kind.options, options), context)
