"""Counted layers as a tree: stages, the modules that make each of them up, and what is inside those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from benchbench.core.layer_record import LayerCount
from benchbench.core.stages import stage_of
from benchbench.runner.describe_records import REST, Costs, ModuleDescription, StageDescription


@dataclass(slots=True)
class _Node:
    path: str
    kind: str
    own: LayerCount | None = None
    children: list[_Node] = field(default_factory=list)

    def layers(self) -> Iterator[LayerCount]:
        if self.own is not None:
            yield self.own
        for child in self.children:
            yield from child.layers()


@dataclass(frozen=True, slots=True)
class Whole:
    """The figures of a whole network, of which everything in it is a share."""

    parameters: int
    macs: int
    peak_activation_bytes: int

    def costs(self, layers: Iterable[LayerCount]) -> Costs:
        """What some of its layers cost together."""
        chosen = tuple(layers)
        parameters = sum(each.parameters for each in chosen)
        macs = sum(each.macs for each in chosen)
        peak = max((each.peak_activation_bytes for each in chosen), default=0)
        return Costs(
            parameters=parameters,
            parameters_share=_part(parameters, self.parameters),
            macs=macs,
            macs_share=_part(macs, self.macs),
            peak_activation_bytes=peak,
            peak_activation_share=_part(peak, self.peak_activation_bytes),
        )


def describe_stages(
    kinds: Mapping[str, str],
    layers: Sequence[LayerCount],
    stages: Mapping[str, tuple[str, ...]],
    *,
    whole: Whole,
) -> tuple[StageDescription, ...]:
    """Stages with their modules, in the order in which they are declared; what none of them names is last.

    Args:
        kinds: path -> class of every module, in the module's order; "" is the network itself.
        layers: what each innermost module costs.
        stages: stage name -> module paths or globs.
        whole: the figures of the network.
    """
    root = _tree(kinds, {layer.path: layer for layer in layers})
    found: dict[str, list[_Node]] = {name: [] for name in stages}
    for name, node in _stage_roots(root, stages):
        found.setdefault(name, []).append(node)
    described = []
    for name, nodes in found.items():
        members = [layer for node in nodes for layer in node.layers()]
        heavy = tuple(layer.path for layer in members if layer.parameters or layer.macs)
        if name not in stages and not heavy:
            continue
        described.append(
            StageDescription(
                **dict(whole.costs(members)),
                name=name,
                patterns=stages.get(name, ()),
                layers=heavy,
                modules=_describe(_unwrapped(nodes), whole, full=True),
            )
        )
    return tuple(described)


def _tree(kinds: Mapping[str, str], layers: Mapping[str, LayerCount]) -> _Node:
    nodes = {path: _Node(path, kind, layers.get(path)) for path, kind in kinds.items()}
    for path, node in nodes.items():
        if path:
            nodes[path.rpartition(".")[0]].children.append(node)
    return nodes[""]


def _stage_roots(node: _Node, stages: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, _Node]]:
    """The outermost modules that lie in one stage as a whole, with its name."""
    names = {stage_of(layer.path, stages) or REST for layer in node.layers()}
    if len(names) == 1:
        yield names.pop(), node
    elif names:
        if node.own is not None:
            alone = _Node(node.path, node.kind, node.own)
            yield stage_of(node.path, stages) or REST, alone
        for child in node.children:
            yield from _stage_roots(child, stages)


def _unwrapped(nodes: list[_Node]) -> list[_Node]:
    # One container that is a whole stage would say the same as its stage.
    while len(nodes) == 1 and nodes[0].own is None and nodes[0].children:
        nodes = nodes[0].children
    return nodes


def _describe(nodes: Sequence[_Node], whole: Whole, *, full: bool = False) -> tuple[ModuleDescription, ...]:
    rows = [list(row) for _, row in groupby(filter(_works, nodes), key=_signature)]
    return tuple(_row(row, whole, name=_name(row, full=full)) for row in rows)


def _row(members: Sequence[_Node], whole: Whole, *, name: str) -> ModuleDescription:
    """Equal modules as one; their children correspond one to one."""
    first = members[0]
    columns = zip(*(filter(_works, member.children) for member in members), strict=True)
    children = []
    for _, group in groupby(columns, key=lambda column: _signature(column[0])):
        equal = list(group)
        label = _name([column[0] for column in equal], full=False)
        children.append(_row([node for column in equal for node in column], whole, name=label))
    return ModuleDescription(
        **dict(whole.costs(layer for node in members for layer in node.layers())),
        path=first.path,
        name=name,
        kind=first.kind,
        count=len(members),
        children=tuple(children),
    )


def _works(node: _Node) -> bool:
    return next(node.layers(), None) is not None


def _signature(node: _Node) -> tuple[object, ...]:
    own = node.own
    figures = () if own is None else (own.parameters, own.macs, tuple(sorted(own.elementwise.items())))
    return (node.kind, figures, tuple(_signature(child) for child in filter(_works, node.children)))


def _name(row: Sequence[_Node], *, full: bool) -> str:
    """`3`, or `1-8` for a row; with what stands before it where `full`."""
    parent, dot, first = row[0].path.rpartition(".")
    last_parent, _, last = row[-1].path.rpartition(".")
    if full:
        prefix = parent + dot
        if len(row) == 1:
            return row[0].path or "(itself)"
        return f"{prefix}{first}-{last}" if last_parent == parent else f"{row[0].path} - {row[-1].path}"
    return first if len(row) == 1 else f"{first}-{last}"


def _part(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
