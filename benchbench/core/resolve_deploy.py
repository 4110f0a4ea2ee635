"""Checks of how a suite's networks are run: backends, their options, and what they are calibrated on."""

from __future__ import annotations

from collections.abc import Mapping

from benchbench.core import registry
from benchbench.core.deployment import Deployment, DeploySpec
from benchbench.core.errors import OptionError, SuiteError, nearest
from benchbench.core.model import JsonValue, Options, parse_options
from benchbench.core.source_map import Place, SourceMap
from benchbench.core.suite import Suite
from benchbench.core.validation import check_known, check_options, told_at


def check_deployments(suite: Suite, sources: SourceMap) -> None:
    """Check the names and options of backends, and the data that quantisation is calibrated on.

    What a backend does not support (a precision, a memory format) is no fault of the suite: the cell says so.

    Raises:
        UnknownNameError: a backend that nothing registers.
        OptionError: an option that a backend does not have, or a wrong value.
        SuiteError: a memory format that the latency measure declares too, or two deployments that are one.
    """
    for index, spec in enumerate(suite.deploy):
        place: Place = ("deploy", index)
        for name in spec.backend:
            check_known("backend", name, registry.BACKENDS, sources, (*place, "backend"))
            with told_at(sources, (*place, "backend")):
                backend = registry.BACKENDS.load(name)
            _check_own_options(name, backend.options, spec.options, sources, place)
        data = spec.calibration.data
        if data is not None:
            at = (*place, "calibration", "data")
            with told_at(sources, at):
                source = registry.SOURCES.load(data.source)
            check_options("data source", data.source, source.options, data.options, sources, at)
    if suite.deploy:
        _check_memory_format(suite, sources)
        _check_labels(suite, sources)


def _check_own_options(
    name: str, options: type[Options], given: Mapping[str, JsonValue], sources: SourceMap, place: Place
) -> None:
    known = (*DeploySpec.model_fields, *options.model_fields)
    for key in given:
        if key not in known:
            match = nearest(key, known)
            raise OptionError(
                f"unknown key '{key}' of a deployment in '{name}'",
                expected=f"one of {', '.join(known)}",
                fix=f"did you mean '{match}'?" if match else None,
                where=sources.at((*place, key)),
            )
    check_options("backend", name, options, given, sources, place)


def _check_memory_format(suite: Suite, sources: SourceMap) -> None:
    for index, measure in enumerate(suite.measure):
        declared: JsonValue = measure.options.get("memory_format", "contiguous")
        if declared != "contiguous":
            raise SuiteError(
                f"the measure '{measure.name}' declares a memory format, and the suite deploys its networks",
                expected="the memory format in one place",
                fix=f"remove it here, and write `deploy: {{backend: eager, memory_format: {declared}}}`",
                where=sources.at(("measure", index, measure.name, "memory_format")),
            )


def _check_labels(suite: Suite, sources: SourceMap) -> None:
    first: dict[str, Deployment] = {}
    for each in suite.deployments:
        other = first.setdefault(_plain(each).label, each)
        if other is each:
            continue
        raise SuiteError(
            f"two deployments are called '{each.label}'"
            if other.label == each.label
            else f"'{other.label}' and '{each.label}' are one deployment",
            expected="deployments that differ in backend, precision, memory format, shapes, quantisation or "
            "an option of the backend: nothing else tells their figures apart",
            fix="remove one of them",
            where=sources.at(("deploy",)),
        )


def _plain(deployment: Deployment) -> Deployment:
    """As it would be declared without a backend's short name, and without what is a default anyway."""
    backend = registry.BACKENDS.load(deployment.backend)
    options = parse_options("backend", deployment.backend, backend.options, deployment.options)
    said = deployment.model_copy(update={"options": options.model_dump(mode="json", exclude_defaults=True)})
    # What a short name says already cannot be said beside it; the cell is skipped for that.
    is_said = any(key in said.named for key in backend.short_for if key != "backend")
    return said if is_said else said.model_copy(update=dict(backend.short_for))
