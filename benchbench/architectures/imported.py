"""Models that someone else wrote: `pkg.module:callable` with its arguments."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from benchbench.core.errors import ArchitectureError, nearest
from benchbench.core.model import JsonValue


def build_imported(
    target: str, kwargs: Mapping[str, JsonValue], *, folders: Sequence[Path] = ()
) -> nn.Module:
    """Call `pkg.module:callable` and return the module that it builds.

    Args:
        target: a dotted module, a colon, and a callable in it (dots allowed).
        kwargs: keyword arguments of the callable.
        folders: where modules are looked for, before the working directory and installed packages.

    Raises:
        ArchitectureError: no such module or attribute, arguments that do not fit, the callable
            raised, or what it returned is not an `nn.Module`.
    """
    _make_importable((*folders, Path.cwd()))
    found = _find(target)
    if isinstance(found, nn.Module) and not kwargs:
        return found
    if not callable(found):
        raise ArchitectureError(
            f"'{target}' is a {type(found).__name__}", expected="a callable that returns an nn.Module"
        )
    _check_arguments(target, found, kwargs)
    try:
        module = found(**kwargs)
    except Exception as error:
        raise ArchitectureError(
            f"'{target}' raised {type(error).__name__}: {error}",
            fix="call it by itself with the same arguments",
        ) from error
    if not isinstance(module, nn.Module):
        raise ArchitectureError(
            f"'{target}' returned a {type(module).__name__}", expected="a torch.nn.Module"
        )
    return module


def _make_importable(folders: Sequence[Path]) -> None:
    # In front, as `python -m` does, so that a user's own file wins over an installed one of that name.
    for folder in reversed(folders):
        text = str(folder.resolve())
        if text not in sys.path:
            sys.path.insert(0, text)


def _find(target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ArchitectureError(
                f"no module '{missing}' (for '{target}')",
                expected=f"an installed package, or a file {missing.split('.')[0]}.py in {Path.cwd()}",
                fix="run from the folder that holds it, or install its package",
            ) from error
        raise ArchitectureError(
            f"importing '{module_name}' needs '{missing}', which is not installed",
            fix=f"pip install {missing}",
        ) from error
    except Exception as error:
        raise ArchitectureError(
            f"importing '{module_name}' raised {type(error).__name__}: {error}",
            fix=f"python -c 'import {module_name}'",
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            match = nearest(part, names)
            raise ArchitectureError(
                f"'{module_name}' has no '{attribute}'",
                expected=f"one of {', '.join(names[:12])}" if names else None,
                fix=f"did you mean '{match}'?" if match else None,
            )
        found = getattr(found, part)
    return found


def _check_arguments(target: str, call: Any, kwargs: Mapping[str, JsonValue]) -> None:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        # Some callables written in C tell no signature; their own error is told when they are called.
        return
    try:
        signature.bind(**kwargs)
    except TypeError as error:
        unknown = next((name for name in kwargs if name not in signature.parameters), None)
        match = nearest(unknown, signature.parameters) if unknown else None
        raise ArchitectureError(
            f"arguments of '{target}': {error}",
            expected=f"{target}{signature}",
            fix=f"did you mean '{match}'?" if match else None,
        ) from None
