"""What is handed to a fresh process, and what comes back; plain data, as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate
from benchbench.core.measurement import CellResult, Failure
from benchbench.core.model import Frozen
from benchbench.core.profile import CellProfile
from benchbench.core.roof import Roof, RoofMachine
from benchbench.core.suite import MeasureSpec
from benchbench.runner.describe_records import Described
from benchbench.runner.export_facts import Format, Made


class CellJob(Frozen):
    """Build, train or load one cell, and take the measures that look at it alone.

    `baseline` is the id of the cell that this one is compared with, its own where it is the baseline.
    `checkpoint` holds the weights of a deployed cell, which its network has been trained to; None where
    nothing is trained. `is_deployed_elsewhere` is said of a network that other cells deploy.
    """

    cell: Cell
    measures: tuple[MeasureSpec, ...]
    folder: str
    import_folders: tuple[str, ...] = ()
    baseline: str | None = None
    checkpoint: str | None = None
    is_deployed_elsewhere: bool = False


class ReplicateJob(Frozen):
    """One fresh process of a comparison; the first cell is the baseline."""

    cells: tuple[Cell, ...]
    checkpoints: dict[str, str] = {}
    artefacts: dict[str, str] = {}
    measure: str
    options: dict[str, JsonValue]
    folder: str
    seed: int
    index: int
    import_folders: tuple[str, ...] = ()


class CheckJob(Frozen):
    """Build every network once, so that a wrong request is told before anything trains."""

    cells: tuple[Cell, ...]
    import_folders: tuple[str, ...] = ()


class DescribeJob(Frozen):
    """Build and count one cell, or one and a variant of it, without training or measuring."""

    cells: tuple[Cell, ...]
    import_folders: tuple[str, ...] = ()


class ProfileJob(Frozen):
    """Build one cell and profile it; `folder` is where its trace goes.

    `batch` takes the place of the inputs' own; `device` is there.
    """

    cell: Cell
    folder: str
    device: Literal["cpu", "cuda"]
    batch: int | None = Field(default=None, ge=1)
    warmup: int = Field(default=3, ge=1)
    steps: int = Field(default=5, ge=1)
    import_folders: tuple[str, ...] = ()


class ExportJob(Frozen):
    """Write one cell's deployment as files of `format` into `folder`, load them again and compare.

    `checkpoint` holds the weights; None takes those that the seed gives.
    """

    cell: Cell
    format: Format
    folder: str
    checkpoint: str | None = None
    import_folders: tuple[str, ...] = ()


class RoofJob(Frozen):
    """Measure the roof of this machine, which is as `machine` says, at the process' thread count."""

    machine: RoofMachine


class Job(Frozen):
    """Exactly one of them."""

    cell: CellJob | None = None
    static: tuple[CellJob, ...] | None = None
    replicate: ReplicateJob | None = None
    check: CheckJob | None = None
    describe: DescribeJob | None = None
    profile: ProfileJob | None = None
    export: ExportJob | None = None
    roof: RoofJob | None = None

    @property
    def of(self) -> str:
        """What a failure of the whole job is a failure of."""
        return self.replicate.measure if self.replicate is not None else "cell"


class Obstacle(Frozen):
    """What ends the run, on its way to the process that runs the suite: `error` names its type."""

    variant: str | None = None

    error: str = "StoreError"
    problem: str
    expected: str | None = None
    fix: str | None = None


class Answer(Frozen):
    """What the process found, why it could not, or what no cell of this run can get past."""

    result: CellResult | None = None
    results: tuple[CellResult, ...] = ()
    replicate: Replicate | None = None
    described: Described | None = None
    profile: CellProfile | None = None
    made: Made | None = None
    roof: Roof | None = None
    failure: Failure | None = None
    obstacle: Obstacle | None = None
    started_s: float = 0.0
    imported_s: float = 0.0
