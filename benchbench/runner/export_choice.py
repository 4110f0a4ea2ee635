"""Which cell of a suite is exported, and as what: one network, one deployment, one format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from benchbench.backends.prepare import check_packages
from benchbench.core.cell import Cell, deployed_settings
from benchbench.core.deployment import Deployment, Precision, Shapes
from benchbench.core.errors import OptionError, UnknownNameError, unknown_name
from benchbench.core.expand import expand
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import Suite
from benchbench.runner.export_facts import Format

FORMATS: tuple[Format, ...] = get_args(Format)
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Target:
    """A format, and the backend whose code writes and reads it."""

    name: Format
    backend: str


_TARGETS = {
    "onnx": Target("onnx", "onnxruntime"),
    "openvino": Target("openvino", "openvino"),
    "pt2": Target("pt2", "eager"),
}


def choose_target(name: str) -> Target:
    """The format of that name.

    Raises:
        UnknownNameError: there is none.
    """
    if name not in _TARGETS:
        raise unknown_name("format", name, _TARGETS)
    return _TARGETS[name]


def choose_cell(suite: Suite, only: str) -> Cell:
    """The one cell that a glob chooses; a network before the ways to run it.

    Raises:
        UnknownNameError: none matches, or several do; they are listed.
    """
    matched = expand(suite, only=only)
    networks = [cell for cell in matched if cell.deploy.is_reference]
    chosen = networks or list(matched)
    if len(chosen) == 1:
        return chosen[0]
    labels = [cell.label for cell in chosen]
    # Cells of one label differ in what no setting says; their ids never are the same.
    names = [cell.label if labels.count(cell.label) == 1 else cell.id for cell in chosen]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    raise UnknownNameError(
        f"--only '{only}' matches {len(chosen)} cells: {', '.join(names[:_SHOWN])}{more}",
        expected="one: what is exported is one model",
        fix=f"--only '{names[0]}'",
    )


def choose_deployment(
    suite: Suite, cell: Cell, target: Target, *, precision: Precision | None, shapes: Shapes | None
) -> Cell:
    """The cell as it is exported: its network run by the target's backend, in the cell's precision.

    What the suite declares of that backend and precision (tolerance, calibration, the range of pixels) is
    taken from there.

    Raises:
        OptionError: the format is not of the cell's backend, or the backend lacks what is asked.
        DependencyError: a package is missing; the fix is the command that installs it.
    """
    own = cell.deploy
    if own.backend not in ("eager", target.backend):
        raise _contradiction(cell, target)
    if not own.is_reference and precision is not None and precision != own.precision:
        raise OptionError(
            f"--precision {precision}: '{cell.label}' is {own.precision}",
            expected=f"no --precision, or {own.precision}",
            fix=f"--only '{cell.network.label}' --precision {precision}",
        )
    wanted = precision or own.precision
    open_sizes = shapes or own.shapes
    check_packages(Deployment(backend=target.backend))
    backend = BACKENDS.load(target.backend)
    had = backend.precisions["cpu"]
    if wanted not in had:
        raise OptionError(
            f"--to {target.name} has no {wanted}",
            expected=f"one of {', '.join(had)}",
            fix=_fix_precision(wanted),
        )
    if open_sizes not in backend.shapes:
        raise OptionError(
            f"--to {target.name} takes {' and '.join(backend.shapes)} shapes alone",
            fix="leave --dynamic out",
        )
    if own.backend == target.backend and (wanted, open_sizes) == (own.precision, own.shapes):
        return cell
    network = cell.network
    declared = [
        each
        for each in expand(suite)
        if each.network.id == network.id
        and (each.deploy.backend, each.deploy.precision) == (target.backend, wanted)
    ]
    if cell.id in {each.id for each in declared}:
        declared = [cell]
    declared = [each for each in declared if each.deploy.shapes == open_sizes] or declared
    if len(declared) > 1:
        labels = [each.label for each in declared]
        raise OptionError(
            f"--to {target.name}: the suite declares {len(declared)} deployments of that kind for "
            f"'{network.label}'",
            expected=f"one of {', '.join(labels)}",
            fix=f"--only '{labels[0]}'",
        )
    plain = Deployment(backend=target.backend, precision=wanted)
    template = declared[0].deploy if declared else plain
    if declared and template.shapes == open_sizes:
        return declared[0]
    deploy = template.model_copy(update={"shapes": open_sizes})
    settings = (*network.settings, *deployed_settings(deploy))
    return network.model_copy(update={"deploy": deploy, "settings": settings})


def _fix_precision(wanted: Precision) -> str:
    return "--to onnx or --to openvino" if wanted == "int8" else "--precision fp32"


def _contradiction(cell: Cell, target: Target) -> OptionError:
    backend = cell.deploy.backend
    right = next((each.name for each in _TARGETS.values() if each.backend == backend), None)
    network = f"--only '{cell.network.label}' --to {target.name}"
    if right is None:
        return OptionError(
            f"'{cell.label}' is run by '{backend}', which leaves no file of its own to hand on",
            expected="a network, or a deployment of onnxruntime or openvino",
            fix=network,
        )
    return OptionError(
        f"'{cell.label}' is run by '{backend}', and --to {target.name} is not its format",
        expected=f"--to {right}",
        fix=f"--to {right}, or its network: {network}",
    )
