"""What `describe` finds, as plain records: they come back from the fresh process, and are the JSON."""

from __future__ import annotations

from benchbench.core.contracts import InputSpec
from benchbench.core.model import Frozen, JsonValue
from benchbench.core.suite import Paper

REST = "(no stage)"


class Costs(Frozen):
    """What some modules cost together; shares are of the whole network, 0 to 1.

    `peak_activation_bytes` is the largest of the modules', as docs/macs.md says; the others are sums.
    """

    parameters: int = 0
    parameters_share: float = 0.0
    macs: int = 0
    macs_share: float = 0.0
    peak_activation_bytes: int = 0
    peak_activation_share: float = 0.0


class ModuleDescription(Costs):
    """A module with all below it, or several equal ones in a row, which are described as one.

    Attributes:
        path: of the module, or of the first of a row.
        name: the last part of the path, `1-8` for a row; the whole path directly under a stage.
        kind: its class.
        count: how many modules the figures are of.
        children: what is inside; of a row, each child is that of every member together.
    """

    path: str
    name: str
    kind: str
    count: int = 1
    children: tuple[ModuleDescription, ...] = ()


class StageDescription(Costs):
    """One stage: how it is declared, its layers with weights or MACs, and its modules as a tree."""

    name: str
    patterns: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    modules: tuple[ModuleDescription, ...] = ()


class NetworkDescription(Frozen):
    """One network; figures are of one forward pass at `inputs`.

    Attributes:
        label: the architecture's name or import path.
        elementwise: element-wise operations by kind.
        stages_guessed: whether the stages were guessed from resolution.
        notes: why it could not be counted on the meta device.
    """

    label: str
    inputs: tuple[InputSpec, ...]
    parameters: int
    trainable_parameters: int = 0
    buffers: int = 0
    macs: int
    macs_output_size: int
    elementwise: dict[str, int] = {}
    peak_activation_bytes: int = 0
    stages: tuple[StageDescription, ...]
    stages_guessed: bool = False
    notes: tuple[str, ...] = ()


class OptionDescription(Frozen):
    """One option of a registered architecture; `range` is in words."""

    name: str
    type: str
    default: JsonValue = None
    required: bool = False
    range: str = ""
    help: str = ""


class ReplacementDescription(Frozen):
    """Layers of one kind that were exchanged for the same, or that were not, for one reason.

    Attributes:
        before, after: kinds of layers, `Conv2d`; `after` is None where they were left.
        count: how many.
        example: one of them, with its figures.
        reason: why they were left.
    """

    before: str
    after: str | None
    count: int
    example: str
    reason: str | None = None


class StageComparison(Frozen):
    """One stage before and after; ratios are after / before, None where before is 0."""

    name: str
    before: Costs
    after: Costs
    parameters_ratio: float | None = None
    macs_ratio: float | None = None
    peak_activation_ratio: float | None = None


class ComparisonDescription(Frozen):
    """A network beside a variant of it.

    Attributes:
        network: generator or discriminator.
        before, after: names of the two variants.
        total: the whole network.
        stages: by stage; those of one that the other has not are 0 there.
        replaced: what a replacement did.
    """

    network: str
    before: str
    after: str
    total: StageComparison
    stages: tuple[StageComparison, ...]
    replaced: tuple[ReplacementDescription, ...] = ()


class Described(Frozen):
    """What was found of one or two cells: the first one's networks, and the second beside them."""

    generator: NetworkDescription
    discriminator: NetworkDescription | None = None
    comparisons: tuple[ComparisonDescription, ...] = ()


class VariantDescription(Frozen):
    """One of a suite's variants, by name."""

    name: str
    title: str | None = None
    note: str | None = None


class Description(NetworkDescription):
    """A network, described, with what is known of its name.

    Attributes:
        name: what was asked for.
        variant: of a suite, the variant that the figures are of.
        variants: of a suite, all of them.
        discriminator: of a suite, what the network is trained against.
        comparisons: generator, and discriminator where there is one, beside the variant asked for.
    """

    name: str
    summary: str = ""
    paper: Paper | None = None
    options: tuple[OptionDescription, ...] = ()
    variant: str | None = None
    variants: tuple[VariantDescription, ...] = ()
    discriminator: NetworkDescription | None = None
    comparisons: tuple[ComparisonDescription, ...] = ()
