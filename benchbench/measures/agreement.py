"""Whether a deployed network still makes what it made in eager float32: differences on fixed inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils import _pytree

from benchbench.backends.repeatable import own_copies
from benchbench.core.deployment import Deployment, Tolerance
from benchbench.core.errors import MeasurementError, OutputsDifferError
from benchbench.core.measurement import Direction, Measurement, Protocol
from benchbench.core.model import JsonValue

PROVENANCE = "benchbench.measures.agreement"
NAMES = ("output_max_abs", "output_mean_abs", "output_psnr")

Run = Callable[[tuple[Tensor, ...]], object]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Differences between two ways to run one network; of several outputs the worst.

    Attributes:
        max_abs: the largest absolute difference.
        mean_abs: the mean absolute difference.
        psnr_db: 10 log10(range^2 / mean square), of all inputs together; infinite where nothing differs.
        value_range: largest less smallest value of the eager network's output, that of the lowest PSNR, or
            its magnitude where all are one; the peak of that PSNR.
        relative: the largest difference as a share of the range of its own output.
    """

    max_abs: float
    mean_abs: float
    psnr_db: float
    value_range: float
    relative: float


def compare_outputs(ours: Run, reference: Run, inputs: Sequence[tuple[Tensor, ...]]) -> Agreement:
    """Run both on the same inputs, each on copies of its own: either may change them in place.

    Args:
        ours, reference: a set of inputs -> a tensor, or any nest of tensors.
        inputs: sets of inputs.

    Raises:
        MeasurementError: outputs of another number or shape, or not finite in eager float32.
        OutputsDifferError: outputs that are not finite where eager float32's are.
    """
    made: list[list[tuple[Tensor, Tensor]]] = []
    with torch.inference_mode():
        for each in inputs:
            here, there = (_tensors(run(own_copies(each))) for run in (ours, reference))
            if not there or len(here) != len(there):
                raise MeasurementError(
                    f"the deployed network returns {len(here)} tensors, and eager float32 {len(there)}"
                )
            made.append(list(zip(here, there, strict=True)))
    found = [_difference([pairs[index] for pairs in made]) for index in range(len(made[0]))]
    return Agreement(
        max_abs=max(each.max_abs for each in found),
        mean_abs=max(each.mean_abs for each in found),
        psnr_db=min(each.psnr_db for each in found),
        value_range=min(found, key=lambda each: each.psnr_db).value_range,
        relative=max(each.relative for each in found),
    )


def _tensors(made: object) -> list[Tensor]:
    # Pixels may be whole numbers; a complex number is two.
    found = [each for each in _pytree.tree_leaves(made) if isinstance(each, Tensor)]
    return [torch.view_as_real(each) if each.is_complex() else each for each in found]


def _difference(pairs: Sequence[tuple[Tensor, Tensor]]) -> Agreement:
    for ours, reference in pairs:
        if ours.shape != reference.shape:
            raise MeasurementError(
                f"the deployed network makes {list(ours.shape)}, and eager float32 {list(reference.shape)}"
            )
    ours = torch.cat([each.double().flatten() for each, _ in pairs])
    reference = torch.cat([each.double().flatten() for _, each in pairs])
    if not torch.isfinite(reference).all():
        raise MeasurementError(
            "eager float32 makes values that are not finite", fix="look at its weights and inputs"
        )
    if not torch.isfinite(ours).all():
        raise OutputsDifferError("it makes values that are not finite, and eager float32 does not")
    apart = (ours - reference).abs()
    value_range = float(reference.max() - reference.min())
    if value_range == 0:
        # A single number, or the same everywhere, has no range; it is as large as it is.
        value_range = float(reference.abs().max())
    square = float(apart.square().mean())
    psnr_db = math.inf if square == 0 else 10 * math.log10(max(value_range, 1e-30) ** 2 / square)
    largest = float(apart.max())
    relative = largest / value_range if value_range > 0 else math.inf if largest else 0.0
    return Agreement(largest, float(apart.mean()), psnr_db, value_range, relative)


def calibration_of(deployment: Deployment) -> dict[str, JsonValue]:
    """What was asked of the calibration, for a protocol; nothing where there is none."""
    if deployment.precision != "int8" or deployment.quantise == "weights":
        return {}
    return {"calibration_asked": deployment.calibration.model_dump(mode="json")}


def check_tolerance(found: Agreement, bounds: Tolerance) -> None:
    """Whether outputs are as close as was declared.

    Raises:
        OutputsDifferError: they are further apart; the message holds both figures.
    """
    said = []
    if bounds.max_abs is not None and found.relative > bounds.max_abs:
        largest, allowed = (f"{100 * each:.3g}" for each in (found.relative, bounds.max_abs))
        said.append(f"differ by up to {largest} % of their range, {allowed} % is allowed")
    if bounds.psnr_db is not None and found.psnr_db < bounds.psnr_db:
        said.append(f"have a PSNR of {found.psnr_db:.1f} dB, {bounds.psnr_db:g} dB is asked")
    if said:
        raise OutputsDifferError(
            f"its outputs {' and '.join(said)}",
            expected="the outputs of eager float32, within the tolerance",
            fix="declare a `tolerance` that you can live with, other calibration data, or leave this one out",
        )


def agreement_figures(
    found: Agreement, deployment: Deployment, *, inputs: str, count: int, digest: str | None = None
) -> tuple[Measurement, ...]:
    """The differences as measurements; a PSNR without any is told as 200 dB, beyond what float32 resolves."""
    settings: dict[str, JsonValue] = {
        "against": "eager float32",
        "inputs": inputs,
        "input_sets": count,
        "inputs_digest": digest,
        "peak": "range of eager float32's output",
        **calibration_of(deployment),
    }

    def figure(name: str, value: float, unit: str = "1", direction: Direction = "lower") -> Measurement:
        return Measurement(
            name=name,
            unit=unit,
            direction=direction,
            value=value,
            protocol=Protocol(name="agreement", settings=settings),
            provenance=PROVENANCE,
            flags=("outputs are equal, bit by bit",) if found.max_abs == 0 else (),
        )

    return (
        figure("output_max_abs", found.max_abs),
        figure("output_mean_abs", found.mean_abs),
        figure("output_psnr", min(found.psnr_db, 200.0), "dB", "higher"),
    )
