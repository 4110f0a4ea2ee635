"""What a training leaves so that another process goes on with it to the same weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric.wrappers import _FabricModule
from torch.nn.parallel import DistributedDataParallel

from benchbench.architectures.weights import write_file
from benchbench.core.contracts import TrainingTask
from benchbench.core.errors import CheckpointError
from benchbench.core.measurement import Curve, ImageRecord
from benchbench.core.model import JsonValue, canonical_json

_VERSION = 1


@dataclass(slots=True)
class Progressed:
    """How far a training is, and what it has left so far.

    Attributes:
        step: finished steps.
        seconds: time spent on them, over all processes that took part.
        peaks: peak bytes by name.
        curves: name -> (steps, values).
        images: pictures written, as records.
    """

    step: int = 0
    seconds: float = 0.0
    peaks: dict[str, int] = field(default_factory=dict)
    curves: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    images: list[ImageRecord] = field(default_factory=list)

    def log(self, name: str, value: float) -> None:
        """One more point of a curve, at the present step."""
        steps, values = self.curves.setdefault(name, ([], []))
        steps.append(self.step)
        values.append(value)

    def as_curves(self) -> tuple[Curve, ...]:
        """The curves as results hold them."""
        return tuple(
            Curve(name=name, steps=tuple(steps), values=tuple(values))
            for name, (steps, values) in self.curves.items()
        )


def write_state(
    path: Path, task: TrainingTask, progressed: Progressed, about: Mapping[str, JsonValue]
) -> None:
    """Everything that the next step depends on, in one file, whole or not at all.

    Random numbers are no part of it: data order and the generators are functions of seed and step.

    Raises:
        StoreError: it cannot be written; an older state is intact.
    """
    content = {
        "version": _VERSION,
        "about": canonical_json(dict(about)),
        "networks": {name: _unwrapped(network).state_dict() for name, network in task.networks.items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in task.optimizers.items()},
        "schedulers": {name: scheduler.state_dict() for name, scheduler in task.schedulers.items()},
        "step": progressed.step,
        "seconds": progressed.seconds,
        "peaks": progressed.peaks,
        "curves": progressed.curves,
        "images": [image.model_dump_json() for image in progressed.images],
    }
    write_file(path, lambda temporary: torch.save(content, temporary))


def read_state(path: Path, task: TrainingTask, about: Mapping[str, JsonValue]) -> Progressed:
    """Put networks, optimisers and schedulers back where they were.

    Args:
        about: what the training is made of now; it must be what it was.

    Raises:
        CheckpointError: the file is damaged, or was made by a training that differs; what differs
            is named.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        version = content["version"]
        before = json.loads(content["about"])
    except Exception as error:
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__})",
            expected="a state file written by benchbench",
            fix=f"delete it to train from the start: rm {path}",
        ) from error
    if version != _VERSION:
        raise CheckpointError(
            f"{path} has version {version}", expected=f"version {_VERSION}", fix=f"delete it: rm {path}"
        )
    _check_same(path, before, dict(about))
    for name, network in task.networks.items():
        _unwrapped(network).load_state_dict(content["networks"][name])
    for name, optimizer in task.optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])
    for name, scheduler in task.schedulers.items():
        scheduler.load_state_dict(content["schedulers"][name])
    return Progressed(
        step=content["step"],
        seconds=content["seconds"],
        peaks=content["peaks"],
        curves={name: (list(steps), list(values)) for name, (steps, values) in content["curves"].items()},
        images=[ImageRecord.model_validate_json(text) for text in content["images"]],
    )


def _check_same(path: Path, before: dict[str, JsonValue], now: dict[str, JsonValue]) -> None:
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    if not changed:
        return
    told = "; ".join(f"{key} was {_shown(before.get(key))}, is {_shown(now.get(key))}" for key in changed[:4])
    raise CheckpointError(
        f"{path} belongs to another training: {told}",
        expected="the suite, data and model that it was begun with",
        fix=f"put them back, or delete the file to train from the start: rm {path}",
    )


def _shown(value: JsonValue) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _unwrapped(network: torch.nn.Module) -> torch.nn.Module:
    # Fabric and DDP wrap the network; names must be the same with and without them.
    while isinstance(network, (_FabricModule, DistributedDataParallel)):
        network = network.module
    return network
