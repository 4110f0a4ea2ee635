"""The training loop: device, precision, processes, checkpoints, resume, progress, divergence."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from benchbench.architectures.weights import load_weights
from benchbench.core.errors import BenchbenchError, OptionError
from benchbench.core.examples import Splits, require_fields
from benchbench.core.imports import told
from benchbench.core.measurement import Curve, Failure, ImageRecord, Measurement, Phase
from benchbench.core.training import Recipe
from benchbench.training.job import Job, Opponents, Score
from benchbench.training.options import LoopOptions
from benchbench.training.progress import say_on_stderr
from benchbench.training.sending import make_sendable
from benchbench.training.session import Session

_KNOWN = inspect.signature(DistributedDataParallel).parameters
# What torch 2.13 calls the option that it was before, and warns of under its old name.
_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _KNOWN else "broadcast_buffers"


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """What a finished training leaves.

    Attributes:
        checkpoint: the weights, safetensors.
        curves: losses and learning rate over steps.
        images: pictures at the early and the final step; paths relative to the run's folder.
        measurements: training_time, peak memory, and what it took to each level that was met.
        phases: where the time of this process went.
        final_step: finished steps, those of earlier processes included.
        failures: the levels that were not met, with the best score; they end nothing.
    """

    checkpoint: Path
    curves: tuple[Curve, ...]
    images: tuple[ImageRecord, ...]
    measurements: tuple[Measurement, ...]
    phases: tuple[Phase, ...] = field(default=())
    final_step: int = 0
    failures: tuple[Failure, ...] = ()


def train(
    module: nn.Module,
    *,
    recipe: Recipe,
    options: LoopOptions,
    images: Splits,
    seed: int,
    folder: Path,
    name: str,
    label: str | None = None,
    beside: Opponents | None = None,
    score: Score | None = None,
    say: Callable[[str], None] = say_on_stderr,
    resume: bool = True,
) -> TrainingOutcome:
    """Train `module` in place; it comes back on the CPU, in eval mode.

    Writes `checkpoints/<name>.safetensors`, `checkpoints/<name>.state.pt` and
    `samples/<name>/*.png` below `folder`. On one machine and thread count, a CPU training that was
    interrupted and resumed ends at the same weights to the bit as one that was not.

    Args:
        options: of the recipe; they extend LoopOptions.
        label: for people; `name` unless said.
        beside: the discriminator, and what `module` takes; recipes of adversarial networks need it.
        score: judges what the network makes, every `score_every` steps.
        resume: go on from the state file, if there is one.

    Raises:
        DivergedError: a loss became NaN or infinite; its `step` says when.
        CheckpointError: the state file belongs to another training, or is damaged.
        DataError: no training images, fewer than a batch, or without what the recipe needs.
        OptionError: a GPU or more processes are asked for than are here, or networks cannot be sent to them;
            the recipe needs a discriminator and there is none; `keep_best` or `levels` names no score.
        StoreError: a checkpoint cannot be written, or would not fit on the disk.
        torch.OutOfMemoryError: passes unchanged.
        KeyboardInterrupt: after the step in progress, with a checkpoint of it.
    """
    job = Job(
        module=module,
        beside=beside or Opponents(),
        score=score,
        recipe=recipe,
        options=options,
        images=images,
        seed=seed,
        folder=Path(folder),
        name=name,
        label=label or name,
        resume=resume,
    )
    if options.levels and score is None:
        raise OptionError("levels: nothing takes scores", expected="`score`, which judges the network")
    require_fields(images.train, recipe.fields, what=f"{job.label}: its recipe")
    fabric = make_fabric(options)
    if options.devices == 1:
        fabric.launch()
        return _run(fabric, job, say)
    for network in (job.module, job.beside.discriminator):
        if network is not None:
            make_sendable(network)
    try:
        # The children can show nothing through a callable of this process.
        sealed: _Sealed = fabric.launch(partial(_run_copy, job=job, say=say_on_stderr))
    except (pickle.PicklingError, AttributeError) as error:
        # Raised before any child runs: what a child raises comes as one of torch's own errors.
        raise OptionError(
            f"devices: {options.devices}, and what is trained cannot be sent to a process: {told(error)}",
            expected="networks whose parts are importable",
            fix="devices: 1, or build them without what is named",
        ) from error
    outcome = sealed.content
    if isinstance(outcome, Exception):
        raise outcome
    load_weights(module, outcome.checkpoint)
    module.eval()
    return outcome


def make_fabric(options: LoopOptions) -> Fabric:
    """Fabric for the device, precision and processes asked for.

    Raises:
        OptionError: a GPU is asked for and none is here, or more than are here.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.device == "cuda" and not gpus:
        raise OptionError("device: cuda, and this machine has no usable GPU", fix="device: auto or cpu")
    on_gpu = options.device != "cpu" and gpus > 0
    if on_gpu and options.devices > gpus:
        raise OptionError(
            f"devices: {options.devices}, and this machine has {gpus} GPUs", expected=f"at most {gpus}"
        )
    several = options.devices > 1
    buffers: dict[str, Any] = {_BUFFERS: False}
    return Fabric(
        accelerator="cuda" if on_gpu else "cpu",
        devices=options.devices,
        # A network is called several times before its gradients are taken, and a buffer that was sent
        # around in between counts as changed. All see the same batch norms only where there are none.
        strategy=DDPStrategy(start_method="spawn", **buffers) if several else "auto",
        precision=options.precision,
    )


class _Sealed:
    """Something on its way out of a child process; Fabric walks into dataclasses and refuses frozen ones."""

    def __init__(self, content: TrainingOutcome | Exception) -> None:
        self.content = content


def _run_copy(fabric: Fabric, *, job: Job, say: Callable[[str], None]) -> _Sealed:
    # Tensors reach a spawned process in shared memory: without a copy all would train one set.
    try:
        beside = replace(job.beside, discriminator=copy.deepcopy(job.beside.discriminator))
        own = replace(job, module=copy.deepcopy(job.module), beside=beside)
        return _Sealed(_run(fabric, own, say))
    except (BenchbenchError, torch.OutOfMemoryError) as error:
        # Every process raises these at the same step; handed over, they keep their type.
        return _Sealed(error)


def _run(fabric: Fabric, job: Job, say: Callable[[str], None]) -> TrainingOutcome:
    # The task draws (dropout, noise) from torch's own generators: the caller's are put back afterwards.
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
        # ReduceLROnPlateau is stepped by the loop after the optimiser; torch cannot see that through Fabric.
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step", category=UserWarning)
        session = Session(fabric, job, say)
        session.run()
    done = session.progressed
    return TrainingOutcome(
        checkpoint=job.checkpoint,
        curves=done.as_curves(),
        images=tuple(done.images),
        measurements=session.measurements(),
        phases=(Phase(name="train", seconds=session.watch.total_s, inside_s=session.watch.inside_s),),
        final_step=done.step,
        failures=session.failures(),
    )
