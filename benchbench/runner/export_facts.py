"""What a model card holds, as data: `model_card.json`, from which `model_card.md` is written."""

from __future__ import annotations

from typing import Literal

from benchbench.core.input_spec import TensorInput
from benchbench.core.measurement import Interval
from benchbench.core.model import Frozen, JsonValue
from benchbench.core.suite import Paper

Format = Literal["onnx", "openvino", "pt2"]

CARD_VERSION = 1

CONVENTION = "multiply-accumulates, a transposed convolution at its input size"


class CardTensor(Frozen):
    """One input or output of the file.

    Attributes:
        name: what the file calls it; of pt2, which knows positions alone, `input 0`.
        shape: a text where a size is open.
        dtype: as numpy calls it.
        what: what it is, for people.
        range: of its values; None where nobody says it.
        channels: what dimension 1 is of a picture: `RGB`.
        like: what the architecture says of its values, for example ones.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: str
    what: str = ""
    range: str | None = None
    channels: str | None = None
    like: TensorInput | None = None


class CardFile(Frozen):
    """A file of the artefact."""

    name: str
    bytes: int
    sha256: str


class Replaced(Frozen):
    """Layers of one stage that were exchanged alike, or, where `after` is None, left as they were."""

    stage: str
    before: str
    after: str | None
    count: int
    reason: str | None = None


class Agreed(Frozen):
    """What the loaded file's outputs were found to be beside eager float32's.

    Attributes:
        inputs: which inputs, in words.
        sets: how many sets of them.
        psnr_db: None where nothing differs: JSON has no infinity.
        relative: `max_abs` as a share of the range; None where all of eager float32's outputs are one value.
        value_range: of eager float32's outputs.
        max_abs_allowed, psnr_db_asked: the tolerance; None is no bound.
    """

    inputs: str
    sets: int
    max_abs: float
    mean_abs: float
    psnr_db: float | None
    relative: float | None
    value_range: float
    max_abs_allowed: float | None
    psnr_db_asked: float | None


class Calibrated(Frozen):
    """The calibration set of an int8 file."""

    origin: str
    sets: int
    digest: str | None


class Made(Frozen):
    """What the process that made the file says of it."""

    files: tuple[CardFile, ...]
    main: str
    digest: str
    inputs: tuple[CardTensor, ...]
    outputs: tuple[CardTensor, ...]
    replaced: tuple[Replaced, ...]
    parameters: int
    macs: int | None
    macs_missing: str | None = None
    folded: str = ""
    agreement: Agreed
    calibration: Calibrated | None
    data_digest: str | None
    facts: dict[str, str | int | float | bool | None]
    versions: dict[str, str]
    operators: tuple[str, ...] | None


class Weights(Frozen):
    """Where the weights come from.

    Attributes:
        origin: `trained` by the suite's recipe in `run`, `loaded` from a file, or `random`.
        file: the checkpoint's name (below the run's folder where it is a run's), and its digest.
        steps: as the options declare.
        notes: of which step they are, and the like.
    """

    origin: Literal["trained", "loaded", "random"]
    file: str | None = None
    sha256: str | None = None
    run: str | None = None
    recipe: str | None = None
    steps: int | None = None
    options: dict[str, JsonValue] = {}
    seed: int = 0
    notes: tuple[str, ...] = ()


class Figure(Frozen):
    """A figure that a run measured.

    Attributes:
        kind: what table it stands in.
        of: the label of the cell it was measured on: this file's, or its network's in eager float32.
        run: the id of the run.
        interval_of: how the interval was made, where the run holds none.
    """

    kind: Literal["time", "quality", "other"]
    name: str
    setting: str
    value: float
    unit: str
    direction: Literal["lower", "higher"]
    interval: Interval | None
    interval_of: str = ""
    baseline: str | None
    of: str
    run: str
    protocol: str
    protocol_hash: str
    settings: dict[str, JsonValue]
    flags: tuple[str, ...]


class RunFacts(Frozen):
    """What a run says of the cell.

    Attributes:
        holds: whether it has a result of the very deployment that is exported.
        failures: what of that could not be measured, and why.
        unread: what of the run was left out, being damaged.
    """

    run: str
    machine: str
    versions: dict[str, str]
    git_revision: str | None
    figures: tuple[Figure, ...]
    holds: bool
    failures: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


class ModelCard(Frozen):
    """Everything that is known of an exported model, each with where it comes from."""

    version: int = CARD_VERSION
    suite: str
    title: str | None
    paper: Paper | None
    variant: str
    variant_title: str | None
    label: str
    cell: str
    network_cell: str
    architecture: str
    seed: int
    settings: tuple[str, ...]
    format: Format
    backend: str
    precision: str
    shapes: str
    deployment_options: dict[str, JsonValue]
    made: Made
    weights: Weights
    run: RunFacts | None
    not_measured: tuple[str, ...]
    benchbench: str
    git_revision: str | None
    git_dirty: bool | None
    exported: str
    exported_on: str
    licence: None = None
    usage: str
