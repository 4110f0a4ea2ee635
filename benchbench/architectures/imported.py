"""Models that someone else wrote: `pkg.module:callable` with its arguments."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchbench.architectures.inputs import told
from benchbench.core.errors import ArchitectureError, nearest
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
    _make_importable((*folders, Path.cwd()))
    found = _find(target, folders)
    if isinstance(found, nn.Module) and not kwargs:
        # The object stays the user's: what is exchanged in one variant must not show in the next.
        return copy.deepcopy(found)
    if not callable(found):
        raise ArchitectureError(
            f"'{target}' is a {type(found).__name__}", expected="a callable that returns an nn.Module"
        )
    _check_arguments(target, found, kwargs)
    try:
        module = found(**kwargs)
    except Exception as error:
        raise ArchitectureError(
            f"'{target}' raised {told(error)}",
            fix="call it by itself with the same arguments",
        ) from error
    return _as_module(f"'{target}' returned", module)


def _make_importable(folders: Sequence[Path]) -> None:
    # In front, as `python -m` does, so that a user's own file wins over an installed one of that name.
    for folder in reversed(folders):
        text = str(folder.resolve())
        if text not in sys.path:
            sys.path.insert(0, text)


def _import_file(name: str, folders: Sequence[Path]) -> Any:
    candidates = list(dict.fromkeys((folder / name).resolve() for folder in (*folders, Path.cwd())))
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        match = nearest(Path(name).name, [each.name for at in candidates for each in at.parent.glob("*.py")])
        raise ArchitectureError(
            f"there is no file '{name}'",
            expected=f"one of {', '.join(map(str, candidates))}",
            fix=f"did you mean '{Path(name).with_name(match)}'?"
            if match
            else "give the path from the suite's folder, or from the working directory",
        )
    module_name = f"benchbench_import_{hashlib.sha256(str(path).encode()).hexdigest()[:10]}"
    if module_name in sys.modules:
        return sys.modules[module_name]
    _make_importable((path.parent,))
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[module_name]
        raise
    return module


def _find(target: str, folders: Sequence[Path]) -> Any:
    module_name, _, attribute = target.rpartition(":")
    is_file = module_name.endswith(".py")
    try:
        found: Any = _import_file(module_name, folders) if is_file else importlib.import_module(module_name)
    except ArchitectureError:
        raise
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
        fix = f"python {module_name}" if is_file else f"python -c 'import {module_name}'"
        if is_file and "relative import" in str(error):
            fix = f"it is part of a package: name it as one, '{_dotted(module_name)}:{attribute}'"
        raise ArchitectureError(f"importing '{module_name}' raised {told(error)}", fix=fix) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            match = nearest(part, names)
            raise ArchitectureError(
                f"'{module_name}' has no '{attribute}'",
                expected=f"one of {', '.join(names[:12])}"
                if names
                else "a callable: nothing is defined in it",
                fix=f"did you mean '{match}'?" if match else "correct what stands after the colon",
            )
        found = getattr(found, part)
    return found


def _dotted(file: str) -> str:
    path = Path(file).with_suffix("")
    return ".".join(part for part in path.parts[-2 if path.is_absolute() else 0 :] if part.isidentifier())


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
            fix=f"did you mean '{match}'?" if match else "correct 'kwargs'",
        ) from None
