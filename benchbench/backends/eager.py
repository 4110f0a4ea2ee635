"""PyTorch as it is: every operator by itself, as the network was written."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from benchbench.backends.placement import FLOATING, lacks_precision, place_module, placement_of, torch_facts
from benchbench.backends.torch_session import torch_session
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.model import Options


class EagerOptions(Options):
    """Eager torch has no options."""


def open_eager(network: Network, setup: Setup, artefact: Path | None = None) -> Session:
    """The network in the setup's precision and memory format; it takes inputs of any shape.

    Raises:
        UnsupportedDeploymentError: weights have to be converted, and the network cannot be copied.
    """
    return open_in_format(network, setup, setup.deployment.memory_format)


def open_in_format(
    network: Network, setup: Setup, memory_format: Literal["contiguous", "channels_last"]
) -> Session:
    """As `open_eager`, in a given memory format.

    Raises:
        UnsupportedDeploymentError: weights have to be converted, and the network cannot be copied.
    """
    placement = placement_of(setup, memory_format=memory_format)
    module = place_module(network.module, placement)
    facts = torch_facts(setup, placement)
    return torch_session(module, network, placement, facts=facts, fixed=False)


backend = Backend(
    options=EagerOptions,
    precisions={"cpu": FLOATING, "cuda": FLOATING},
    open=open_eager,
    memory_formats=("contiguous", "channels_last"),
    lacks=lacks_precision,
    fixes_shapes=False,
)
