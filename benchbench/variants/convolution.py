"""What the replacements of a convolution share: what they decline, and the layer's own settings."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, cast

from torch import Tensor, nn

from benchbench.core.errors import NotReplaceableError

Convolution = nn.Conv2d | nn.ConvTranspose2d


def as_convolution(layer: nn.Module) -> Convolution:
    """`layer`, if it is an ordinary convolution, transposed or not.

    Raises:
        NotReplaceableError: it is none, or it is grouped already.
    """
    if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        raise NotReplaceableError(f"{type(layer).__name__} is neither Conv2d nor ConvTranspose2d")
    if layer.groups != 1:
        raise NotReplaceableError(f"already grouped (groups={layer.groups})")
    return layer


def alike(layer: Convolution, channels_in: int, channels_out: int, **changes: Any) -> Convolution:
    """A convolution of the kind, kernel, stride, padding and dilation of `layer` but for `changes`."""
    # The layer's tuples are typed as int | tuple by torch's stubs, but are what its constructor takes.
    said: dict[str, Any] = {
        name: getattr(layer, name)
        for name in ("kernel_size", "stride", "padding", "dilation", "padding_mode", "groups")
    }
    said["bias"] = layer.bias is not None
    if isinstance(layer, nn.ConvTranspose2d):
        said["output_padding"] = cast(Any, layer.output_padding)
        return nn.ConvTranspose2d(channels_in, channels_out, **{**said, **changes})
    return nn.Conv2d(channels_in, channels_out, **{**said, **changes})


class ConvolutionChain(nn.Sequential):
    """Layers in a row in place of one convolution; `resized` is the one that takes `output_size`."""

    resized: str

    def __init__(self, parts: OrderedDict[str, nn.Module], *, resized: str) -> None:
        super().__init__(parts)
        self.resized = resized

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """As the layer it stands for; `output_size` is for a transposed one."""
        for name, part in self.named_children():
            x = part(x, output_size) if output_size is not None and name == self.resized else part(x)
        return x
