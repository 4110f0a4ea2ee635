"""A subject that another backend than eager torch runs: opened, and given the face of a module."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import nn

from benchbench.backends.deployed import Deployed
from benchbench.backends.prepare import open_session, setup_for
from benchbench.core.backends import Network
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.measurement import Failure
from benchbench.core.registry import BACKENDS
from benchbench.measures.failures import explain_failure


class OneDevice(Protocol):
    """Options of a comparison on one device."""

    @property
    def device(self) -> Sequence[str]:
        """`cpu` or `cuda`, alone."""
        ...

    @property
    def setting(self) -> str:
        """What tells the comparison from others, in words."""
        ...


def open_deployed(
    subject: Subject, *, device: str, threads: int, fold: Callable[[nn.Module], str]
) -> tuple[Subject, str]:
    """The subject with a session of its backend, and what `fold` says that it did to the module.

    `load_s` holds what opening took, compilation included.

    Raises:
        DependencyError, UnsupportedDeploymentError, ArtefactError: as backends/prepare.py.
    """
    started = time.perf_counter()
    deployment = subject.deployment
    backend = BACKENDS.load(deployment.backend)
    setup = setup_for(deployment, device=device, threads=threads)
    with torch.inference_mode(False), torch.no_grad():
        # An artefact holds its weights folded; then the module has none.
        folded = "" if subject.artefact is not None else fold(subject.module)
        network = Network(subject.module.eval(), subject.inputs, subject.places)
        session = open_session(network, setup, subject.artefact)
    front = Deployed(
        session,
        subject.inputs,
        places=subject.places,
        fixed=deployment.shapes == "static" and backend.fixes_shapes,
        label=subject.cell.label if subject.cell is not None else subject.name,
    )
    opened_s = time.perf_counter() - started
    return replace(subject, module=front.eval(), session=session, load_s=subject.load_s + opened_s), folded


def refuse_other_devices(cell: Cell, options: OneDevice) -> Failure | None:
    """Why a deployed cell has no place in a comparison on this device; None where it has.

    That is what its backend does not have there, what this machine lacks for it, or that its library is gone
    or broken: the others are compared without it.
    """
    if cell.deploy.is_reference:
        return None
    try:
        setup_for(cell.deploy, device=options.device[0], threads=1)
    except Exception as error:  # a library that is broken raises anything as it is imported
        failure = explain_failure(error, of="")
        return failure.model_copy(update={"reason": f"{options.setting}: {failure.reason}"})
    return None
