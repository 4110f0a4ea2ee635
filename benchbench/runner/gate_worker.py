"""The program of one process of a set; it belongs to one revision and takes its turn when it is told to.

Run by its path, `python -P gate_worker.py COMMANDS ANSWERS` with two file descriptors, and with the
revision's tree first on PYTHONPATH, so that `benchbench` and the user's modules are that tree's own. An older
tree may lack what this one has: of its benchbench only what `_surface` names is used, and what is done to
a network beside (folding, describing its output) comes from files that lie beside this one.

Lines of JSON in, lines of JSON out; see runner/gate_process.py.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

_OURS = Path(__file__).resolve().parents[1]
# What a revision's benchbench must have; it has been there since the first release.
_SURFACE = {
    "load_suite": "benchbench.core.suite_file",
    "expand": "benchbench.core.expand",
    "build_subject": "benchbench.runner.subjects",
    "count": "benchbench.measures.counting",
}
_FAULT_CALLS = 3


class WorkerError(Exception):
    """What the other side is told, in one line."""


def _surface(name: str) -> Any:
    module = _SURFACE[name]
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        found = sys.modules.get("benchbench")
        where = getattr(found, "__file__", None) or "none is installed"
        raise WorkerError(f"its benchbench has no {module}.{name} ({where}): {error}") from error


def _ours(file: str) -> ModuleType:
    name = f"benchbench_gate_{Path(file).stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _OURS / file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Worker:
    """Holds the cells of one tree, and the one that is timed now."""

    def __init__(self) -> None:
        self._cells: dict[str, Any] = {}
        self._folders: list[Path] = []
        self._call: Callable[[], object] | None = None
        self._wait: Callable[[], None] = lambda: None
        self._other = ""

    def open(self, *, suite: str, other: str, overrides: list[str], profile: str | None) -> Any:
        """Read this tree's suite; `other` is the folder of the other tree, from which nothing may come."""
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        load_suite, expand = _surface("load_suite"), _surface("expand")
        self._other = other
        self._folders = [Path(suite).parent, Path.cwd()]
        declared = expand(load_suite(suite, overrides=overrides, profile=profile))
        # An older tree knows of no deployments; of both trees it is the networks that are timed.
        cells = [cell for cell in declared if not hasattr(cell, "deploy") or cell.deploy.is_reference]
        self._cells = {cell.label: cell for cell in cells}
        self._check_origin()
        return {
            "cells": [cell.model_dump(mode="json", by_alias=True) for cell in cells],
            "labels": list(self._cells),
            "torch": str(torch.__version__),
        }

    def prepare(self, *, cell: str, device: str, memory_format: str, fold: str, static: bool) -> Any:
        """Build one cell with seeded weights and input; `static` counts it, and runs it for its output."""
        import torch

        self.drop()
        subject = _surface("build_subject")(self._cells[cell], folders=self._folders)
        self._check_origin()
        args, kwargs = _ours("core/arguments.py").assemble(subject.inputs, subject.places)
        facts = self._describe(subject, args, kwargs) if static else {}
        layout = torch.channels_last if memory_format == "channels_last" else torch.contiguous_format
        module = subject.module.eval().to(device)
        if fold == "weights":
            _ours("measures/fold.py").fold_parametrizations(module)
        if layout is torch.channels_last:
            module = module.to(memory_format=layout)
        inputs = [
            each.to(device, memory_format=layout) if each.ndim == 4 else each.to(device)
            for each in subject.inputs
        ]
        args, kwargs = _ours("core/arguments.py").assemble(inputs, subject.places)
        self._call = lambda: module(*args, **kwargs)
        self._wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        self._run(1)
        gc.collect()
        gc.disable()
        return facts

    def _describe(self, subject: Any, args: Any, kwargs: Any) -> dict[str, Any]:
        facts: dict[str, Any] = {"parameters": sum(each.numel() for each in subject.module.parameters())}
        module = subject.module
        output = _ours("measures/seeded_output.py").seeded_output
        try:
            made = output(lambda: module(*args, **kwargs), seed=subject.cell.seed)
            facts["output"] = {
                name: getattr(made, name) for name in ("shape", "digest", "probe", "made_with")
            }
            facts["output"]["made_with"]["weights"] = "seeded"
        except TypeError as error:
            facts["note"] = f"no output recorded: {_line(error)}"
        try:
            counts = _surface("count")(module, subject.inputs, places=subject.places)
        except Exception as error:
            # A network that cannot be counted can be timed all the same.
            facts["note"] = f"MACs not counted: {_line(error)}"
            return facts
        by_kind: dict[str, int] = {}
        for layer in counts.layers:
            if layer.macs:
                by_kind[layer.kind] = by_kind.get(layer.kind, 0) + layer.macs
        return {**facts, "macs": counts.macs, "macs_by_operator": by_kind}

    def warm(self, *, least_s: float, most_s: float) -> Any:
        """Call for `least_s` seconds, twice at least; answers with the median of the later half."""
        started = time.perf_counter()
        times: list[float] = []
        while True:
            times.append(self._run(1))
            spent = time.perf_counter() - started
            if (spent >= least_s and len(times) >= 2) or spent >= most_s:
                return {"call_s": statistics.median(times[len(times) // 2 :]), "calls": len(times)}

    def block(self, *, absorb: int, calls: int) -> Any:
        """`absorb` calls for nothing, then `calls` whose mean is the sample, in seconds."""
        if absorb:
            self._run(absorb)
        return {"seconds": self._run(calls) / calls}

    def facts(self) -> Any:
        """Page faults per call, in the state that was timed."""
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        self._run(_FAULT_CALLS)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        return {"page_faults": (after - before) / _FAULT_CALLS}

    def drop(self) -> Any:
        """Let go of the cell."""
        self._call = None
        gc.enable()
        gc.collect()
        return {}

    def _run(self, calls: int) -> float:
        import torch

        call, wait = self._call, self._wait
        if call is None:
            raise WorkerError("no cell is prepared")
        with torch.inference_mode():
            wait()
            started = time.perf_counter()
            for _ in range(calls):
                call()
                wait()
            return time.perf_counter() - started

    def _check_origin(self) -> None:
        # An editable install of the user's own package would give the other tree's code to both sides.
        if not self._other:
            return
        # A virtual environment inside the other tree is nobody's code.
        installed = [
            each
            for each in map(os.path.realpath, (sys.prefix, sys.base_prefix))
            if _is_below(each, self._other)
        ]
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if not file or name.startswith("benchbench_gate_") or name == "__main__":
                continue
            path = os.path.realpath(file)
            if _is_below(path, self._other) and not any(_is_below(path, each) for each in installed):
                raise WorkerError(
                    f"'{name}' came from the other tree ({path}), so both sides would be the same code"
                )


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _line(error: BaseException) -> str:
    where = getattr(error, "where", None)
    told = getattr(error, "problem", None) or (str(error) if isinstance(error, WorkerError) else None)
    text = told or f"{type(error).__name__}: {error}"
    first = (text.strip().splitlines() or [type(error).__name__])[0]
    return f"{where}: {first}" if where else first


def _end_with_parent(lifeline: int) -> None:
    # A blocked read costs nothing, unlike looking every second whether the parent lives.
    os.read(lifeline, 1)
    os._exit(1)


def main(commands_fd: int, answers_fd: int) -> int:
    """Answer commands until there are no more."""
    # Who asks for input here, in somebody's model, finds none and does not wait.
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    worker = Worker()
    with (
        os.fdopen(commands_fd, encoding="utf-8") as commands,
        os.fdopen(answers_fd, "w", encoding="utf-8") as answers,
    ):
        for line in commands:
            command = json.loads(line)
            try:
                answer = getattr(worker, command.pop("do"))(**command)
            except Exception as error:
                answer = {"problem": _line(error), "fix": getattr(error, "fix", None)}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()
    return 0


if __name__ == "__main__":
    try:
        status = main(int(sys.argv[1]), int(sys.argv[2]))
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Nobody waits for an answer any more.
        status = 1
    # Not through interpreter shutdown: the watching thread sits in a read that never ends.
    os._exit(status)
