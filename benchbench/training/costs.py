"""What a training cost, as measurements."""

from __future__ import annotations

import torch

from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.training.levels import explain_unmet, measured_level
from benchbench.training.options import LoopOptions
from benchbench.training.state import Progressed


def measured_costs(
    progressed: Progressed, options: LoopOptions, *, device: str, steps: int, whole_process: bool
) -> tuple[Measurement, ...]:
    """Seconds, peak bytes and what it took to the levels that were met, earlier processes included.

    Args:
        device: `cpu` or `cuda`.
        steps: of the whole training.
        whole_process: the resident peak is that of the process from its start.
    """
    protocol = Protocol(
        name="training",
        settings={
            "device": device,
            "threads": torch.get_num_threads(),
            "precision": options.precision,
            "devices": options.devices,
            "batch": options.batch,
            "steps": steps,
            "memory_format": options.memory_format,
        },
    )
    provenance = "benchbench.training.session"
    found = [
        Measurement(
            name="training_time",
            unit="s",
            direction="lower",
            value=progressed.seconds,
            protocol=protocol,
            provenance=provenance,
            flags=_kept(progressed, options),
        )
    ]
    if progressed.timed_steps:
        found.append(
            Measurement(
                name="training_10k_steps",
                unit="s",
                direction="lower",
                value=1e4 * progressed.step_seconds / progressed.timed_steps,
                protocol=protocol,
                provenance=provenance,
                flags=(f"of {progressed.timed_steps} steps; without validation, scores and checkpoints",),
            )
        )
    for name, peak_bytes in progressed.peaks.items():
        flagged = whole_process and name == "peak_resident"
        found.append(
            Measurement(
                name=name,
                unit="B",
                direction="lower",
                value=peak_bytes,
                protocol=protocol,
                provenance=provenance,
                flags=("peak of the whole process, not of the training alone",) if flagged else (),
            )
        )
    for level in progressed.levels.values():
        every = options.score_every or steps
        found += measured_level(level, protocol, score_every=every, provenance=provenance)
    return tuple(found)


def _kept(progressed: Progressed, options: LoopOptions) -> tuple[str, ...]:
    """Of which step the weights are, where that need not be the last."""
    if options.keep_best is None or progressed.best is None:
        return ()
    _, step = progressed.best
    scores = max((len(steps) for name, (steps, _) in progressed.curves.items() if name.startswith("score/")))
    whose = "the untrained network's" if step == 0 else f"those of step {step:,}"
    return (f"the weights kept are {whose}, the best of {scores} scores by {options.keep_best}",)


def missing_costs(progressed: Progressed, *, steps: int, seed: int) -> tuple[Failure, ...]:
    """What could not be measured of a finished training: levels that were never met, and why."""
    explained = (explain_unmet(level, steps=steps, seed=seed) for level in progressed.levels.values())
    return tuple(failure for failure in explained if failure is not None)
