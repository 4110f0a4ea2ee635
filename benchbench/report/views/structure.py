"""Where the cost sits, stage by stage, and what was replaced, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchbench.core.layer_record import LayerReplacement
from benchbench.core.visible import on_one_line
from benchbench.report.views.lines import Line

OTHER_STAGE = "other"


@dataclass(frozen=True, slots=True)
class StageCost:
    """Parameters and MACs of one stage of one line; shares are of the whole line."""

    label: str
    stage: str
    parameters: int
    parameters_share: float
    macs: int
    macs_share: float


@dataclass(frozen=True, slots=True)
class Replaced:
    """What one line exchanged and what it declined."""

    label: str
    done: tuple[LayerReplacement, ...]
    declined: tuple[LayerReplacement, ...]


def stage_costs(lines: Sequence[Line]) -> tuple[StageCost, ...]:
    """A row per line and stage, stages in the order of the network; layers of no stage are `other`."""
    rows = []
    for line in lines:
        layers = next((result.layers for result in line.results if result.layers), ())
        stages = dict.fromkeys(layer.stage or OTHER_STAGE for layer in layers)
        all_parameters = sum(layer.parameters for layer in layers)
        all_macs = sum(layer.macs for layer in layers)
        for stage in stages:
            chosen = [layer for layer in layers if (layer.stage or OTHER_STAGE) == stage]
            parameters = sum(layer.parameters for layer in chosen)
            macs = sum(layer.macs for layer in chosen)
            rows.append(
                StageCost(
                    label=line.label,
                    stage=on_one_line(stage),
                    parameters=parameters,
                    parameters_share=parameters / all_parameters if all_parameters else 0.0,
                    macs=macs,
                    macs_share=macs / all_macs if all_macs else 0.0,
                )
            )
    return tuple(rows)


def replaced_layers(lines: Sequence[Line]) -> tuple[Replaced, ...]:
    """A row per line that replaced or declined anything."""
    rows = []
    for line in lines:
        layers = next((result.replacements for result in line.results if result.replacements), ())
        if layers:
            rows.append(
                Replaced(
                    label=line.label,
                    done=tuple(layer for layer in layers if layer.after is not None),
                    declined=tuple(layer for layer in layers if layer.after is None),
                )
            )
    return tuple(rows)
