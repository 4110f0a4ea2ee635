"""What is known of networks in several deployments, as typed rows."""

from __future__ import annotations

from dataclasses import dataclass

from benchbench.core.deployment_record import DeploymentRecord
from benchbench.core.measurement import Failure, Measurement
from benchbench.core.paired_means import MeanRatio
from benchbench.report.views.latency_pairs import LatencyPairs, PairedRatio
from benchbench.report.views.lines import Estimate, Line
from benchbench.report.views.quality import QualityColumn
from benchbench.report.views.summary import TimeKey
from benchbench.report.views.tradeoff import Axis, TradePoint


@dataclass(frozen=True, slots=True)
class JudgedQuality:
    """One quality measure of a deployed network, beside its own in eager float32.

    Attributes:
        eager: None where that has none, or was measured otherwise.
        change: deployed / eager, paired image by image; None where they do not pair up.
    """

    column: QualityColumn
    figure: Estimate
    eager: Estimate | None
    change: MeanRatio | None


@dataclass(frozen=True, slots=True)
class DeployedCell:
    """One variant in one deployment, eager float32 among them.

    Attributes:
        way: the deployment's label.
        over_eager: over the same variant in eager float32; None for that itself.
        over_baseline: over the baseline in the same deployment; None for the baseline.
        over_reference: over the baseline in eager float32; None for that itself.
        figures: by name, what else was measured: sizes, times, differences of outputs.
        agreement: the measurement of the largest difference, whose protocol says what was compared.
        failure: why there is nothing; of one of several seeds why it is not among them.
        untimed: why there is no latency, though the deployment works.
    """

    line: Line
    variant: str
    way: str
    latency: Estimate | None
    over_eager: PairedRatio | None
    over_baseline: PairedRatio | None
    over_reference: PairedRatio | None
    figures: dict[str, Estimate]
    agreement: Measurement | None
    qualities: tuple[JudgedQuality, ...]
    record: DeploymentRecord | None
    failure: Failure | None
    untimed: Failure | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines that were timed side by side: how many times as fast `one` is as `other`."""

    one: DeployedCell
    other: DeployedCell
    ratio: PairedRatio


@dataclass(frozen=True, slots=True)
class Best:
    """The fastest deployments of one variant.

    Attributes:
        cells: the fastest, and after it those that the measurement does not tell from it.
        ratios: the fastest over each of the latter.
        plain: the same of float32 alone, where `cells` begins with another precision.
    """

    cells: tuple[DeployedCell, ...]
    ratios: tuple[PairedRatio, ...]
    plain: tuple[DeployedCell, ...]


@dataclass(frozen=True, slots=True)
class Gain:
    """What one variant is worth in each deployment: its speed-up over the baseline in the same one.

    Attributes:
        worth: (deployment, speed-up), in the order of the plan.
        apart: the gain that is furthest from eager's, over eager's; None without eager float32.
        there: where that is, and every other deployment whose gain is not told from it.
    """

    variant: str
    worth: tuple[tuple[str, PairedRatio], ...]
    apart: PairedRatio | None
    there: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedPoint(TradePoint):
    """A point whose colour is its variant's and whose marker its deployment's."""

    variant: str
    way: str
    marker: int


@dataclass(frozen=True, slots=True)
class DeploymentChart:
    """Latency against quality, over all deployments of one group.

    Attributes:
        variants, ways: (name, index of its colour or marker) of those that have a point.
        left_out: labels of those that were timed and have no figure for `y`.
    """

    x: Axis
    y: Axis
    points: tuple[DeployedPoint, ...]
    variants: tuple[tuple[str, int], ...]
    ways: tuple[tuple[str, int], ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeploymentGroup:
    """What may be compared: the lines of one run, group and swept settings, in one way of timing.

    Attributes:
        name: what tells it from other groups; empty where there is one.
        key: how it was timed; None where nothing was.
        baseline: the variant that the others are compared with.
        noise: the interval of an A/A control that does not hold 1.
        pairs_left_out: how many pairs `pairs` has not, because there are many lines.
    """

    name: str
    key: TimeKey | None
    baseline: str
    variants: tuple[str, ...]
    ways: tuple[str, ...]
    cells: tuple[DeployedCell, ...]
    bests: tuple[Best, ...]
    gains: tuple[Gain, ...]
    pairs: tuple[Pair, ...]
    pairs_left_out: int
    chart: DeploymentChart | None
    noise: tuple[float, float] | None
    latency_pairs: LatencyPairs | None

    def cell(self, variant: str, way: str) -> DeployedCell | None:
        """The cell of that variant in that deployment."""
        return next((each for each in self.cells if (each.variant, each.way) == (variant, way)), None)
