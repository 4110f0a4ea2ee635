"""Objects that a user names, imported: `pkg.module:callable` or `path/to/file.py:callable`."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchbench.core.errors import BenchbenchError, nearest
from benchbench.core.model import JsonValue


def told(error: Exception) -> str:
    """What somebody else's code raised, in one line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]


def find_object(target: str, folders: Sequence[Path], *, error: type[BenchbenchError]) -> Any:
    """What `target` names.

    Args:
        target: a dotted module or a file, a colon, and a name in it (dots allowed).
        folders: where modules and files are looked for, before the working directory and what is installed.
        error: what is raised where it cannot be had, in the words of whoever asks.
    """
    _make_importable((*folders, Path.cwd()))
    module_name, _, attribute = target.rpartition(":")
    is_file = module_name.endswith(".py")
    try:
        found: Any = (
            _import_file(module_name, folders, error) if is_file else importlib.import_module(module_name)
        )
    except BenchbenchError:
        raise
    except ModuleNotFoundError as cause:
        missing = cause.name or module_name
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise error(
                f"no module '{missing}' (for '{target}')",
                expected=f"an installed package, or a file {missing.split('.')[0]}.py in {Path.cwd()}",
                fix="run from the folder that holds it, or install its package",
            ) from cause
        raise error(
            f"importing '{module_name}' needs '{missing}', which is not installed",
            fix=f"pip install {missing}",
        ) from cause
    except Exception as cause:
        fix = f"python {module_name}" if is_file else f"python -c 'import {module_name}'"
        if is_file and "relative import" in str(cause):
            fix = f"it is part of a package: name it as one, '{_dotted(module_name)}:{attribute}'"
        raise error(f"importing '{module_name}' raised {told(cause)}", fix=fix) from cause
    for part in attribute.split("."):
        if not hasattr(found, part):
            names = [name for name in dir(found) if not name.startswith("_")]
            match = nearest(part, names)
            raise error(
                f"'{module_name}' has no '{attribute}'",
                expected=f"one of {', '.join(names[:12])}"
                if names
                else "a callable: nothing is defined in it",
                fix=f"did you mean '{match}'?" if match else "correct what stands after the colon",
            )
        found = getattr(found, part)
    return found


def check_arguments(
    target: str, call: Any, kwargs: Mapping[str, JsonValue], *, error: type[BenchbenchError]
) -> None:
    """That `call` takes `kwargs`; raises `error` with the nearest name where it does not."""
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        # Some callables written in C tell no signature; their own error is told when they are called.
        return
    try:
        signature.bind(**kwargs)
    except TypeError as cause:
        unknown = next((name for name in kwargs if name not in signature.parameters), None)
        match = nearest(unknown, signature.parameters) if unknown else None
        raise error(
            f"arguments of '{target}': {cause}",
            expected=f"{target}{signature}",
            fix=f"did you mean '{match}'?" if match else "correct 'kwargs'",
        ) from None


def _make_importable(folders: Sequence[Path]) -> None:
    # In front, as `python -m` does, so that a user's own file wins over an installed one of that name.
    for folder in reversed(folders):
        text = str(folder.resolve())
        if text not in sys.path:
            sys.path.insert(0, text)


def _import_file(name: str, folders: Sequence[Path], error: type[BenchbenchError]) -> Any:
    candidates = list(dict.fromkeys((folder / name).resolve() for folder in (*folders, Path.cwd())))
    path = next((each for each in candidates if each.is_file()), None)
    if path is None:
        match = nearest(Path(name).name, [each.name for at in candidates for each in at.parent.glob("*.py")])
        raise error(
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


def _dotted(file: str) -> str:
    path = Path(file).with_suffix("")
    return ".".join(part for part in path.parts[-2 if path.is_absolute() else 0 :] if part.isidentifier())
