"""What a registered architecture, replacement or measure must bring.

Each is a small frozen record of a name's parts, so that an addition is one file that ends in one record,
and one entry point that names it. Sources are in examples.py, recipes in training.py. Torch appears in
annotations only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbench.core.backends import Session
from benchbench.core.cell import Cell
from benchbench.core.deployment import Deployment
from benchbench.core.examples import Splits
from benchbench.core.input_spec import TensorInput
from benchbench.core.layer_record import LayerCount, LayerReplacement
from benchbench.core.measurement import Failure, ImageRecord, Measurement, OutputRecord
from benchbench.core.model import Frozen, Options
from benchbench.core.suite import Paper

if TYPE_CHECKING:
    import torch
    from torch import nn

Stages = Mapping[str, tuple[str, ...]]


class InputSpec(TensorInput):
    """One example input of a network, and where it goes in the call.

    Attributes:
        place: see core/arguments.py; "" is the next positional argument.
        field: what it is of an example (core/examples.py): `input`, `layout`, `target`; "" is noise.
    """

    place: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One family of networks.

    Attributes:
        options: its options, checked before `build` sees them.
        build: options -> a fresh `nn.Module` with random weights.
        stages: stage name -> module paths or globs, the words of its paper.
        inputs: options -> example inputs.
        parameters: options -> the exact parameter count, from the definition alone.
        output: options -> shape of what it makes of `inputs`; None where it is no single tensor.
        size_multiple: options -> what height and width of an image-like input must be multiples of; None
            where `inputs` is the only size that it takes.
        paper: where the definition stands.
        values: the range of the pixels that it takes and makes: -1..1 (`signed`) or 0..1 (`unit`).
    """

    options: type[Options]
    build: Callable[[Any], nn.Module]
    stages: Stages
    inputs: Callable[[Any], tuple[InputSpec, ...]]
    parameters: Callable[[Any], int] | None = None
    paper: Paper | None = None
    output: Callable[[Any], tuple[int, ...]] | None = None
    size_multiple: Callable[[Any], int] | None = None
    values: Literal["signed", "unit"] = "signed"


@dataclass(frozen=True, slots=True)
class Replacement:
    """One way to exchange a layer, or to change a whole network.

    Attributes:
        options: its options.
        build: (layer, options) -> a module of the same input and output shape. Raises
            NotReplaceableError, with the reason, for a layer it declines.
        network: for a change that no layer can make alone: (module, its example inputs, options) -> one
            record per layer that was changed in place. Raises ReplacementError where the network cannot
            follow. One of `build` and `network` is given.
    """

    options: type[Options]
    build: Callable[[nn.Module, Any], nn.Module] | None = None
    network: Callable[[nn.Module, Sequence[InputSpec], Any], Sequence[LayerReplacement]] | None = None


@dataclass(slots=True)
class Subject:
    """A built module with its inputs; it never leaves its process and is never stored.

    `places` says where each input goes in the call (core/arguments.py); empty means all positional.
    `specs` is what the architecture says of its inputs; empty where nobody says anything.
    `discriminator` is the network that it is trained against, where the suite declares one.
    `artefact` is the file that its backend opens, and `session` what came of that: then `module` is a
    front of it, without weights of its own (backends/deployed.py).
    """

    name: str
    module: nn.Module
    inputs: tuple[torch.Tensor, ...]
    places: tuple[str, ...] = ()
    specs: tuple[InputSpec, ...] = ()
    stages: Stages = field(default_factory=dict)
    cell: Cell | None = None
    checkpoint: Path | None = None
    replacements: tuple[LayerReplacement, ...] = ()
    build_s: float = 0.0
    load_s: float = 0.0
    discriminator: Subject | None = None
    artefact: Path | None = None
    session: Session | None = None

    @property
    def deployment(self) -> Deployment:
        """How it is run; eager float32 where no cell says otherwise."""
        return self.cell.deploy if self.cell is not None else Deployment()


