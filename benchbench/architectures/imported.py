"""Models that someone else wrote: `pkg.module:callable` with its arguments."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchbench.core.errors import ArchitectureError, nearest
from benchbench.core.imports import check_arguments, find_object, told
from benchbench.core.model import JsonValue
from benchbench.core.torchvision_schemas import declare_when_imported


def build_imported(
    target: str,
    kwargs: Mapping[str, JsonValue],
    *,
    attribute: str | None = None,
    folders: Sequence[Path] = (),
) -> nn.Module:
    """Call `pkg.module:callable` or `path/to/file.py:callable` and return the module that it builds.

    Args:
        target: a dotted module or a file, a colon, and a callable in it (dots allowed).
        kwargs: keyword arguments of the callable.
        attribute: a part of what was built, `decoder` or `blocks.0`, that is wanted alone.
        folders: where modules and files are looked for, before the working directory and what is installed.

    Raises:
        ArchitectureError: no such module, file or attribute, arguments that do not fit, the callable
            raised, or what it returned is not an `nn.Module`.
    """
    declare_when_imported()
    module = _build(target, kwargs, folders)
    return module if attribute is None else _part_of(module, attribute, target)


def _part_of(module: nn.Module, attribute: str, target: str) -> nn.Module:
    part: Any = module
    for name in attribute.split("."):
        if not hasattr(part, name):
            paths = [path for path, _ in module.named_modules() if path]
            match = nearest(attribute, paths)
            raise ArchitectureError(
                f"what '{target}' builds has no '{attribute}'",
                expected=f"one of {', '.join(paths[:12])}" if paths else "no attribute: it has no submodules",
                fix=f"did you mean '{match}'?" if match else "correct 'attribute', or leave it out",
            )
        part = getattr(part, name)
    return _as_module(f"'{attribute}' of what '{target}' builds is", part)


def _as_module(what: str, found: object) -> nn.Module:
    if isinstance(found, torch.jit.ScriptModule):
        raise ArchitectureError(
            f"{what} a TorchScript module, whose layers are compiled",
            expected="a torch.nn.Module in Python, whose layers can be counted and exchanged",
            fix="name the class or function that it was scripted or traced from",
        )
    if not isinstance(found, nn.Module):
        raise ArchitectureError(
            f"{what} a {type(found).__name__}",
            expected="a torch.nn.Module",
            fix="name a class or function that builds one, or, with 'attribute', a part of what is built",
        )
    return found


def _build(target: str, kwargs: Mapping[str, JsonValue], folders: Sequence[Path]) -> nn.Module:
    found = find_object(target, folders, error=ArchitectureError)
    if isinstance(found, nn.Module) and not kwargs:
        # The object stays the user's: what is exchanged in one variant must not show in the next.
        return copy.deepcopy(found)
    if not callable(found):
        raise ArchitectureError(
            f"'{target}' is a {type(found).__name__}", expected="a callable that returns an nn.Module"
        )
    check_arguments(target, found, kwargs, error=ArchitectureError)
    try:
        module = found(**kwargs)
    except Exception as error:
        raise ArchitectureError(
            f"'{target}' raised {told(error)}",
            fix="call it by itself with the same arguments",
        ) from error
    return _as_module(f"'{target}' returned", module)
