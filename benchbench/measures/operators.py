"""What each ATen operator costs: multiply-accumulates by closed form, element-wise work by kind.

An operator is on exactly one list: products (`MACS`), element-wise kinds (`KINDS`), or free (views,
copies, look-ups, factories). One that is on none is decomposed, and refused when it cannot be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Products(NamedTuple):
    """Multiply-accumulates of one call.

    Attributes:
        macs: by the contract: a transposed convolution at its input size.
        macs_output_size: the same with a transposed convolution at its output size.
        bias_elements: outputs to which the call adds a bias.
    """

    macs: int
    macs_output_size: int
    bias_elements: int = 0


Formula = Callable[[Sequence[Any], Mapping[str, Any], Tensor], Products]


def _argument(
    args: Sequence[Any], kwargs: Mapping[str, Any], index: int, name: str, default: Any = None
) -> Any:
    return args[index] if len(args) > index else kwargs.get(name, default)


def _convolution(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> Products:
    x, weight, bias = args[0], args[1], _argument(args, kwargs, 2, "bias")
    transposed = bool(_argument(args, kwargs, 6, "transposed", default=False))
    # A weight is [C_out, C_in / groups, k...], or [C_in, C_out / groups, k...] when transposed: at
    # every position of the output, or of the input when transposed, each of its entries works once.
    per_position = x.shape[0] * weight.numel()
    at_output = per_position * math.prod(out.shape[2:])
    macs = per_position * math.prod(x.shape[2:]) if transposed else at_output
    return Products(macs, at_output, out.numel() if bias is not None else 0)


def _product(left: int, *, added: int | None = None) -> Formula:
    """A matrix product whose left operand is argument `left`; argument `added` is added to it."""

    def formula(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> Products:
        # Every output is a dot product over the last dimension of the left operand.
        macs = out.numel() * args[left].shape[-1]
        adds = added is not None and kwargs.get("beta", 1) != 0
        return Products(macs, macs, out.numel() if adds else 0)

    return formula


def _attention(args: Sequence[Any], kwargs: Mapping[str, Any], out: Tensor) -> Products:
    query, key, value = args[:3]
    *batch, length, width = query.shape
    macs = math.prod(batch) * length * key.shape[-2] * (width + value.shape[-1])
    return Products(macs, macs)


# By the operator's name without overload; `aten::` understood.
MACS: Mapping[str, Formula] = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "convolution_overrideable": _convolution,
    "mm": _product(0),
    "addmm": _product(1, added=0),
    "bmm": _product(0),
    "baddbmm": _product(1, added=0),
    "mv": _product(0),
    "addmv": _product(1, added=0),
    "dot": _product(0),
    "vdot": _product(0),
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
}

# Products that spectral norm makes of weights alone; FlopCounterMode knows none of them.
WEIGHT_PRODUCTS = frozenset({"mv", "addmv", "dot", "vdot"})

_BY_KIND = {
    "norm": """native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
        _batch_norm_no_update cudnn_batch_norm batch_norm_with_update native_group_norm native_layer_norm
        _fused_rms_norm _weight_norm_interface renorm""",
    "activation": """relu relu6 leaky_relu prelu _prelu_kernel rrelu_with_noise elu selu celu gelu silu mish
        glu sigmoid log_sigmoid_forward tanh hardtanh hardsigmoid hardswish softplus softshrink hardshrink
        threshold _softmax _log_softmax _safe_softmax""",
    "pooling": """max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d
        adaptive_max_pool2d adaptive_max_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d
        fractional_max_pool2d fractional_max_pool3d max_unpool2d max_unpool3d""",
    "resampling": """upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d
        _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d
        upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa
        grid_sampler_2d grid_sampler_3d affine_grid_generator""",
    "padding": """constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
        replication_pad2d replication_pad3d""",
    "reduction": """mean sum nansum prod amax amin aminmax max min argmax argmin var var_mean std std_mean
        norm linalg_vector_norm logsumexp cumsum cumprod all any count_nonzero scatter_add scatter_reduce
        index_add index_reduce col2im sort topk kthvalue median""",
    "random": """rand rand_like randn randn_like randint randint_like normal normal_functional uniform
        bernoulli native_dropout randperm exponential""",
}
KINDS: Mapping[str, str] = {name: kind for kind, names in _BY_KIND.items() for name in names.split()}

_FREE_NAMES = """
    clone copy _to_copy _copy_from resolve_conj resolve_neg contiguous cat stack repeat
    repeat_interleave roll flip rot90 tile pixel_shuffle pixel_unshuffle channel_shuffle
    native_channel_shuffle im2col _unsafe_view unsafe_split unsafe_split_with_sizes _reshape_copy index
    _unsafe_index index_select index_put _index_put_impl gather scatter select_scatter slice_scatter
    masked_fill masked_scatter masked_select where triu tril embedding one_hot take take_along_dim
    unbind_copy split_copy split_with_sizes_copy fill zero set_ resize empty empty_like empty_strided
    empty_permuted new_empty new_empty_strided new_zeros new_ones new_full zeros zeros_like ones
    ones_like full full_like arange linspace logspace eye scalar_tensor tril_indices triu_indices
    lift_fresh lift_fresh_copy lift _local_scalar_dense is_nonzero equal _assert_async
    _assert_tensor_metadata _assert_scalar nonzero sym_size sym_stride sym_numel sym_storage_offset
    constrain_range
"""
_FREE = frozenset(_FREE_NAMES.split())


def base_name(operator: torch._ops.OpOverload) -> str:
    """`aten.relu_.default` -> `relu`: one name for an operator and its in-place form."""
    name = operator._overloadpacket.__name__
    return name.removesuffix("_") if name not in _FREE and not name.endswith("__") else name


def kind_of(operator: torch._ops.OpOverload) -> str | None:
    """The element-wise kind of an operator, `arithmetic` for what works point by point; None for others."""
    name = base_name(operator)
    if name in KINDS:
        return KINDS[name]
    return "arithmetic" if torch.Tag.pointwise in operator.tags and name not in _FREE else None


def is_free(operator: torch._ops.OpOverload) -> bool:
    """Whether an operator moves, looks up or makes data without arithmetic."""
    if operator.namespace in {"prim", "prims"} and "device" in operator._overloadpacket.__name__:
        return True
    moved = operator.is_view or torch.Tag.inplace_view in operator.tags
    return moved or base_name(operator) in _FREE


def elements(arguments: Sequence[Tensor], results: Sequence[Tensor]) -> int:
    """Elements that an element-wise call works on: the largest of its inputs and outputs."""
    return max((each.numel() for each in (*arguments, *results)), default=0)
