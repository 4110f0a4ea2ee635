"""Which figures of two runs may stand side by side, and why the others may not."""

from __future__ import annotations

from benchbench.core.comparable import differing_settings
from benchbench.core.declared import shown
from benchbench.core.environment import Environment
from benchbench.core.measurement import CellResult, Measurement

SPEEDUPS = frozenset({"speedup", "device_speedup"})
# Of the machine and of the run; they are shown beside the environment, not as what a cell has.
OF_THE_RUN = frozenset({"aa_control", "device_aa_control", "roof_compute", "roof_memory"})
_RATES = frozenset({"s", "B/s", "MAC/s", "J", "W", "image/s"})
# What a speed-up may differ in: it is measured on one machine, and compares across machines.
_OF_THE_PLACE = frozenset({"device", "threads", "warmup_s"})


def why_not(first: Measurement, other: Measurement, *, machines: tuple[Environment, Environment]) -> str:
    """Why the two figures are not compared; empty where they are.

    Equal protocols are asked for; of a time also the same device and threads. A speed-up may come from
    another device or other threads.
    """
    ours, theirs = first.protocol, other.protocol
    place = _OF_THE_PLACE if first.name in SPEEDUPS else frozenset()
    differing = {
        key: values
        for key, values in differing_settings(ours.settings, theirs.settings).items()
        if key not in place
    }
    if first.unit != other.unit:
        return f"in {first.unit} and in {other.unit}"
    if ours.name != theirs.name:
        return f"another protocol: {shown(ours.name)} and {shown(theirs.name)}"
    if differing:
        told = "; ".join(f"{key} {shown(a)} and {shown(b)}" for key, (a, b) in differing.items())
        return f"another protocol: {told}"
    if first.unit in _RATES or first.name == "knee_batch":
        if first.setting != other.setting:
            return f"timed otherwise: {shown(first.setting)} and {shown(other.setting)}"
        return _another_machine(first, machines)
    return ""


def device_of(figure: Measurement) -> str:
    """`cpu` or `cuda`: where a figure was timed, as its protocol or its setting says."""
    said = figure.protocol.settings.get("device")
    word = said if isinstance(said, str) else figure.setting
    return "cuda" if word.startswith("cuda") else "cpu"


def _another_machine(first: Measurement, machines: tuple[Environment, Environment]) -> str:
    if device_of(first) == "cuda":
        names = [", ".join(dict.fromkeys(gpu.name for gpu in each.gpus)) for each in machines]
        kind = "GPU"
    else:
        names = [each.cpu_model or "" for each in machines]
        kind = "CPU"
    if not all(names):
        return f"the {kind} of a run is unknown"
    return "" if names[0] == names[1] else f"another {kind}: {shown(names[0])} and {shown(names[1])}"


def is_another_network(first: CellResult, other: CellResult) -> bool:
    """Whether two cells of one name build networks of different families."""
    ours, theirs = (each.cell.architecture for each in (first, other))
    return (ours.name, ours.import_path) != (theirs.name, theirs.import_path)
