"""Checks of a suite against what is registered: names, options and stages, each told where it stands."""

from __future__ import annotations

import string
from collections.abc import Mapping

from benchbench.core import registry
from benchbench.core.data_spec import DataSpec
from benchbench.core.errors import SuiteError, unknown_name
from benchbench.core.gate_rules import KNOWN_NAMES, check_rules
from benchbench.core.model import JsonValue, canonical_json, dump_declared
from benchbench.core.resolve_deploy import check_deployments
from benchbench.core.source_map import Place, SourceMap
from benchbench.core.suite import (
    EVERYWHERE,
    ArchitectureSpec,
    ReplaceSpec,
    Suite,
    TrainSpec,
    Variant,
)
from benchbench.core.validation import check_known, check_options, told_at
from benchbench.core.variant_changes import data_of, networks_of, train_of

_OF_TRAINING = (
    "training_time", "training_10k_steps", "steps_to_level", "time_to_level",
    "peak_resident", "peak_allocated", "peak_reserved",
)  # fmt: skip
_PLACEHOLDERS = ("cell", "variant", "seed")


def check(suite: Suite, *, sources: SourceMap | None = None) -> None:
    """Check every name and option of a suite against the registries; the first fault is raised.

    An imported architecture is not imported here: only the form of `module:callable` is checked.

    Args:
        suite: what was declared.
        sources: where each part was said; without it an error names the key alone.

    Raises:
        UnknownNameError: a name that nothing registers, or a variant or stage that does not exist.
        OptionError: an option that does not exist or has a wrong value.
        SuiteError: parts that do not fit one another.
        BenchbenchError: a registered module that cannot be imported.
    """
    where = sources or SourceMap(f"suite '{suite.name}'")
    check_architecture(suite.architecture, where, ("architecture",))
    if suite.discriminator is not None:
        check_architecture(suite.discriminator, where, ("discriminator",))
    for name, variant in suite.variants.items():
        place: Place = ("variants", name)
        networks = networks_of(suite.architecture, suite.discriminator, variant, where, place)
        if variant.architecture:
            check_architecture(networks["generator"], where, (*place, "architecture"))
        if variant.discriminator:
            check_architecture(networks["discriminator"], where, (*place, "discriminator"))
        for index, spec in enumerate(variant.replace):
            check_replace(spec, networks, where, (*place, "replace", index))
    _check_variant_names(suite, where)
    _check_expected(suite, where)
    if suite.data is not None:
        check_data(suite.data, where, ("data",))
    if suite.train is not None:
        # Without data of its own a suite may leave them to each variant; cells are checked again.
        own = any(variant.data for variant in suite.variants.values())
        check_train(suite.train, where, ("train",), data=suite.data, elsewhere=own)
    for name, variant in suite.variants.items():
        _check_own_training(suite, variant, where, ("variants", name))
    _check_measures(suite, where)
    check_deployments(suite, where)
    _check_gate(suite, where)


def check_architecture(spec: ArchitectureSpec, sources: SourceMap, place: Place) -> None:
    """Check a registered architecture's name and options."""
    if spec.name is None:
        return
    with told_at(sources, (*place, "name")):
        architecture = registry.ARCHITECTURES.load(spec.name)
    check_options("architecture", spec.name, architecture.options, spec.options, sources, place)


def check_replace(
    spec: ReplaceSpec, networks: Mapping[str, ArchitectureSpec], sources: SourceMap, place: Place
) -> None:
    """Check the network and the stages that a replacement names, the replacement's name and its options."""
    if spec.network not in networks:
        raise SuiteError(
            "the suite declares no discriminator to replace layers of",
            fix="add `discriminator: NAME` beside `architecture`",
            where=sources.at((*place, "network")),
        )
    architecture = networks[spec.network]
    known = stages_of(architecture) if spec.stages != EVERYWHERE else None
    for index, stage in enumerate(spec.stages if known is not None else ()):
        if stage not in (known or ()):
            raise unknown_name(
                f"stage of {architecture.label}",
                stage,
                known or (),
                where=sources.at((*place, "stages", index)),
            )
    chosen = spec.replacement
    with told_at(sources, (*place, "with", "name")):
        replacement = registry.REPLACEMENTS.load(chosen.name)
    check_options("replacement", chosen.name, replacement.options, chosen.options, sources, (*place, "with"))


def stages_of(spec: ArchitectureSpec) -> tuple[str, ...] | None:
    """The stage names of an architecture; None where any module path will do."""
    if spec.name is not None:
        return tuple(registry.ARCHITECTURES.load(spec.name).stages)
    return tuple(spec.stages) if spec.stages else None


