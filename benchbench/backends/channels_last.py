"""Eager PyTorch with channels innermost in memory, which most convolution kernels want."""

from __future__ import annotations

from pathlib import Path

from benchbench.backends.eager import EagerOptions, open_in_format
from benchbench.backends.placement import FLOATING, lacks_precision
from benchbench.core.backends import Backend, Network, Session, Setup


def open_channels_last(network: Network, setup: Setup, artefact: Path | None = None) -> Session:
    """The network in the setup's precision, weights and inputs of 4 dimensions in channels_last.

    Raises:
        UnsupportedDeploymentError: weights have to be converted, and the network cannot be copied.
    """
    return open_in_format(network, setup, "channels_last")


backend = Backend(
    options=EagerOptions,
    precisions={"cpu": FLOATING, "cuda": FLOATING},
    open=open_channels_last,
    lacks=lacks_precision,
    fixes_shapes=False,
    short_for={"backend": "eager", "memory_format": "channels_last"},
)
