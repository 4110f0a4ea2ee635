"""The table: every module's time, work and traffic, and the same by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchbench.core.contracts import Stages
from benchbench.core.layer_record import LayerCount
from benchbench.core.profile import LayerClass, LayerProfile, StageProfile
from benchbench.core.stages import stage_of
from benchbench.profiling.tree import Clock, Node


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the modules beside their time, by path.

    Attributes:
        kinds: the class of every module.
        classes: what work it does.
        counts: parameters, MACs and output shape, each module's own.
        bytes_moved: likewise.
        peaks: bytes given out while it was at work.
        stages: stage name -> module paths or globs.
    """

    kinds: Mapping[str, str]
    classes: Mapping[str, LayerClass] = field(default_factory=dict)
    counts: Mapping[str, LayerCount] = field(default_factory=dict)
    bytes_moved: Mapping[str, int] = field(default_factory=dict)
    peaks: Mapping[str, int] = field(default_factory=dict)
    stages: Stages = field(default_factory=dict)


@dataclass(slots=True)
class _Times:
    time_s: float = 0.0
    own_s: float = 0.0
    host_s: float = 0.0
    calls: int = 0


def list_layers(root: Node, facts: Facts, *, passes: int, clock: Clock) -> tuple[LayerProfile, ...]:
    """One row per module that was called, or that does counted work, most own time first.

    MACs and bytes are those of its own operators, so that they, and own times, add up to the network's.

    Args:
        root: the tree of calls.
        facts: what is known beside it.
        passes: how many the tree holds.
        clock: whose times they are, the host's or the GPU's.
    """
    times = _times(root, clock)
    paths = dict.fromkeys((*times, *facts.counts, *facts.bytes_moved))
    whole_s = times[""].time_s if "" in times else 0.0
    rows = []
    for path in paths:
        spent = times.get(path, _Times())
        count = facts.counts.get(path)
        macs, moved = count.macs if count else 0, facts.bytes_moved.get(path, 0)
        own_s = spent.own_s / passes
        rows.append(
            LayerProfile(
                path=path,
                kind=facts.kinds.get(path, ""),
                layer_class=facts.classes.get(path, "other"),
                stage=stage_of(path, facts.stages),
                calls=spent.calls / passes,
                time_s=spent.time_s / passes,
                own_s=own_s,
                share=spent.own_s / whole_s if whole_s else 0.0,
                macs=macs,
                bytes_moved=moved,
                macs_per_s=_rate(macs, own_s),
                bytes_per_s=_rate(moved, own_s),
                peak_bytes=facts.peaks.get(path),
                host_s=spent.host_s / passes if clock == "device" else None,
                parameters=count.parameters if count else 0,
                output_shape=count.output_shape if count else (),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.own_s))


def list_stages(layers: Sequence[LayerProfile]) -> tuple[StageProfile, ...]:
    """The layers by stage, most time first: sums, and the highest of their peaks."""
    found: dict[str | None, list[LayerProfile]] = {}
    for layer in layers:
        found.setdefault(layer.stage, []).append(layer)
    rows = []
    for stage, members in found.items():
        own_s = sum(layer.own_s for layer in members)
        macs, moved = sum(layer.macs for layer in members), sum(layer.bytes_moved for layer in members)
        peaks = [layer.peak_bytes for layer in members if layer.peak_bytes is not None]
        rows.append(
            StageProfile(
                stage=stage,
                layers=len(members),
                own_s=own_s,
                share=sum(layer.share for layer in members),
                macs=macs,
                bytes_moved=moved,
                macs_per_s=_rate(macs, own_s),
                bytes_per_s=_rate(moved, own_s),
                peak_bytes=max(peaks, default=None),
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.own_s))


def _rate(work: int, seconds: float) -> float | None:
    return work / seconds if work and seconds > 0 else None


def _times(root: Node, clock: Clock) -> dict[str, _Times]:
    times: dict[str, _Times] = {}
    for node, is_outermost in _walk(root, frozenset()):
        spent = times.setdefault(node.path, _Times())
        spent.calls += node.calls
        spent.own_s += node.own_by(clock)
        if is_outermost:
            # One that calls itself is within its own time already.
            spent.time_s += node.time_by(clock)
            spent.host_s += node.time_s
    return times


def _walk(node: Node, above: frozenset[str]) -> Iterator[tuple[Node, bool]]:
    yield node, node.path not in above
    for child in node.children.values():
        yield from _walk(child, above | {node.path})
