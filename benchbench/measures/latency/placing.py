"""A subject on its device and in its backend, and one call of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import torch

from benchbench.core.arguments import assemble
from benchbench.core.contracts import Subject
from benchbench.measures.deployed import open_deployed
from benchbench.measures.fold import find_foldable, fold_parametrizations
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.timers import Call


def build_subject_of(builder: Callable[[], Subject]) -> Subject:
    """What `builder` builds, outside of inference mode."""
    # Weights that are made in inference mode can be neither exported nor compiled.
    with torch.inference_mode(False), torch.no_grad():
        return builder()


def place_subject(subject: Subject, device: torch.device, options: LatencyOptions) -> tuple[Subject, str]:
    """The subject on its device, in its memory format, in eval mode; and which norms were folded.

    One that another backend runs is opened there, with the comparison's threads.
    """
    if not subject.deployment.is_reference:
        fold = _fold if options.fold == "weights" else _leave
        return open_deployed(subject, device=device.type, threads=torch.get_num_threads(), fold=fold)
    layout = torch.channels_last if options.memory_format == "channels_last" else torch.contiguous_format
    started = time.perf_counter()
    module = subject.module.to(device)
    folded = _fold(module) if options.fold == "weights" else ""
    if layout is torch.channels_last:
        module = module.to(memory_format=layout)  # type: ignore[call-overload]
    module.eval()
    inputs = tuple(
        each.to(device, memory_format=layout) if each.ndim == 4 else each.to(device)
        for each in subject.inputs
    )
    placed_s = time.perf_counter() - started
    return replace(subject, module=module, inputs=inputs, load_s=subject.load_s + placed_s), folded


def _fold(module: torch.nn.Module) -> str:
    kinds = Counter(find_foldable(module).values())
    fold_parametrizations(module)
    said = (f"{kind} folded into {many} weight{'' if many == 1 else 's'}" for kind, many in kinds.items())
    return ", ".join(said)


def _leave(module: torch.nn.Module) -> str:
    return ""


def call_of(subject: Subject) -> Call:
    """One inference."""
    if subject.session is not None:
        return subject.session.call
    module = subject.module
    args, kwargs = assemble(subject.inputs, subject.places)
    return lambda: module(*args, **kwargs)
