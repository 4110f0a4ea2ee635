"""The class of a layer's work: by its module where torch's own says it, else by what its operators are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.nn.modules.activation import __all__ as _activations
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from benchbench.core.profile import LayerClass

ARITHMETIC: frozenset[LayerClass] = frozenset(
    {
        *("depthwise", "pointwise", "dense convolution", "grouped convolution", "transposed convolution"),
        "linear",
    }
)
"""The classes that do MACs."""

_ACTIVATIONS = tuple(getattr(nn, name) for name in _activations if name != "MultiheadAttention")
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.LocalResponseNorm)
_UPSAMPLING = (nn.Upsample, nn.PixelShuffle)

_ACTIVATION_OPERATORS = frozenset(
    {
        *("relu", "leaky_relu", "prelu", "_prelu_kernel", "elu", "celu", "selu", "gelu", "silu", "mish"),
        *("hardtanh", "hardswish", "hardsigmoid", "sigmoid", "tanh", "softplus", "_softmax", "_log_softmax"),
        *("rrelu_with_noise", "threshold", "log_sigmoid_forward"),
    }
)
_PRODUCT_OPERATORS = frozenset({"mm", "addmm", "bmm", "baddbmm", "linear", "addmv", "mv", "dot"})


def class_of_convolution(
    kernel: Sequence[int], *, channels: int, groups: int, is_transposed: bool
) -> LayerClass:
    """The class of a convolution.

    Args:
        kernel: its size, (3, 3) for one.
        channels: of its input.
        groups: as many as `channels`, and more than one, make it depthwise, also a transposed one.
        is_transposed: whether it is the transpose of one.
    """
    if groups > 1 and groups == channels:
        return "depthwise"
    if is_transposed:
        return "transposed convolution"
    if groups > 1:
        return "grouped convolution"
    return "pointwise" if set(kernel) <= {1} else "dense convolution"


def class_of_module(module: nn.Module) -> LayerClass | None:
    """The class of one of torch's own layers, subclasses too; None of every other module."""
    if isinstance(module, _ConvNd):
        return class_of_convolution(
            module.kernel_size,
            channels=module.in_channels,
            groups=module.groups,
            is_transposed=isinstance(module, _ConvTransposeNd),
        )
    for kinds, name in _BY_MODULE:
        if isinstance(module, kinds):
            return name
    return None


_BY_MODULE: tuple[tuple[tuple[type, ...], LayerClass], ...] = (
    (_NORMS, "norm"),
    (_ACTIVATIONS, "activation"),
    (_UPSAMPLING, "upsampling"),
    ((nn.Linear, nn.Bilinear), "linear"),
)


def class_of_operator(name: str, args: Sequence[Any]) -> LayerClass:
    """The class of one ATen operator.

    Args:
        name: without its overload: convolution, relu_.
        args: what it was given, in its schema's order.
    """
    plain = name.rstrip("_")
    if plain == "convolution" and len(args) == 9:
        given, weight, transposed, groups = args[0], args[1], args[6], args[8]
        return class_of_convolution(
            tuple(weight.shape[2:]), channels=given.shape[1], groups=groups, is_transposed=transposed
        )
    if plain in _PRODUCT_OPERATORS:
        return "linear"
    if plain in _ACTIVATION_OPERATORS:
        return "activation"
    if plain.startswith(("upsample", "_upsample", "pixel_shuffle")):
        return "upsampling"
    return "norm" if plain.startswith(_NORM_OPERATORS) else "other"


_NORM_OPERATORS = (
    *("native_batch_norm", "_native_batch_norm", "cudnn_batch_norm", "native_layer_norm"),
    *("native_group_norm", "_fused_rms_norm", "rms_norm"),
)
