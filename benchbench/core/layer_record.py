"""What is known of one layer of a network: what it costs, and what replaced it."""

from __future__ import annotations

from benchbench.core.model import Frozen


class LayerReplacement(Frozen):
    """What a replacement did at one layer; `after` is None where it declined, for `reason`."""

    path: str
    stage: str
    before: str
    after: str | None = None
    reason: str | None = None
    parameters_before: int
    parameters_after: int


class LayerCount(Frozen):
    """Cost of one layer at the stated input; MACs and activation memory by the contract in docs/macs.md."""

    path: str
    kind: str
    stage: str | None = None
    parameters: int = 0
    macs: int = 0
    macs_output_size: int = 0
    elementwise: dict[str, int] = {}
    peak_activation_bytes: int = 0
    output_shape: tuple[int, ...] = ()
