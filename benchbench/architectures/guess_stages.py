"""Stages of a network that declares none, guessed from the sizes of its maps."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils._pytree import tree_leaves

from benchbench.architectures.inputs import run_once
from benchbench.core.contracts import InputSpec

STAGES = ("encoder", "residual", "decoder")


@dataclass(frozen=True, slots=True)
class _Call:
    """A layer's first call: positions (height times width) of the maps in and out; None without a map."""

    path: str
    before: int | None
    after: int | None
    weighs: bool

    @property
    def has_map(self) -> bool:
        # From one position to one is no map: a pooled branch, such as a gate of the channels.
        return self.weighs and self.after is not None and (self.before, self.after) != (1, 1)


def guess_stages(module: nn.Module, inputs: Sequence[InputSpec]) -> dict[str, tuple[str, ...]]:
    """`encoder` until the smallest map, `residual` at it, `decoder` after; only those that have layers.

    A network that only grows is all decoder, one whose maps are all of one size is all residual. A layer
    without a map (linear, a gate), and a norm, goes with the layer called before it, or, at the start,
    with the one after. A module stands for its layers where they are all of one stage.

    Args:
        module: run once in eval mode, on the meta device where that is possible, and left as it was.
        inputs: what it is called with.

    Raises:
        Exception: whatever its forward pass raises.
    """
    calls: dict[str, _Call] = {}
    with _recording(module, calls):
        run_once(module, inputs)
    layers = list(_outermost(calls.values()))
    mapped = _without_pooled(layers)
    return _shortened(module, _spread(layers, _staged(mapped))) if mapped else {}


def _without_pooled(layers: Sequence[_Call]) -> list[_Call]:
    """The layers with a map; one position from which nothing grows later was pooled for a gate or an end."""
    mapped = [each for each in layers if each.has_map]
    grown = max((index for index, each in enumerate(mapped) if each.before == 1), default=-1)
    return [each for index, each in enumerate(mapped) if each.after != 1 or index < grown]


def _staged(mapped: Sequence[_Call]) -> dict[str, str]:
    smallest = min(size for each in mapped for size in (each.before, each.after) if size is not None)
    at_it = [index for index, each in enumerate(mapped) if each.after == smallest]
    larger = {each.after for each in mapped} | {mapped[0].before}
    # What is only padded is smaller than the next larger map.
    larger_map = min((size for size in larger if size is not None and size > smallest), default=math.inf)
    shrinks = bool(at_it) and any((each.before or 0) >= larger_map for each in mapped[: at_it[0] + 1])
    grows = any((each.after or 0) > smallest for each in mapped)
    if not shrinks and grows:
        return {each.path: "decoder" for each in mapped}
    stages: dict[str, str] = {}
    for index, each in enumerate(mapped):
        halves = each.after == smallest and (each.before or 0) >= larger_map
        if index < at_it[0] or halves:
            stages[each.path] = "encoder"
        else:
            stages[each.path] = "decoder" if index > at_it[-1] else "residual"
    return stages


def _spread(layers: Sequence[_Call], stages: Mapping[str, str]) -> dict[str, str]:
    """A stage for every layer; those without one take the stage of the layer before."""
    spread: dict[str, str] = {}
    current = next(iter(stages.values()))
    for each in layers:
        current = stages.get(each.path, current)
        spread[each.path] = current
    return spread


@contextmanager
def _recording(module: nn.Module, calls: dict[str, _Call]) -> Iterator[None]:
    def start_again(*_: Any) -> None:
        # A pass on meta that failed on its way is followed by a real one.
        calls.clear()

    def hook(path: str, *, weighs: bool) -> Any:
        def record(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            calls.setdefault(path, _Call(path, _positions((args, kwargs)), _positions(output), weighs))

        return record

    handles = [module.register_forward_pre_hook(start_again)]
    for path, each in module.named_modules():
        own = list(each.parameters(recurse=False))
        is_weight = path.split(".")[-2:-1] == ["parametrizations"] or ".parametrizations." in path
        if not is_weight and (own or parametrize.is_parametrized(each)):
            weighs = parametrize.is_parametrized(each) or any(weight.ndim > 1 for weight in own)
            handles.append(each.register_forward_hook(hook(path, weighs=weighs), with_kwargs=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _positions(values: Any) -> int | None:
    tensors = [each for each in tree_leaves(values) if isinstance(each, Tensor) and each.ndim > 3]
    return max((math.prod(each.shape[2:]) for each in tensors), default=None)


def _outermost(calls: Iterable[_Call]) -> Iterator[_Call]:
    """In the order of the calls, without the parts of a layer, and without what holds whole layers.

    A modulated convolution has a weight of its own and a linear layer for its styles: it is one layer.
    A network with a learnt constant has a weight of its own as well, and is not.
    """
    known = list(calls)
    with_maps = [each.path for each in known if each.has_map]
    holders = {each.path for each in known if any(_is_under(path, each.path) for path in with_maps)}
    whole = [each.path for each in known if each.path not in holders]
    for each in known:
        if each.path and each.path not in holders and not any(_is_under(each.path, path) for path in whole):
            yield each


def _is_under(path: str, parent: str) -> bool:
    return path != parent and (not parent or path.startswith(f"{parent}."))


def _shortened(module: nn.Module, stages: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {stage: [] for stage in STAGES}

    def visit(path: str, part: nn.Module) -> None:
        inside = {stage for each, stage in stages.items() if each == path or _is_under(each, path)}
        if len(inside) == 1 and path:
            found[inside.pop()].append(path)
        elif inside:
            for name, child in part.named_children():
                visit(f"{path}.{name}" if path else name, child)

    visit("", module)
    return {stage: tuple(paths) for stage, paths in found.items() if paths}
