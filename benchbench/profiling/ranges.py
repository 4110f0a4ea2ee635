"""Named ranges around every module's forward pass, so that a trace says whose work each operator is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

_NAME = re.compile(r"module (\d+): ")


def range_name(index: int, path: str) -> str:
    """The range of a module: its index, by which it is found again, and its path, for people.

    What is no plain text is replaced: the trace's writer escapes no quote, and one would end its JSON.
    """
    return f"module {index}: {re.sub(r'[^A-Za-z0-9_.-]', '_', path)[:200] or '(network)'}"


def index_of(name: str) -> int | None:
    """The index in the name of a module's range; None for any other name."""
    found = _NAME.match(name)
    return None if found is None else int(found[1])


def module_paths(model: nn.Module) -> Mapping[str, nn.Module]:
    """Path -> module, in the order of the indices; one with two paths is there under the first."""
    return dict(model.named_modules())


@contextmanager
def named_ranges(model: nn.Module) -> Iterator[None]:
    """Open a range when a module's forward pass starts, close it when it ends; hooks are gone afterwards.

    A child's range lies within its parent's. So a module's time with what it calls is its range, and its
    own time is that less the ranges directly within. A range costs some microseconds on the host, which
    fall to the module around it; a run that is timed has none of them.
    """
    open_ranges: list[Any] = []

    def enter(name: str) -> Any:
        def hook(module: nn.Module, args: Any) -> None:
            opened = torch.profiler.record_function(name)
            opened.__enter__()  # type: ignore[no-untyped-call]
            open_ranges.append(opened)

        return hook

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        open_ranges.pop().__exit__(None, None, None)

    handles = []
    try:
        for index, (path, module) in enumerate(module_paths(model).items()):
            # First in, last out: what other hooks do, such as an older spectral norm, is the module's work.
            handles.append(module.register_forward_pre_hook(enter(range_name(index, path)), prepend=True))
            handles.append(module.register_forward_hook(leave, always_call=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
        while open_ranges:
            open_ranges.pop().__exit__(None, None, None)
