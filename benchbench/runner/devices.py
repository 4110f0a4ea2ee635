"""Which device a command works on."""

from __future__ import annotations

from typing import Literal

from benchbench.core.errors import OptionError


def choose_device(asked: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """The device that was asked for; auto is the GPU where there is one.

    Raises:
        OptionError: it is not here.
    """
    if asked == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise OptionError("device 'cuda': there is no usable GPU here", fix="--device cpu")
    return "cpu"
