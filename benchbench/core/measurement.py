"""What a run produces: measurements with their raw samples, or a failure with its reason."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer

from benchbench.core.cell import Cell
from benchbench.core.deployment_record import DeploymentRecord
from benchbench.core.environment import Environment
from benchbench.core.layer_record import LayerCount, LayerReplacement
from benchbench.core.model import Frozen, JsonValue, canonical_json
from benchbench.core.suite import Suite

SCHEMA_VERSION = 1

# Nine digits are beyond any timer's resolution, and halve the size of the raw samples on disk.
Sample = Annotated[float, PlainSerializer(lambda value: float(f"{value:.9g}") if abs(value) < 1e9 else value)]
Direction = Literal["lower", "higher"]
FailureKind = Literal[
    "skipped",
    "diverged",
    "out_of_memory",
    "timed_out",
    "crashed",
    "unsupported",
    "invalid",
    "interrupted",
    "differs",
]


class Interval(Frozen):
    """Both ends of a confidence interval."""

    low: float
    high: float
    level: float = 0.95

    @property
    def half_width(self) -> float:
        """Half of the distance between the ends."""
        return (self.high - self.low) / 2

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


class Protocol(Frozen):
    """How a figure was measured. Figures with different hashes are not compared."""

    name: str
    settings: dict[str, JsonValue] = {}

    @property
    def hash(self) -> str:
        """Ten hexadecimal digits over the name and every setting."""
        return hashlib.sha256(canonical_json(self.model_dump(mode="json")).encode()).hexdigest()[:10]


class Yardstick(Frozen):
    """What a figure is to be seen beside: the same distance between two halves of the reference.

    Attributes:
        value: between the halves, in the figure's unit: the root mean square over several splits.
        ratio: of the figure at the halves' number of images to `value`; None where `value` is 0.
        count: images in each half.
    """

    value: float
    ratio: float | None
    count: int


class Measurement(Frozen):
    """One figure of one cell.

    Attributes:
        name: `parameters`, `latency`, `speedup`, ...; one word has one meaning.
        setting: what tells two of one name apart in a cell: `cpu, 2 threads`.
        unit: `s`, `B`, `MAC`, `MAC/s`, `B/s`, `J`, `W`, `image/s`, or `1` for counts and ratios.
        direction: whether lower or higher is better.
        value: the headline in `unit` (for latency the median).
        samples: raw samples, replicate by replicate, in the order they were taken.
        interval: of `value`, where one was estimated.
        baseline: the variant a ratio refers to.
        protocol: how it was measured.
        provenance: the code that produced it.
        flags: what a reader must know: `unconverged`, `warm-up capped`, `random-weights VGG`, ...
        yardstick: real against real, beside a distance that no literature has a scale for.
    """

    name: str
    setting: str = ""
    unit: str
    direction: Direction
    value: float
    samples: tuple[tuple[Sample, ...], ...] = ()
    interval: Interval | None = None
    baseline: str | None = None
    protocol: Protocol
    provenance: str = ""
    flags: tuple[str, ...] = ()
    yardstick: Yardstick | None = None


class Failure(Frozen):
    """What could not be measured, and why. `of` is `cell` or the measure's name."""

    of: str
    kind: FailureKind
    reason: str
    fix: str | None = None
    step: int | None = None


class Curve(Frozen):
    """A value over training steps: `train/loss`, `validation/loss`, `learning_rate`."""

    name: str
    unit: str = "1"
    steps: tuple[int, ...]
    values: tuple[Sample, ...]


class ImageRecord(Frozen):
    """A picture that a cell left, as a path below the run's folder."""

    path: str
    role: Literal[
        "content",
        "style",
        "output",
        "reference",
        "input",
        "target",
        "grid",
        "interpolation",
        "mixing",
        "walk",
    ]
    index: int = 0
    step: int | None = None
    caption: str = ""


class OutputRecord(Frozen):
    """What a network with seeded weights makes of seeded inputs, so that a change of it is seen.

    Attributes:
        shape: of the output; of the first tensor where it makes several.
        digest: SHA-256 of every output's shape, type and bytes, 16 digits: equal on one kind of machine,
            with one build of torch, at one thread count (`made_with`), and nowhere else promised.
        probe: up to 64 of its values, evenly spaced: what can be compared elsewhere.
        made_with: torch, CPU, threads, device.
    """

    shape: tuple[int, ...]
    digest: str
    probe: tuple[float, ...] = ()
    made_with: dict[str, JsonValue] = {}


class Phase(Frozen):
    """Where the wall time went; `inside` is time within a model, data loading or a library call."""

    name: str
    seconds: float
    inside_s: float = 0.0


class CellResult(Frozen):
    """Everything that is known of one cell: measurements, or the failures that explain their absence."""

    cell: Cell
    measurements: tuple[Measurement, ...] = ()
    failures: tuple[Failure, ...] = ()
    replacements: tuple[LayerReplacement, ...] = ()
    layers: tuple[LayerCount, ...] = ()
    curves: tuple[Curve, ...] = ()
    images: tuple[ImageRecord, ...] = ()
    phases: tuple[Phase, ...] = ()
    checkpoint: str | None = None
    output: OutputRecord | None = None
    deployment: DeploymentRecord | None = None

    @property
    def failure(self) -> Failure | None:
        """The failure of the cell as a whole, if it has one."""
        return next((failure for failure in self.failures if failure.of == "cell"), None)

    def measurement(self, name: str, setting: str | None = None) -> Measurement | None:
        """The first measurement of that name, at that setting where one is given."""
        return next(
            (
                each
                for each in self.measurements
                if each.name == name and (setting is None or each.setting == setting)
            ),
            None,
        )

    def merged(self, other: CellResult) -> CellResult:
        """Both results of one cell as one; a comparison adds to what the cell left."""
        parts = ("measurements", "failures", "replacements", "layers", "curves", "images", "phases")
        joined = {part: (*getattr(self, part), *getattr(other, part)) for part in parts}
        return self.model_copy(
            update={
                **joined,
                "checkpoint": self.checkpoint or other.checkpoint,
                "output": self.output or other.output,
                "deployment": self.deployment or other.deployment,
            }
        )


class RunRecord(Frozen):
    """When, how and how long a run went.

    Attributes:
        command: the first, of several where it was resumed.
        finished: when everything that was asked was done; None while it is not.
        only: the globs that cells were chosen by; None where all were asked for.
    """

    id: str
    command: str
    started: str
    finished: str | None = None
    only: tuple[str, ...] | None = None
    benchbench: str
    phases: tuple[Phase, ...] = ()


class ResultTable(Frozen):
    """All results of one run, with what was declared and what the machine is.

    `folder` and `unread`, a line for each thing that was left out in reading, are not part of the file.
    """

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    suite: Suite
    run: RunRecord
    environment: Environment
    results: tuple[CellResult, ...] = ()
    folder: str | None = Field(default=None, exclude=True)
    unread: tuple[str, ...] = Field(default=(), exclude=True)

    def of(self, variant: str) -> tuple[CellResult, ...]:
        """The results of one variant, in the order of the plan."""
        return tuple(result for result in self.results if result.cell.variant == variant)
