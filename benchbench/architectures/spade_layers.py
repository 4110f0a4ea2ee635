"""SPADE and its residual block (Park et al. 2019), with GAN Compression's separable form (Li et al. 2020)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.architectures.spectral import spectral_norm


def _separable(channels_in: int, channels_out: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            depthwise=nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in),
            norm=nn.InstanceNorm2d(channels_in),
            pointwise=nn.Conv2d(channels_in, channels_out, 1),
        )
    )


class Spade(nn.Module):
    """Batch norm, then a scale and a shift at every position, computed from the label map.

    Args:
        channels: of what is normalised.
        labels: channels of the label map.
        hidden: channels between the label map and scale and shift.
        separable: whether scale and shift come from depthwise 3x3, instance norm, 1x1.
    """

    def __init__(self, channels: int, *, labels: int, hidden: int, separable: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.shared = nn.Sequential(
            OrderedDict(conv=nn.Conv2d(labels, hidden, 3, padding=1), relu=nn.ReLU(inplace=True))
        )
        self.gamma = self._modulation(hidden, channels, separable=separable)
        self.beta = self._modulation(hidden, channels, separable=separable)

    @staticmethod
    def _modulation(hidden: int, channels: int, *, separable: bool) -> nn.Module:
        return _separable(hidden, channels) if separable else nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(self, x: Tensor, label_map: Tensor) -> Tensor:
        """[N, C, H, W] and [N, labels, any height, any width] -> [N, C, H, W]."""
        near = F.interpolate(label_map, size=x.shape[2:], mode="nearest")
        hidden = self.shared(near)
        modulated: Tensor = self.norm(x) * (1 + self.gamma(hidden)) + self.beta(hidden)
        return modulated


class SpadeBlock(nn.Module):
    """Two rounds of SPADE, leaky ReLU and 3x3 convolution, added to the input.

    Where the block changes its channels, the input goes through SPADE and a 1x1 convolution first.

    Args:
        channels_in, inner, channels_out: before, between and after the two convolutions.
        learned_shortcut: whether the input goes through SPADE and 1x1; channels that change need it.
        labels, hidden, separable: as for `Spade`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        inner: int,
        learned_shortcut: bool,
        labels: int,
        hidden: int,
        separable: bool,
    ) -> None:
        super().__init__()

        def spade(channels: int) -> Spade:
            return Spade(channels, labels=labels, hidden=hidden, separable=separable)

        self.norm_0 = spade(channels_in)
        self.conv_0 = nn.Conv2d(channels_in, inner, 3, padding=1)
        self.norm_1 = spade(inner)
        self.conv_1 = nn.Conv2d(inner, channels_out, 3, padding=1)
        self.norm_s = spade(channels_in) if learned_shortcut else None
        self.conv_s = nn.Conv2d(channels_in, channels_out, 1, bias=False) if learned_shortcut else None

    def constrain_spectrally(self) -> None:
        """Divide the weights of the block's own convolutions by their largest singular value from now on."""
        for conv in (self.conv_0, self.conv_1, self.conv_s):
            if conv is not None:
                spectral_norm(conv)

    def forward(self, x: Tensor, label_map: Tensor) -> Tensor:
        """[N, C_in, H, W] and [N, labels, any height, any width] -> [N, C_out, H, W]."""
        shortcut = x
        if self.norm_s is not None and self.conv_s is not None:
            shortcut = self.conv_s(self.norm_s(x, label_map))
        change = self.conv_0(F.leaky_relu(self.norm_0(x, label_map), 0.2))
        change = self.conv_1(F.leaky_relu(self.norm_1(change, label_map), 0.2))
        added: Tensor = shortcut + change
        return added
