"""Random-weights stand-ins for the two published Inception files, of the same structure and layout.

The TorchScript one has the structure of NVIDIA's `inception-2015-12-05.pt`, which clean-fid loads; the
state dict has the names of pytorch-fid's. Weights keep features alive and different from image to image.
A `width` below 1 narrows every block but the last, which has its 2,048 channels at any width.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution, batch norm without a scale, and a ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int],
        stride: int = 1,
        pad: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.stride, self.pad = stride, pad
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, kernel[0], kernel[1]))
        self.beta = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("mean", torch.zeros(outputs))
        self.register_buffer("var", torch.ones(outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = F.conv2d(x, self.weight, stride=self.stride, padding=list(self.pad))
        x = F.batch_norm(x, self.mean, self.var, bias=self.beta, eps=1e-3)
        return F.relu(x)


def conv(inputs: int, outputs: int, kernel: int = 1, stride: int = 1, pad: int = 0) -> Conv:
    return Conv(inputs, outputs, (kernel, kernel), stride, (pad, pad))


def flat(inputs: int, outputs: int) -> Conv:
    return Conv(inputs, outputs, (1, 7), 1, (0, 3))


def tall(inputs: int, outputs: int) -> Conv:
    return Conv(inputs, outputs, (7, 1), 1, (3, 0))


def average() -> nn.AvgPool2d:
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


class Branches(nn.Module):
    """Branches side by side, joined by channel."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        made: list[Tensor] = []
        for branch in self.branches:
            made.append(branch(x))
        return torch.cat(made, 1)


class Builder:
    """The blocks, whose channels are multiplied by `width`; `channels` follows what comes out."""

    def __init__(self, width: float) -> None:
        self.width = width
        self.channels = 3

    def wide(self, channels: int) -> int:
        return max(4, round(channels * self.width))

    def conv(self, outputs: int, kernel: int = 1, stride: int = 1, pad: int = 0) -> Conv:
        before, self.channels = self.channels, self.wide(outputs)
        return conv(before, self.channels, kernel, stride, pad)

    def block_a(self, pooled: int) -> Branches:
        inputs, w = self.channels, self.wide
        self.channels = w(64) + w(64) + w(96) + w(pooled)
        return Branches(
            conv(inputs, w(64)),
            nn.Sequential(conv(inputs, w(48)), conv(w(48), w(64), 5, pad=2)),
            nn.Sequential(conv(inputs, w(64)), conv(w(64), w(96), 3, pad=1), conv(w(96), w(96), 3, pad=1)),
            nn.Sequential(average(), conv(inputs, w(pooled))),
        )

    def block_b(self) -> Branches:
        inputs, w = self.channels, self.wide
        self.channels = w(384) + w(96) + inputs
        return Branches(
            conv(inputs, w(384), 3, 2),
            nn.Sequential(conv(inputs, w(64)), conv(w(64), w(96), 3, pad=1), conv(w(96), w(96), 3, 2)),
            nn.MaxPool2d(3, 2),
        )

    def block_c(self, inner: int) -> Branches:
        inputs, side, deep = self.channels, self.wide(192), self.wide(inner)
        self.channels = 4 * side
        return Branches(
            conv(inputs, side),
            nn.Sequential(conv(inputs, deep), flat(deep, deep), tall(deep, side)),
            nn.Sequential(
                *(conv(inputs, deep), tall(deep, deep), flat(deep, deep), tall(deep, deep), flat(deep, side))
            ),
            nn.Sequential(average(), conv(inputs, side)),
        )

    def block_d(self) -> Branches:
        inputs, side, last = self.channels, self.wide(192), self.wide(320)
        self.channels = side + last + inputs
        return Branches(
            nn.Sequential(conv(inputs, side), conv(side, last, 3, 2)),
            nn.Sequential(conv(inputs, side), flat(side, side), tall(side, side), conv(side, side, 3, 2)),
            nn.MaxPool2d(3, 2),
        )

    def block_e(self, pool: nn.Module, *, last: bool) -> Branches:
        inputs, w = self.channels, self.wide
        one, half, pooled = (320, 384, 192) if last else (w(320), w(384), w(192))
        self.channels = one + 4 * half + pooled
        return Branches(
            conv(inputs, one),
            nn.Sequential(conv(inputs, w(384)), split(w(384), half)),
            nn.Sequential(conv(inputs, w(448)), conv(w(448), w(384), 3, pad=1), split(w(384), half)),
            nn.Sequential(pool, conv(inputs, pooled)),
        )


