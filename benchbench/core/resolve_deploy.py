"""Checks of how a suite's networks are run: backends, their options, and what they are calibrated on."""

from __future__ import annotations

from benchbench.core import registry
from benchbench.core.errors import SuiteError
from benchbench.core.model import JsonValue
from benchbench.core.source_map import Place, SourceMap
from benchbench.core.suite import Suite
from benchbench.core.validation import check_known, check_options, told_at


def check_deployments(suite: Suite, sources: SourceMap) -> None:
    """Check the names and options of backends, and the data that quantisation is calibrated on.

    What a backend does not support (a precision, a memory format) is no fault of the suite: the cell says so.

    Raises:
        UnknownNameError: a backend that nothing registers.
        OptionError: an option that a backend does not have, or a wrong value.
        SuiteError: a memory format that the latency measure declares too.
    """
    for index, spec in enumerate(suite.deploy):
        place: Place = ("deploy", index)
        for name in spec.backend:
            check_known("backend", name, registry.BACKENDS, sources, (*place, "backend"))
            with told_at(sources, (*place, "backend")):
                backend = registry.BACKENDS.load(name)
            check_options("backend", name, backend.options, spec.options, sources, place)
        data = spec.calibration.data
        if data is not None:
            at = (*place, "calibration", "data")
            with told_at(sources, at):
                source = registry.SOURCES.load(data.source)
            check_options("data source", data.source, source.options, data.options, sources, at)
    if suite.deploy:
        _check_memory_format(suite, sources)


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