def check_data(spec: DataSpec, sources: SourceMap, place: Place) -> None:
    """Check a data source's name and options."""
    with told_at(sources, (*place, "source")):
        source = registry.SOURCES.load(spec.source)
    check_options("data source", spec.source, source.options, spec.options, sources, place)


def _check_own_training(suite: Suite, variant: Variant, sources: SourceMap, place: Place) -> None:
    data = data_of(_dumped(suite.data), variant, sources, place)
    if variant.data and data is not None:
        check_data(data, sources, (*place, "data"))
    train = train_of(_dumped(suite.train), variant, sources, place)
    if train is not None and (variant.train or variant.data or data is None):
        check_train(train, sources, (*place, "train"), data=data)


def _dumped(spec: DataSpec | TrainSpec | None) -> dict[str, JsonValue] | None:
    return None if spec is None else dump_declared(spec)


def check_train(
    spec: TrainSpec,
    sources: SourceMap,
    place: Place,
    *,
    data: DataSpec | None,
    elsewhere: bool = False,
) -> None:
    """Check a recipe's name and options, or the placeholders of a checkpoint's path.

    Args:
        data: the images; none is an error unless they are declared `elsewhere`.
    """
    if spec.load is not None:
        _check_placeholders(spec.load, sources, (*place, "load"))
    if spec.recipe is None:
        return
    with told_at(sources, (*place, "recipe")):
        recipe = registry.RECIPES.load(spec.recipe)
    check_options("recipe", spec.recipe, recipe.options, spec.options, sources, place)
    if data is None and not elsewhere:
        raise SuiteError(
            f"the recipe '{spec.recipe}' has no images to train on",
            expected="a `data` section beside `train`",
            fix=f"add `data: {{source: ...}}`; the sources are {', '.join(registry.SOURCES)}",
            where=sources.at((*place, "recipe")),
        )


def _check_placeholders(path: str, sources: SourceMap, place: Place) -> None:
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(path) if field is not None]
    except ValueError as error:
        raise SuiteError(
            f"'{path}' has an unmatched brace ({error})",
            expected="a path in which {cell}, {variant} and {seed} may stand",
            where=sources.at(place),
        ) from None
    for field in fields:
        if field not in _PLACEHOLDERS:
            raise unknown_name("placeholder", field, _PLACEHOLDERS, where=sources.at(place))


def _check_variant_names(suite: Suite, sources: SourceMap) -> None:
    named: list[tuple[str, Place]] = [(variant, ("expect", variant)) for variant in suite.expect]
    if suite.baseline is not None:
        named.insert(0, (suite.baseline, ("baseline",)))
    for variant, place in named:
        check_known("variant", variant, suite.variants, sources, place)


def _check_expected(suite: Suite, sources: SourceMap) -> None:
    """Whether every expected figure is one that some measure, or a training, makes."""
    # Reading a suite that expects nothing need not import every measure there is.
    measures = [registry.MEASURES.load(name) for name in registry.MEASURES] if suite.expect else []
    if not all(measure.names for measure in measures):
        return  # somebody's measure does not tell its names, and may make any
    known = [*_OF_TRAINING, *(name for measure in measures for name in measure.names)]
    for variant, figures in suite.expect.items():
        for name in figures:
            check_known("measurement", name, known, sources, ("expect", variant, name))


def _check_measures(suite: Suite, sources: SourceMap) -> None:
    seen: dict[tuple[str, str], int] = {}
    for index, spec in enumerate(suite.measure):
        place: Place = ("measure", index)
        with told_at(sources, (*place, spec.name)):
            measure = registry.MEASURES.load(spec.name)
        check_options("measure", spec.name, measure.options, spec.options, sources, (*place, spec.name))
        against = spec.options.get("baseline")
        if isinstance(against, str):
            check_known("variant", against, suite.variants, sources, (*place, spec.name, "baseline"))
        same = seen.setdefault((spec.name, canonical_json(spec.options)), index)
        if same != index:
            raise SuiteError(
                f"the measure '{spec.name}' is asked for twice with the same options",
                fix=f"remove one; the first is measure[{same}]",
                where=sources.at(place),
            )


def _check_gate(suite: Suite, sources: SourceMap) -> None:
    if suite.gate is None:
        return
    measures = [registry.MEASURES.load(name) for name in registry.MEASURES]
    known = {*KNOWN_NAMES, *_OF_TRAINING, *(name for measure in measures for name in measure.names)}
    if not all(measure.names for measure in measures):
        # Somebody's measure does not tell its names: any that is declared may be one of them.
        known |= {*suite.gate.measures, *(name for each in suite.gate.cells.values() for name in each)}
    check_rules(suite.gate, known, sources, ("gate",))
