"""How figures came to be: failures, protocols, controls, environment and the time of each phase."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from benchbench.core.measurement import Failure, ResultTable
from benchbench.core.model import JsonValue
from benchbench.core.units import format_quantity
from benchbench.report.views.lines import Estimate, Line, estimate, settings_of

UNKNOWN = "unknown"
Verdict = Literal["unknown", "noisy", "wide", "quiet"]

WIDEST_TIMES = 2.0
"""An A/A interval may be so many times as wide as the protocol asks of a ratio."""
WIDEST = 0.1
"""Its relative half-width where the protocol asks for none."""


@dataclass(frozen=True, slots=True)
class FailureRow:
    """What could not be measured."""

    label: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class ProtocolRow:
    """One protocol and the measures that followed it; `settings` as `key = value`."""

    measures: tuple[str, ...]
    name: str
    hash: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlRow:
    """The duplicate of the baseline against the baseline: 1 is in the interval of a quiet machine."""

    label: str
    control: Estimate
    meaning: Verdict


@dataclass(frozen=True, slots=True)
class FactRow:
    """One fact of the environment; `unknown` where the machine did not say."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """Wall time of one phase; `share` of the run, `inside_s` within models, data and library calls."""

    name: str
    seconds: float
    share: float
    inside_s: float


@dataclass(frozen=True, slots=True)
class RunView:
    """One run: when, where, how long."""

    id: str
    started: str
    finished: str
    command: str
    benchbench: str
    schema_version: int
    facts: tuple[FactRow, ...]
    phases: tuple[PhaseRow, ...]
    total_s: float
    overhead_share: float | None


def failure_rows(lines: Sequence[Line]) -> tuple[FailureRow, ...]:
    """Every failure and skip; one line's equal failures of several seeds are one row.

    What every line lacks for one reason, or every one but the baselines, is one row as well; and so is what
    every deployment lacks, or every variant in one of them.
    """
    found: dict[Failure, dict[str, None]] = {}
    rows: dict[FailureRow, None] = {}
    # A line without any measurement failed for reasons of its own.
    alive = [
        line
        for line in lines
        if any(result.measurements for result in line.results)
        # One whose outputs differ has its deployment's figures, and no others.
        if line.deployment.is_reference or line.failure is None
    ]
    everyone = {line.label for line in alive}
    others = {line.label for line in alive if not line.is_baseline}
    elsewhere = {line.label for line in alive if not line.deployment.is_reference}
    in_way: dict[str, set[str]] = {}
    for line in lines:
        if not line.deployment.is_reference:
            in_way.setdefault(line.deployment.label, set()).add(line.label)
    for line in lines:
        for result in line.results:
            for failure in result.failures:
                found.setdefault(failure, {})[line.label] = None
    for line in lines:
        for result in line.results:
            for failure in result.failures:
                labels = set(found[failure])
                label = line.label
                if failure.of != "cell" and len(labels) > 1:
                    if labels >= everyone:
                        label = "every variant"
                    elif labels == others:
                        label = "every variant but the baseline"
                    elif labels == elsewhere:
                        label = "every deployment"
                if len(labels) > 1 and labels == in_way.get(line.deployment.label):
                    label = f"every variant in {line.deployment.label}"
                rows[FailureRow(label, failure)] = None
    return tuple(rows)


def protocol_rows(lines: Sequence[Line]) -> tuple[ProtocolRow, ...]:
    """A row per protocol hash, in order of appearance."""
    measures: dict[str, dict[str, None]] = {}
    protocols = {}
    for line in lines:
        for result in line.results:
            for each in result.measurements:
                key = each.protocol.hash
                protocols[key] = each.protocol
                measures.setdefault(key, {})[
                    f"{each.name} ({each.setting})" if each.setting else each.name
                ] = None
    return tuple(
        ProtocolRow(
            measures=tuple(measures[key]),
            name=protocol.name,
            hash=key,
            settings=tuple(f"{name} = {_plain(value)}" for name, value in sorted(protocol.settings.items())),
        )
        for key, protocol in protocols.items()
    )


def control_rows(lines: Sequence[Line]) -> tuple[ControlRow, ...]:
    """A row per baseline and setting."""
    rows = []
    for name in ("aa_control", "device_aa_control"):
        for line in lines:
            for setting in settings_of([line], name):
                control = estimate(line.results, name, setting)
                if control is not None:
                    rows.append(ControlRow(line.label, control, judge_control(control)))
    return tuple(rows)


def judge_control(control: Estimate) -> Verdict:
    """What an A/A control says of the machine.

    `wide`: its interval holds 1, and its half-width, on the scale of ratios, is above twice the `half_width`
    that its own protocol declares as enough (10 % where it declares none), so that noise may hide in it.
    """
    if control.interval is None:
        return "unknown"
    low, high = control.interval
    if not low <= 1 <= high:
        return "noisy"
    declared = [protocol.settings.get("half_width") for _, protocol in control.by_seed]
    asked = [value for value in declared if isinstance(value, int | float) and value > 0]
    most = WIDEST_TIMES * max(asked) if asked else WIDEST
    return "wide" if low <= 0 or math.log(high / low) / 2 > math.log1p(most) else "quiet"


def run_view(table: ResultTable) -> RunView:
    """What is known of a run and its machine."""
    phases = table.run.phases
    total = sum(phase.seconds for phase in phases)
    outside = sum(phase.seconds - phase.inside_s for phase in phases)
    return RunView(
        id=table.run.id,
        started=table.run.started,
        finished=table.run.finished or UNKNOWN,
        command=table.run.command,
        benchbench=table.run.benchbench,
        schema_version=table.schema_version,
        facts=_facts(table),
        phases=tuple(
            PhaseRow(phase.name, phase.seconds, phase.seconds / total if total else 0.0, phase.inside_s)
            for phase in phases
        ),
        total_s=total,
        overhead_share=outside / total if total else None,
    )


def _facts(table: ResultTable) -> tuple[FactRow, ...]:
    rows = []
    for name, value in table.environment.model_dump(mode="json").items():
        title = name.removesuffix("_bytes").replace("_", " ")
        if name == "gpus" and value:
            for number, gpu in enumerate(value):
                rows += [FactRow(f"gpu {number} {_gpu(key)}", _known(key, each)) for key, each in gpu.items()]
        elif name == "packages" and value:
            listed = ", ".join(f"{package} {version}" for package, version in sorted(value.items()))
            rows.append(FactRow("packages", listed))
        elif name.startswith("load_") and value is not None:
            known = [f"{key.replace('_', ' ')} {_known(key, each)}" for key, each in value.items()]
            rows.append(FactRow(title, ", ".join(known)))
        else:
            rows.append(FactRow(title, "none found" if name == "gpus" else _known(name, value)))
    return tuple(rows)


def _gpu(key: str) -> str:
    return {"clock_mhz": "clock, MHz", "temperature_c": "temperature, °C"}.get(
        key, key.removesuffix("_bytes").replace("_", " ")
    )


def _known(name: str, value: JsonValue) -> str:
    if value is None or value == {}:
        return UNKNOWN
    if name.endswith("_bytes") and isinstance(value, int):
        return format_quantity(value, "B")
    return _plain(value)


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value) or "none"
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if isinstance(value, dict) else str(value)