@dataclass(frozen=True, slots=True)
class MeasureContext:
    """What a measure may use beside its subject.

    Attributes:
        seed: for everything random.
        folder: an existing folder for files that the measure leaves (samples); None keeps none.
        images: opens the cell's data; raises DataError where the suite declares none.
        say: shows one line of progress.
        baseline: id of the cell that this one is compared with, its own where it is the baseline.
        folders: where a module that the suite names is looked for first.
    """

    seed: int
    folder: Path | None
    images: Callable[[], Splits]
    say: Callable[[str], None]
    baseline: str | None = None
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What one measure found for one cell."""

    measurements: tuple[Measurement, ...] = ()
    failures: tuple[Failure, ...] = ()
    layers: tuple[LayerCount, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    output: OutputRecord | None = None


class Replicate(Frozen):
    """What one fresh process brings back from a comparison: raw samples, round by round.

    Attributes:
        samples: subject name -> one value per round, aligned across subjects.
        cold_start: subject name -> seconds of (build, load, first call).
        notes: what a reader must know, `warm-up capped` and the like, by subject ("" = all).
        settings: facts of the process: threads, versions, load before and after.
    """

    samples: dict[str, tuple[float, ...]]
    device_samples: dict[str, tuple[float, ...]] = {}
    cold_start: dict[str, tuple[float, float, float]] = {}
    notes: dict[str, tuple[str, ...]] = {}
    settings: dict[str, str | int | float | bool | None] = {}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The part of a measure that needs several subjects in one fresh process.

    Attributes:
        split: options -> one set of options per comparison (a thread count, a device, each).
        processes: options -> how many fresh processes, at least and at most.
        converged: (replicates so far, baseline's name, options) -> whether more would add little.
        environment: options -> environment variables of the fresh process, thread counts among them.
        limit_s: (options, how many subjects) -> when a process counts as hanging.
        baseline: options -> the variant that ratios refer to, or None for the suite's own.
        setting: options -> what tells this comparison from the measure's others.
        take: runs inside the fresh process; subjects by name, the first is the baseline.
        summarise: replicates -> measurements and failures by subject name.
        unavailable: options -> why this machine cannot make it, or None.
        members: `together` puts the cells of one group into one process, for ratios; `alone` gives each a
            process of its own, and `baseline` is not asked.
        refuses: (cell, options) -> why it has no place in this comparison, or None; one that works in eager
            torch alone refuses every other deployment.
    """

    split: Callable[[Any], Sequence[Any]]
    processes: Callable[[Any], tuple[int, int]]
    converged: Callable[[Sequence[Replicate], str, Any], bool]
    environment: Callable[[Any], Mapping[str, str]]
    limit_s: Callable[[Any, int], float]
    baseline: Callable[[Any], str | None]
    setting: Callable[[Any], str]
    take: Callable[[Mapping[str, Callable[[], Subject]], Any, int, int], Replicate]
    summarise: Callable[[Sequence[Replicate], str, Any], Mapping[str, Measured]]
    unavailable: Callable[[Any], Failure | None]
    members: Literal["together", "alone"] = "together"
    refuses: Callable[[Cell, Any], Failure | None] = field(
        default=lambda cell, options: refuse_deployed(cell)
    )


def refuse_deployed(cell: Cell) -> Failure | None:
    """Why a measure that needs the module itself cannot be made of a deployed cell."""
    if cell.deploy.is_reference:
        return None
    reason = f"taken in eager float32 alone, not with {cell.deploy.label}"
    return Failure(of="", kind="skipped", reason=reason, fix=f"see the figure of '{cell.network.label}'")


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: `per_cell` looks at a subject alone, `comparison` at several side by side.

    One that needs the `structure` alone is right on the meta device, whatever the weights are: it is
    taken without memory and without training. One that needs `gradients` has no figure of a network that
    another backend runs. `names` are those of the measurements that it makes; a
    suite may `expect` figures of these.
    """

    options: type[Options]
    per_cell: Callable[[Subject, Any, MeasureContext], Measured] | None = None
    comparison: Comparison | None = None
    needs: Literal["structure", "weights", "gradients"] = "weights"
    names: tuple[str, ...] = ()
