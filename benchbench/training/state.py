"""What a training leaves so that another process goes on with it to the same weights."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchbench.architectures.weights import write_file
from benchbench.core.errors import CheckpointError, StoreError
from benchbench.core.measurement import Curve, ImageRecord
from benchbench.core.model import JsonValue, canonical_json
from benchbench.core.training import TrainingTask
from benchbench.core.units import format_quantity
from benchbench.training.levels import Level, Spent
from benchbench.training.networks import unwrapped

_HEADER = b"benchbench training state 2 "


@dataclass(slots=True)
class Progressed:
    """How far a training is, and what it has left so far.

    Attributes:
        step: finished steps.
        seconds: time spent on them, over all processes that took part.
        step_seconds: time of the steps alone, without validation, scores, pictures and checkpoints, and
            without the first one of each process, which warms up.
        timed_steps: how many steps that is the time of.
        peaks: peak bytes by name.
        curves: name -> (steps, values).
        images: pictures written, as records.
        best: the best score so far and its step; None before the first.
        levels: those that were declared, by their setting; none before the first score.
    """

    step: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    timed_steps: int = 0
    peaks: dict[str, int] = field(default_factory=dict)
    curves: dict[str, tuple[list[int], list[float]]] = field(default_factory=dict)
    images: list[ImageRecord] = field(default_factory=list)
    best: tuple[float, int] | None = None
    levels: dict[str, Level] = field(default_factory=dict)

    def log(self, name: str, value: float) -> None:
        """One more point of a curve, at the present step."""
        steps, values = self.curves.setdefault(name, ([], []))
        steps.append(self.step)
        values.append(value)

    @property
    def spent(self) -> Spent:
        """What the steps have taken up to the present one."""
        return Spent(step=self.step, step_seconds=self.step_seconds, timed_steps=self.timed_steps)

    def as_curves(self) -> tuple[Curve, ...]:
        """The curves as results hold them."""
        return tuple(
            Curve(name=name, steps=tuple(steps), values=tuple(values))
            for name, (steps, values) in self.curves.items()
        )


def write_state(
    path: Path, task: TrainingTask, progressed: Progressed, about: Mapping[str, JsonValue]
) -> None:
    """Everything that the next step depends on, in one file, whole or not at all; the one before is kept.

    It begins with the SHA-256 of the rest. Random numbers are no part of it: data order and the generators
    are functions of seed and step.

    Raises:
        StoreError: it cannot be written; an older state is intact.
    """
    content = {
        "about": canonical_json(dict(about)),
        "networks": {name: network.state_dict() for name, network in parts_of(task).items()},
        "optimizers": {name: optimizer.state_dict() for name, optimizer in task.optimizers.items()},
        "schedulers": {name: scheduler.state_dict() for name, scheduler in task.schedulers.items()},
        "step": progressed.step,
        "seconds": progressed.seconds,
        "step_seconds": progressed.step_seconds,
        "timed_steps": progressed.timed_steps,
        "best": progressed.best,
        "levels": [level.model_dump_json() for level in progressed.levels.values()],
        "peaks": progressed.peaks,
        "curves": progressed.curves,
        "images": [image.model_dump_json() for image in progressed.images],
    }
    whole = io.BytesIO()
    torch.save(content, whole)

    def fill(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(_HEADER + hashlib.sha256(whole.getbuffer()).hexdigest().encode() + b"\n")
            file.write(whole.getbuffer())
        if path.is_file():
            # A process that ends between this and the next rename leaves the one before, which is whole.
            os.replace(path, before_last(path))

    write_file(path, fill)


def before_last(path: Path) -> Path:
    """Where the state before the last one lies."""
    return path.with_name(f"{path.name}.before")


def read_state(
    path: Path, task: TrainingTask, about: Mapping[str, JsonValue], *, say: Callable[[str], None]
) -> Progressed:
    """Put networks, optimisers and schedulers back where they were; at the start where no state is.

    Args:
        about: what the training is made of now; it must be what it was.
        say: told when the last state is damaged and the one before it is gone on from.

    Raises:
        CheckpointError: every state there is is damaged, or was made by a training that differs; what
            differs is named.
    """
    damaged: CheckpointError | None = None
    for each in (path, before_last(path)):
        if not each.is_file():
            continue
        try:
            content = _read_whole(each)
        except CheckpointError as error:
            damaged = damaged or error
            continue
        if damaged is not None:
            say(f"{damaged.reason}; going on from the checkpoint before it, of step {content['step']}")
        return _restore(content, each, task, about)
    if damaged is not None:
        raise damaged
    return Progressed()


def _read_whole(path: Path) -> dict[str, Any]:
    def refuse(told: object) -> CheckpointError:
        return CheckpointError(
            f"{path} cannot be read ({told})",
            expected="a state file written by this version of benchbench",
            fix=f"delete it to train from the start: rm {path}*",
        )

    try:
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise refuse(error.strerror) from None
    if not head.startswith(_HEADER):
        raise refuse("it is of another version, or no state file")
    if hashlib.sha256(body).hexdigest().encode() != head[len(_HEADER) :]:
        raise refuse("it is damaged: its content is not what was written")
    content: dict[str, Any] = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    return content


def parts_of(task: TrainingTask) -> dict[str, nn.Module]:
    """Everything that a step changes, unwrapped, by name."""
    return {name: unwrapped(each) for name, each in {**task.networks, **task.kept}.items()}


def check_space(path: Path, task: TrainingTask) -> None:
    """Two states and the one that is being written must fit on the disk.

    Raises:
        StoreError: they would not.
    """
    own = sum(
        tensor.numel() * tensor.element_size()
        for part in parts_of(task).values()
        for tensor in part.state_dict().values()
    )
    # Adam's two moments; other optimisers have fewer.
    moments = 2 * sum(
        each.numel() * each.element_size()
        for optimizer in task.optimizers.values()
        for group in optimizer.param_groups
        for each in group["params"]
    )
    kept_bytes = sum(each.stat().st_size for each in (path, before_last(path)) if each.is_file())
    needed = 3 * (own + moments) + own - kept_bytes
    folder = next(each for each in path.parents if each.is_dir())
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreError(
            f"{folder}: {format_quantity(free, 'B')} free, and checkpoints of this training need "
            f"{format_quantity(needed, 'B')}",
            expected="room for two states, one that is being written, and the weights",
            fix="free some space, or write elsewhere with --out",
        )


def _restore(
    content: dict[str, Any], path: Path, task: TrainingTask, about: Mapping[str, JsonValue]
) -> Progressed:
    _check_same(path, json.loads(content["about"]), dict(about))
    for name, network in parts_of(task).items():
        network.load_state_dict(content["networks"][name])
    for name, optimizer in task.optimizers.items():
        optimizer.load_state_dict(content["optimizers"][name])
    for name, scheduler in task.schedulers.items():
        scheduler.load_state_dict(content["schedulers"][name])
    # A state from before there were levels belongs to a training without them: `_check_same` saw to it.
    levels = [Level.model_validate_json(text) for text in content.get("levels", ())]
    return Progressed(
        step=content["step"],
        seconds=content["seconds"],
        step_seconds=content["step_seconds"],
        timed_steps=content["timed_steps"],
        best=content["best"],
        levels={level.setting: level for level in levels},
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
