"""What came of running a network elsewhere than in eager float32: its files and its operators."""

from __future__ import annotations

from typing import Literal

from benchbench.core.model import Frozen

OperatorFate = Literal["fell_back", "not_fused", "not_quantised", "not_lowered"]


class OperatorNote(Frozen):
    """Operators of one kind that a backend did not run as it runs the others.

    Attributes:
        operator: the backend's own name for it: `MVN`, `InstanceNormalization`.
        count: how many.
        what: `fell_back` to a reference kernel, another provider or eager torch; `not_fused` into a
            neighbour although others of its kind were; `not_quantised` or `not_lowered`: left in a wider
            precision than was asked.
        detail: the kernel, provider or precision, or why.
    """

    operator: str
    count: int
    what: OperatorFate
    detail: str = ""


class DeploymentRecord(Frozen):
    """How a network is run elsewhere than in eager float32, and what came of it.

    Attributes:
        artefact: its main file, as a path below the run's folder; None where the backend writes none.
        digest: SHA-256 over the names and bytes of all its files, 16 digits.
        facts: what the library says of itself, threads and precision among it.
        operators: those that fell back, were not fused or not quantised; None where it does not tell.
        operators_told: which fates it tells of; of the others nothing is known.
        operator_count: how many it executes; None where it does not tell.
        value_range: largest less smallest value of eager float32's output, on the inputs compared on; of
            several outputs that of the one with the lowest PSNR.
        relative_max_abs: the largest difference as a share of its own output's range, which is what a
            tolerance bounds; None in older results.
    """

    artefact: str | None = None
    digest: str | None = None
    facts: dict[str, str | int | float | bool | None] = {}
    operators: tuple[OperatorNote, ...] | None = None
    operators_told: tuple[OperatorFate, ...] = ()
    operator_count: int | None = None
    value_range: float | None = None
    relative_max_abs: float | None = None
