"""Grouped convolution: each of g groups of outputs sees one g-th of the inputs.

Krizhevsky et al. 2012; Xie et al. 2017 (ResNeXt). With the channel shuffle of Zhang et al. 2018
(ShuffleNet) after it, the next layer's groups see all of this one's. Weights are those of the layer
divided by g.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from pydantic import Field
from torch import nn

from benchbench.core.contracts import Replacement
from benchbench.core.errors import NotReplaceableError
from benchbench.core.model import Options
from benchbench.variants.convolution import ConvolutionChain, alike, as_convolution


class GroupedOptions(Options):
    """Options of `grouped`.

    Attributes:
        groups: how many; both channel counts of a layer must be multiples of it.
        shuffle: whether the outputs are shuffled across the groups.
    """

    groups: Annotated[int, Field(ge=2, le=4096)]
    shuffle: bool = False


def _build(layer: nn.Module, options: GroupedOptions) -> nn.Module:
    convolution = as_convolution(layer)
    channels = (convolution.in_channels, convolution.out_channels)
    if any(count % options.groups for count in channels):
        raise NotReplaceableError(
            f"{channels[0]}→{channels[1]} channels are not both multiples of {options.groups}"
        )
    grouped = alike(convolution, *channels, groups=options.groups)
    if not options.shuffle:
        return grouped
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        grouped=grouped, shuffle=nn.ChannelShuffle(options.groups)
    )
    return ConvolutionChain(parts, resized="grouped")


replacement = Replacement(options=GroupedOptions, build=_build)
