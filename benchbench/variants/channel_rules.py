"""Where the channels (dimension 1) of an operator's result come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from torch import Tensor

from benchbench.variants.channel_groups import Segments, interface, lost, pin, scaled, unify, use

# Their dimension 1 is not that of their operands, even where it has the same size.
_MIXING_NAMES = """
    mm bmm addmm addbmm baddbmm mv dot einsum convolution _convolution t numpy_T index index_select gather
    flip roll stack unfold im2col col2im scatter take_along_dim sort argsort cumsum
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_attention_math
    _scaled_dot_product_efficient_attention _scaled_dot_product_fused_attention_overrideable
    _fft_r2c _fft_c2c _fft_c2r
"""
_MIXING = frozenset(_MIXING_NAMES.split())
# Reductions, by the place of the argument that says over which dimensions.
_REDUCTIONS = {
    **dict.fromkeys(("mean", "sum", "amax", "amin", "var", "std", "var_mean", "max", "min", "prod"), 1),
    **dict.fromkeys(("linalg_vector_norm", "norm"), 2),
}
_VIEWS = frozenset(["view", "_unsafe_view", "reshape", "_reshape_copy", "_reshape_alias"])


def through_operator(
    name: str, args: Sequence[Any], known: Mapping[Tensor, Segments], out: Tensor, *, where: str
) -> Segments | None:
    """Where the channels of `out` come from; None where it has none, or nothing known went in.

    Args:
        name: of the operator, `cat`.
        args: its positional arguments.
        known: what went in, of which the channels are known.
        out: its result.
        where: the module that it ran in, for the reason of what cannot be followed.
    """
    if not known:
        return None
    channels = out.shape[1] if out.ndim > 1 else 0
    if name == "cat":
        parts = [known.get(each, interface(each.shape[1] if each.ndim > 1 else 0)) for each in args[0]]
        if len(args) > 1 and args[1] in (1, 1 - out.ndim):
            return tuple(segment for each in parts for segment in each)
    if len(known) == 1:
        source, segments = next(iter(known.items()))
        found = _of_one(name, args, source, segments, out)
        if found is not None:
            return found
    elif out.ndim > 1 and name not in _MIXING and all(each.ndim == out.ndim for each in known):
        found = _elementwise(known, channels, where=where)
        if found is not None:
            return found
    return lost(known.values(), channels, why=f"'{name}' in {where} rearranges them")


def _elementwise(known: Mapping[Tensor, Segments], channels: int, *, where: str) -> Segments | None:
    wide = [segments for each, segments in known.items() if each.shape[1] == channels]
    narrow = [segments for each, segments in known.items() if each.shape[1] != channels]
    if not wide or any(each.shape[1] not in (1, channels) for each in known):
        return None
    for segments in narrow:
        # One channel that meets all of the others has to stay one.
        pin(segments)
    first = wide[0]
    for other in wide[1:]:
        first = unify(first, other, where=where)
    return first


def _of_one(
    name: str, args: Sequence[Any], source: Tensor, segments: Segments, out: Tensor
) -> Segments | None:
    if out.ndim < 2 or source.ndim < 2 or name in _MIXING:
        return None
    before, after = source.shape[1], out.shape[1]
    if name in _VIEWS:
        return _viewed(source, segments, out)
    if name in _REDUCTIONS:
        return _reduced(args[_REDUCTIONS[name] :], source, segments, out)
    if name in ("glu", "split", "chunk") and len(segments) == 1 and before != after and before % after == 0:
        return scaled(segments, Fraction(after, before))
    if name in ("pixel_shuffle", "pixel_unshuffle") and (len(segments) == 1 or after > before):
        return scaled(segments, Fraction(after, before))
    return segments if before == after and _stays(name, args, source, out) else None


def _stays(name: str, args: Sequence[Any], source: Tensor, out: Tensor) -> bool:
    """Whether dimension 1 of the result, as large as that of the operand, is the same one."""
    if name == "transpose":
        return all(each % source.ndim > 1 for each in args[1:3])
    if name == "permute":
        order = [each % source.ndim for each in args[1]]
        return order[:2] == [0, 1]
    if name == "select":
        return bool((args[1] if len(args) > 1 else 0) % source.ndim > 1)
    if name == "unsqueeze":
        return bool(args[1] % out.ndim > 1)
    return source.shape[0] == out.shape[0]


def _viewed(source: Tensor, segments: Segments, out: Tensor) -> Segments | None:
    before, after = source.shape[1], out.shape[1]
    if source.shape[0] != out.shape[0]:
        return None
    if before == after:
        return segments
    if after % before == 0:
        return scaled(segments, Fraction(after, before))
    # Features that become a map: [N, C H W] -> [N, C, H, W].
    if source.ndim == 2 and len(segments) == 1 and after * math.prod(out.shape[2:]) == before:
        return scaled(segments, Fraction(after, before))
    return None


def _reduced(dims: Sequence[Any], source: Tensor, segments: Segments, out: Tensor) -> Segments | None:
    given = dims[0] if dims else None
    over = [given] if isinstance(given, int) else given
    if not isinstance(over, (list, tuple)) or not all(isinstance(each, int) for each in over):
        return None
    dimensions = {each % source.ndim for each in over}
    if 1 in dimensions:
        use(segments)
        return interface(out.shape[1])
    return segments if min(dimensions, default=2) > 1 else None
