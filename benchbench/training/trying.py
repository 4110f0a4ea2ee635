"""Whether the networks of a suite and its data fit, found out before the first step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from benchbench.core.errors import OptionError
from benchbench.core.imports import told
from benchbench.training.networks import evaluating


def try_out(network: nn.Module, *inputs: torch.Tensor, what: str, expected: str, **named: str) -> Any:
    """What a network makes of inputs, in eval mode and without gradients.

    Args:
        what: which network, for the message: `the discriminator of recipe 'pix2pix'`.
        expected: which would fit.
        named: what else the call says.

    Raises:
        OptionError: it does not take them.
    """
    try:
        with evaluating(network):
            return network(*inputs, **named)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError) as error:
        shapes = ", ".join(str(list(each.shape)) for each in inputs)
        raise OptionError(
            f"{what} does not take {shapes}: {told(error)}",
            expected=expected,
            fix="correct the options of the architecture or of the data",
        ) from error


def check_size(made: torch.Tensor, image: torch.Tensor) -> None:
    """What a generator makes, [N, C, H, W], is as large as an image of the data, [C, H, W].

    Raises:
        OptionError: it is not; both sizes are named.
    """
    if made.shape[1:] != image.shape:
        raise OptionError(
            f"the generator makes images {list(made.shape[1:])}, and the data are {list(image.shape)}",
            expected="one size",
            fix=f"set 'size' of the data to {made.shape[-1]}, or that of the architecture",
        )
