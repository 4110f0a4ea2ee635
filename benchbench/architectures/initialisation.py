"""The weights that GANs start from since DCGAN (Radford et al. 2016): normal, with a deviation of 0.02."""

from __future__ import annotations

from torch import nn

_DEVIATION = 0.02


def draw_normal(layer: nn.Module) -> None:
    """Convolutions from N(0, 0.02), scales of batch norms from N(1, 0.02), biases and shifts 0.

    For `nn.Module.apply`. Other layers stay as they are.
    """
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, _DEVIATION)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, _DEVIATION)
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
