"""Work placed on a roof: what is attainable at its intensity, and how much of it was reached.

Source: Williams et al. 2009, "Roofline: an insightful visual performance model for multicore architectures".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from benchbench.core.profile import CellProfile, LayerProfile
from benchbench.core.roof import Roof

Bound: TypeAlias = Literal["memory", "cache", "arithmetic"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A roof in three figures; bandwidths in bytes per second.

    Attributes:
        peak_macs_per_s: of the number format that the work is in.
        memory_bytes_per_s: beyond the caches.
        cache_bytes_per_s: within one; None where it is not known, or not above memory's.
    """

    peak_macs_per_s: float
    memory_bytes_per_s: float
    cache_bytes_per_s: float | None = None

    @property
    def ridge(self) -> float:
        """MACs per byte from which on arithmetic is the limit, and no longer memory."""
        return self.peak_macs_per_s / self.memory_bytes_per_s


@dataclass(frozen=True, slots=True)
class Placed:
    """Where some work lies under a roof.

    Attributes:
        bound: which part of the roof is above it. `cache`: it moved more bytes in a second than memory can,
            so that caches kept a part, and their bandwidth is its limit.
        attainable: the roof there: MAC/s, or B/s of what does no MACs.
        share: of it that was reached, 0 to 1; above 1 where the work was faster than what the roof was
            measured with.
        peak_share: achieved MAC/s by the peak; None of what does no MACs.
    """

    bound: Bound
    attainable: float
    share: float
    peak_share: float | None


@dataclass(frozen=True, slots=True)
class ClassWork:
    """All layers of one class in one pass of a network; the network itself where `name` is "all".

    Attributes:
        intensity: MACs per byte; None where no bytes are known.
    """

    name: str
    layers: int
    own_s: float
    share: float
    macs: int
    bytes_moved: int

    @property
    def intensity(self) -> float | None:
        """MACs per byte moved; None where no byte was seen."""
        return self.macs / self.bytes_moved if self.bytes_moved else None

    @property
    def macs_per_s(self) -> float | None:
        """Achieved; None where it does none or no time was seen."""
        return self.macs / self.own_s if self.macs and self.own_s > 0 else None

    @property
    def bytes_per_s(self) -> float | None:
        """Achieved; None where it moves none or no time was seen."""
        return self.bytes_moved / self.own_s if self.bytes_moved and self.own_s > 0 else None


def limits_of(roof: Roof | None) -> Limits | None:
    """The roof for float32, in which networks are profiled; None where a part of it is not known."""
    if roof is None:
        return None
    peak, memory, cache = roof.best("float32"), roof.best("memory"), roof.best("cache")
    if peak is None or memory is None:
        return None
    return Limits(peak, memory, cache if cache is not None and cache > memory else None)


def attainable(intensity: float, limits: Limits, *, bytes_per_s: float | None = None) -> float:
    """MAC/s under the roof: min(peak, intensity x bandwidth).

    Args:
        intensity: MACs per byte.
        limits: the roof.
        bytes_per_s: the bandwidth; None: memory's.
    """
    bandwidth = limits.memory_bytes_per_s if bytes_per_s is None else bytes_per_s
    return min(limits.peak_macs_per_s, intensity * bandwidth)


def place(work: ClassWork, limits: Limits) -> Placed | None:
    """Where `work` lies; None where it took no time or moved nothing that was seen."""
    moved, intensity = work.bytes_per_s, work.intensity
    if moved is None or intensity is None:
        return None
    is_beyond = limits.cache_bytes_per_s is not None and moved > limits.memory_bytes_per_s
    bandwidth = limits.cache_bytes_per_s if is_beyond else limits.memory_bytes_per_s
    assert bandwidth is not None
    level: Bound = "cache" if is_beyond else "memory"
    if work.macs_per_s is None:
        return Placed(level, bandwidth, moved / bandwidth, None)
    roof = attainable(intensity, limits, bytes_per_s=bandwidth)
    bound: Bound = "arithmetic" if roof == limits.peak_macs_per_s else level
    return Placed(bound, roof, work.macs_per_s / roof, work.macs_per_s / limits.peak_macs_per_s)


def list_classes(layers: Iterable[LayerProfile]) -> tuple[ClassWork, ...]:
    """Layers by class, most own time first; own figures add up to the network's."""
    found: dict[str, list[LayerProfile]] = {}
    for layer in layers:
        found.setdefault(layer.layer_class, []).append(layer)
    return tuple(sorted(map(_add_up, found, found.values()), key=lambda row: (-row.own_s, row.name)))


def whole_network(profile: CellProfile) -> ClassWork:
    """All layers together, as one more class: "all"."""
    return _add_up("all", profile.layers)


def _add_up(name: str, layers: Sequence[LayerProfile]) -> ClassWork:
    return ClassWork(
        name=name,
        layers=sum(layer.own_s > 0 or layer.macs > 0 for layer in layers),
        own_s=sum(layer.own_s for layer in layers),
        share=sum(layer.share for layer in layers),
        macs=sum(layer.macs for layer in layers),
        bytes_moved=sum(layer.bytes_moved for layer in layers),
    )
