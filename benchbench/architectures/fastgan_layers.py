"""Layers that FastGAN's generator and discriminator share, and their parameters in closed form.

Liu et al. 2021, "Towards faster and stabilized GAN training for high-fidelity few-shot image synthesis",
as its authors released it. No convolution has a bias; weights are drawn from N(0, 0.02), those of batch
norm from N(1, 0.02).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from benchbench.architectures.spectral import spectral_norm
from benchbench.architectures.stylegan2_layers import Noise
from benchbench.core.suite import Paper

PAPER = Paper(
    title="Towards faster and stabilized GAN training for high-fidelity few-shot image synthesis",
    year=2021,
    authors="Bingchen Liu, Yizhe Zhu, Kunpeng Song, Ahmed Elgammal",
    url="https://arxiv.org/abs/2101.04775",
)

Finish = Callable[[nn.Module], nn.Module]


def finish_of(*, normalised: bool) -> Finish:
    """What is done to a fresh convolution: weights from N(0, 0.02), and spectral norm where wanted."""

    def finish(layer: nn.Module) -> nn.Module:
        assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
        nn.init.normal_(layer.weight, std=0.02)
        return spectral_norm(layer) if normalised else layer

    return finish


def convolution(
    channels_in: int, channels_out: int, kernel: int, *, finish: Finish, stride: int = 1, padding: int = 0
) -> nn.Module:
    """A convolution without bias; [N, channels_in, H, W] -> [N, channels_out, h, w]."""
    return finish(nn.Conv2d(channels_in, channels_out, kernel, stride, padding, bias=False))


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch norm whose weight starts around 1, and whose bias at 0."""
    norm = nn.BatchNorm2d(channels)
    nn.init.normal_(norm.weight, mean=1.0, std=0.02)
    return norm


def up(channels_in: int, channels_out: int, *, finish: Finish) -> nn.Sequential:
    """Twice the size by nearest neighbour, and one gated convolution.

    [N, channels_in, H, W] -> [N, channels_out, 2 H, 2 W].
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        convolution(channels_in, 2 * channels_out, 3, padding=1, finish=finish),
        batch_norm(2 * channels_out),
        nn.GLU(dim=1),
    )


def up_composite(channels_in: int, channels_out: int, *, size: int, finish: Finish) -> nn.Sequential:
    """`up` with noise, and a second gated convolution.

    [N, channels_in, size / 2, size / 2] -> [N, channels_out, size, size].

    Args:
        size: of the output.
    """
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        convolution(channels_in, 2 * channels_out, 3, padding=1, finish=finish),
        Noise(size),
        batch_norm(2 * channels_out),
        nn.GLU(dim=1),
        convolution(channels_out, 2 * channels_out, 3, padding=1, finish=finish),
        Noise(size),
        batch_norm(2 * channels_out),
        nn.GLU(dim=1),
    )


def down(channels_in: int, channels_out: int, *, finish: Finish) -> tuple[nn.Module, ...]:
    """Layers for half the size: [N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2]."""
    return (
        convolution(channels_in, channels_out, 4, stride=2, padding=1, finish=finish),
        batch_norm(channels_out),
        nn.LeakyReLU(0.2, inplace=True),
    )


class DownComposite(nn.Module):
    """Half the size: two convolutions, averaged with a pooled 1x1.

    [N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2].
    """

    def __init__(self, channels_in: int, channels_out: int, *, finish: Finish) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *down(channels_in, channels_out, finish=finish),
            convolution(channels_out, channels_out, 3, padding=1, finish=finish),
            batch_norm(channels_out),
            nn.LeakyReLU(0.2),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2, 2),
            convolution(channels_in, channels_out, 1, finish=finish),
            batch_norm(channels_out),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[N, channels_in, H, W] -> [N, channels_out, H / 2, W / 2]."""
        both: Tensor = self.main(x) + self.direct(x)
        return both / 2


class Excitation(nn.Module):
    """Skip-layer excitation: small features say how much of each channel of large ones passes.

    The small ones are pooled to 4 x 4, and brought to one number in 0..1 per channel.
    """

    def __init__(self, channels_small: int, channels_large: int, *, finish: Finish) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(4),
            convolution(channels_small, channels_large, 4, finish=finish),
            nn.SiLU(),
            convolution(channels_large, channels_large, 1, finish=finish),
            nn.Sigmoid(),
        )

    def forward(self, small: Tensor, large: Tensor) -> Tensor:
        """[N, channels_small, h, w] and [N, channels_large, H, W] -> [N, channels_large, H, W]."""
        gated: Tensor = large * self.gate(small)
        return gated


def up_parameters(channels_in: int, channels_out: int) -> int:
    """Parameters of `up`: a 3x3 weight to twice the channels, and batch norm."""
    return 18 * channels_in * channels_out + 4 * channels_out


def up_composite_parameters(channels_in: int, channels_out: int) -> int:
    """Parameters of `up_composite`: two of `up`, each with the weight of its noise."""
    return up_parameters(channels_in, channels_out) + up_parameters(channels_out, channels_out) + 2


def excitation_parameters(channels_small: int, channels_large: int) -> int:
    """Parameters of `Excitation`: a 4x4 and a 1x1 weight."""
    return 16 * channels_small * channels_large + channels_large**2


def down_parameters(channels_in: int, channels_out: int) -> int:
    """Parameters of `down`: a 4x4 weight, and batch norm."""
    return 16 * channels_in * channels_out + 2 * channels_out


def down_composite_parameters(channels_in: int, channels_out: int) -> int:
    """Parameters of `DownComposite`: `down`, a 3x3 and a 1x1 weight, each with batch norm."""
    second, direct = 9 * channels_out**2, channels_in * channels_out
    return down_parameters(channels_in, channels_out) + second + direct + 4 * channels_out