def split(inputs: int, outputs: int) -> Branches:
    return Branches(Conv(inputs, outputs, (1, 3), 1, (0, 1)), Conv(inputs, outputs, (3, 1), 1, (1, 0)))


class InceptionStub(nn.Module):
    """Images of any size in 0..255 -> probabilities, or features [N, 2048]."""

    def __init__(self, seed: int, width: float = 1.0) -> None:
        super().__init__()
        build = Builder(width)
        self.layers = nn.Sequential(
            build.conv(32, 3, 2),
            build.conv(32, 3),
            build.conv(64, 3, pad=1),
            nn.MaxPool2d(3, 2),
            build.conv(80),
            build.conv(192, 3),
            nn.MaxPool2d(3, 2),
            *(build.block_a(pooled) for pooled in (32, 64, 64)),
            build.block_b(),
            *(build.block_c(inner) for inner in (128, 160, 160, 192)),
            build.block_d(),
            build.block_e(average(), last=False),
            build.block_e(nn.MaxPool2d(3, 1, 1), last=True),
            nn.AvgPool2d(8, 8),
        )
        self.output = nn.Linear(2048, 1008)
        draw_weights(self, seed)

    def forward(
        self,
        img: Tensor,
        return_features: bool = False,
        use_fp16: bool = False,
        no_output_bias: bool = False,
    ) -> Tensor:
        x = F.interpolate(img.float(), size=[299, 299], mode="bilinear", align_corners=False)
        features = self.layers((x - 128) / 128).reshape(-1, 2048)
        if return_features:
            return features
        logits = F.linear(features, self.output.weight)
        if not no_output_bias:
            logits = logits + self.output.bias
        return torch.softmax(logits, 1)


def draw_weights(module: nn.Module, seed: int) -> None:
    """He-normal weights about zero mean per filter, and statistics near those of such responses.

    Means and shifts are as large as a trained network's: with smaller ones rounding grows from layer to
    layer (clean-fid's own features are then 6e-6 from float64's), and no comparison can be closer than that.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted([*module.named_parameters(), *module.named_buffers()]):
            last = name.rpartition(".")[2]
            if tensor.dim() == 4:
                drawn = torch.randn(tensor.shape, generator=generator)
                drawn -= drawn.mean(dim=(1, 2, 3), keepdim=True)
                tensor.copy_(drawn * (2.9 / tensor[0].numel()) ** 0.5)
            elif tensor.dim() == 2:
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.05)
            elif last in ("var", "running_var"):
                tensor.copy_(1 + 0.2 * torch.rand(tensor.shape, generator=generator))
            elif last in ("mean", "running_mean", "beta", "bias") and tensor.dim() == 1:
                tensor.copy_(0.5 * torch.randn(tensor.shape, generator=generator))


def write_torchscript_stub(path: Path, seed: int = 0, *, width: float = 1.0) -> str:
    """Saves the stub as TorchScript, as clean-fid loads it; returns the file's SHA-256."""
    scripted = torch.jit.script(InceptionStub(seed, width).eval())
    scripted.save(str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_state_stub(path: Path, module: nn.Module, seed: int = 0) -> str:
    """Fills pytorch-fid's network with such weights and saves its state dict; returns its SHA-256.

    Args:
        path: of the file.
        module: quality/inception_pytorch.py's `build_network()`, which this changes.
        seed: of the weights.
    """
    draw_weights(module, seed)
    torch.save(module.state_dict(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
