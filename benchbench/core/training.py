"""What a registered recipe must bring: one objective as data to the loop (training/loop.py).

Torch appears in annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import OptionError
from benchbench.core.examples import Batch, Splits
from benchbench.core.measurement import ImageRecord
from benchbench.core.model import Options

if TYPE_CHECKING:
    import torch
    from torch import nn

Role = Literal["generator", "discriminator"]


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """What a recipe is given to set up its task.

    Attributes:
        module: the network that is trained, on its device.
        images: the data; the fields that the recipe needs are there.
        seed: of the cell.
        device: where all is.
        inputs: what `module` takes: latents, a picture, a picture and attributes.
        values: the range of the pixels that `module` takes and makes: -1..1 (`signed`) or 0..1 (`unit`).
        discriminator: the network that `module` is trained against, on its device; None where the suite
            declares none.
        another: (role, number) -> one more network of the same definition with random weights of its own,
            on the device: the way back of CycleGAN.
        rank, world: which process this is, of how many; see training/draws.py.
    """

    module: nn.Module
    images: Splits
    seed: int
    device: torch.device
    inputs: tuple[InputSpec, ...] = ()
    values: Literal["signed", "unit"] = "signed"
    discriminator: nn.Module | None = None
    another: Callable[[Role, int], nn.Module] | None = None
    rank: int = 0
    world: int = 1

    def require_discriminator(self, recipe: str) -> nn.Module:
        """The discriminator.

        Raises:
            OptionError: the suite declares none.
        """
        if self.discriminator is None:
            raise OptionError(
                f"recipe '{recipe}' trains against a discriminator, and the suite declares none",
                expected="discriminator: {name: ...} beside 'architecture'",
                fix="`benchbench list architectures` names them",
            )
        return self.discriminator


class TrainingTask(Protocol):
    """One objective as data to the loop: what to train, and one step of it.

    The loop owns device, precision, processes, checkpoints, resume, progress and divergence. Before the
    first step it puts wrapped networks and optimisers into the mappings: a task calls them from there. What
    is never changed (a loss network, a style picture) stays out of them. Torch's generators are seeded from
    (seed, step) before every step, so that a resumed training repeats them; what must be the same for any
    number of processes is drawn by training/draws.py.

    Attributes:
        networks: what optimisers change.
        optimizers, schedulers: by name; a scheduler has its optimiser's name.
        kept: what else the next step depends on, as modules: averaged weights, a pool of past images, a
            running mean, in parameters or buffers. Saved and resumed with the networks.
        result: what the checkpoint holds: the context's module, or one of `kept` with the same names.
    """

    networks: MutableMapping[str, nn.Module]
    optimizers: MutableMapping[str, torch.optim.Optimizer]
    schedulers: Mapping[str, torch.optim.lr_scheduler.LRScheduler]
    kept: Mapping[str, nn.Module]

    @property
    def result(self) -> nn.Module:
        """See above."""
        ...

    def losses(self, batch: Batch, step: int) -> Iterable[tuple[str, Mapping[str, torch.Tensor]]]:
        """Optimiser name and its scalar loss terms, `total` among them, one optimiser after another.

        The loop backpropagates `total` and steps the optimiser before it asks for the next pair: a
        generator computes a generator's loss after its discriminator has moved, and what stands behind the
        last `yield` (averaging weights) runs after the last optimiser has moved. One optimiser may come
        several times. `step` counts from 1.
        """
        ...

    def validate(self) -> Mapping[str, float]:
        """Validation terms, `loss` where a scheduler waits for it; in eval mode, without gradients."""
        ...

    def samples(self, *, final: bool) -> Iterable[tuple[ImageRecord, torch.Tensor]]:
        """Pictures to keep, uint8 or float in 0..1 [3, H, W], called as `validate` is.

        The loop fills in the records' path, and the step of those whose role is `output` or `grid`; a
        picture of another role is kept once. `final` after the last step: walks through the latent space.
        """
        ...


@dataclass(frozen=True, slots=True)
class Recipe:
    """One objective. Its options extend the loop's (training/options.py).

    Attributes:
        options: their type.
        task: sets it up.
        fields: what each training example must have (core/examples.py).
    """

    options: type[Options]
    task: Callable[[TrainingContext, Any], TrainingTask]
    fields: tuple[str, ...] = ("image",)
