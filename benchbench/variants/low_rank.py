"""Low-rank convolution: k x k to r channels, then 1x1 to all of them.

Denton et al. 2014; Zhang et al. 2016 ("Accelerating very deep convolutional networks"), whose
factors these are. A layer's k² C_in C_out weights become k² C_in r + r C_out.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from fractions import Fraction
from typing import Annotated, Self

from pydantic import Field, model_validator
from torch import nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options
from benchbench.variants.convolution import ConvolutionChain, alike, as_convolution


class LowRankOptions(Options):
    """Options of `low_rank`; one of the two says r.

    Attributes:
        rank: r itself.
        ratio: r as a part of C_out, rounded up.
    """

    rank: Annotated[int | None, Field(ge=1, le=65536)] = None
    ratio: Annotated[float | None, Field(gt=0, lt=1)] = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.rank is None) == (self.ratio is None):
            raise ValueError("give either 'rank' (channels) or 'ratio' (of the output channels)")
        return self


def _build(layer: nn.Module, options: LowRankOptions) -> nn.Module:
    convolution = as_convolution(layer)
    before, after = convolution.in_channels, convolution.out_channels
    if options.rank is not None:
        rank = options.rank
    else:
        assert options.ratio is not None
        # 0.07 of 100 is 7, which floats make 7.000000000000001.
        rank = math.ceil(Fraction(str(options.ratio)) * after)
    area = convolution.kernel_size[0] * convolution.kernel_size[1]
    whole, parted = area * before * after, area * before * rank + rank * after
    if parted >= whole:
        raise NotReplaceableError(f"rank {rank} has {parted:,} weights, the layer {whole:,}")
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        reduced=alike(convolution, before, rank, bias=False),
        expanded=nn.Conv2d(rank, after, 1, bias=convolution.bias is not None),
    )
    return ConvolutionChain(parts, resized="reduced")


replacement = Replacement(options=LowRankOptions, build=_build)
