"""The one way to a session: is it there, does the machine have it, write its file, open it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

from benchbench.core.backends import Backend, Lack, Network, Session, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import DependencyError, NotHadError
from benchbench.core.model import parse_options
from benchbench.core.registry import BACKENDS


def missing_packages(backend: Backend) -> tuple[str, ...]:
    """The packages of a backend that cannot be imported here; none of them is imported."""
    return tuple(name for name in backend.packages if importlib.util.find_spec(name) is None)


def check_packages(deployment: Deployment) -> None:
    """Whether what a deployment needs is installed.

    Raises:
        DependencyError: a package is missing; the fix is the command that installs it.
    """
    backend = BACKENDS.load(deployment.backend)
    missing = missing_packages(backend)
    if missing:
        raise DependencyError(
            f"{deployment.label} needs {' and '.join(missing)}, which is not installed",
            fix=f"pip install 'benchbench[{backend.extra}]'" if backend.extra else None,
        )


def setup_for(deployment: Deployment, *, device: str, threads: int) -> Setup:
    """How a deployment is run on this machine.

    Raises:
        DependencyError: what it needs is not installed.
        NotHadError: the backend does not have it, or this machine does not.
        OptionError: an option that the backend does not have.
    """
    check_packages(deployment)
    name = deployment.backend
    backend = BACKENDS.load(name)
    if device not in backend.precisions:
        where = " and ".join(backend.precisions)
        raise NotHadError(
            f"'{name}' runs on {where} alone, not on {device}", fix="leave it out, or use another machine"
        )
    had = backend.precisions[device]
    if deployment.precision not in had:
        raise NotHadError(
            f"'{name}' has no {deployment.precision} on {device}",
            expected=f"one of {', '.join(had)}",
            fix="leave that combination out",
        )
    if deployment.memory_format not in backend.memory_formats:
        raise NotHadError(
            f"'{name}' chooses the memory format itself, and {deployment.memory_format} was asked of it",
            fix="leave that combination out",
        )
    if deployment.shapes not in backend.shapes:
        raise NotHadError(
            f"'{name}' takes {' and '.join(backend.shapes)} shapes alone, and {deployment.shapes} ones were "
            "asked of it",
            fix="declare `shapes: static`, or another backend",
        )
    options = parse_options("backend", name, backend.options, deployment.options)
    setup = Setup(deployment, options, device="cuda" if device == "cuda" else "cpu", threads=threads)
    lacking = backend.lacks(setup)
    if isinstance(lacking, Lack):
        raise NotHadError(f"{deployment.label}: {lacking.what}", fix=lacking.fix)
    if lacking is not None:
        raise NotHadError(
            f"{deployment.label}: {lacking}", fix="leave that combination out, or use a machine that has it"
        )
    return setup


def start_backends(names: Iterable[str]) -> None:
    """Start the libraries of backends, once in a process, so that no session's opening holds it."""
    for name in sorted(set(names)):
        backend = BACKENDS.load(name)
        if not missing_packages(backend):
            backend.start()


def write_artefact(network: Network, setup: Setup, folder: Path) -> Path | None:
    """Write what the backend opens, into `folder`; None where it works from the module.

    Raises:
        UnsupportedDeploymentError: an operator that does not go through.
        CalibrationError: too few inputs to calibrate on.
    """
    write = BACKENDS.load(setup.deployment.backend).write
    if write is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return write(network, setup, folder)


def open_session(network: Network, setup: Setup, artefact: Path | None) -> Session:
    """A session of the network, or of the artefact that was written of it.

    Raises:
        UnsupportedDeploymentError: an operator, a shape or a precision that the backend does not have.
        ArtefactError: a file that is missing or damaged.
    """
    return BACKENDS.load(setup.deployment.backend).open(network, setup, artefact)
