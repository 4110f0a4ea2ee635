"""Random-weights stand-ins for the two published Inception files, of the same structure and layout.

The TorchScript one has the structure of NVIDIA's `inception-2015-12-05.pt`, which clean-fid loads; the
state dict has the names of pytorch-fid's. Weights keep features alive and different from image to image.
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


def block_a(inputs: int, pooled: int) -> Branches:
    return Branches(
        conv(inputs, 64),
        nn.Sequential(conv(inputs, 48), conv(48, 64, 5, pad=2)),
        nn.Sequential(conv(inputs, 64), conv(64, 96, 3, pad=1), conv(96, 96, 3, pad=1)),
        nn.Sequential(average(), conv(inputs, pooled)),
    )


def block_b(inputs: int) -> Branches:
    return Branches(
        conv(inputs, 384, 3, 2),
        nn.Sequential(conv(inputs, 64), conv(64, 96, 3, pad=1), conv(96, 96, 3, 2)),
        nn.MaxPool2d(3, 2),
    )


def block_c(inputs: int, inner: int) -> Branches:
    return Branches(
        conv(inputs, 192),
        nn.Sequential(conv(inputs, inner), flat(inner, inner), tall(inner, 192)),
        nn.Sequential(
            conv(inputs, inner), tall(inner, inner), flat(inner, inner), tall(inner, inner), flat(inner, 192)
        ),
        nn.Sequential(average(), conv(inputs, 192)),
    )


def block_d(inputs: int) -> Branches:
    return Branches(
        nn.Sequential(conv(inputs, 192), conv(192, 320, 3, 2)),
        nn.Sequential(conv(inputs, 192), flat(192, 192), tall(192, 192), conv(192, 192, 3, 2)),
        nn.MaxPool2d(3, 2),
    )


def split(channels: int) -> Branches:
    return Branches(Conv(channels, 384, (1, 3), 1, (0, 1)), Conv(channels, 384, (3, 1), 1, (1, 0)))


def block_e(inputs: int, pool: nn.Module) -> Branches:
    return Branches(
        conv(inputs, 320),
        nn.Sequential(conv(inputs, 384), split(384)),
        nn.Sequential(conv(inputs, 448), conv(448, 384, 3, pad=1), split(384)),
        nn.Sequential(pool, conv(inputs, 192)),
    )


class InceptionStub(nn.Module):
    """Images of any size in 0..255 -> probabilities, or features [N, 2048]."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(3, 32, 3, 2),
            conv(32, 32, 3),
            conv(32, 64, 3, pad=1),
            nn.MaxPool2d(3, 2),
            conv(64, 80),
            conv(80, 192, 3),
            nn.MaxPool2d(3, 2),
            block_a(192, 32),
            block_a(256, 64),
            block_a(288, 64),
            block_b(288),
            *(block_c(768, inner) for inner in (128, 160, 160, 192)),
            block_d(768),
            block_e(1280, average()),
            block_e(2048, nn.MaxPool2d(3, 1, 1)),
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
    """He-normal weights about zero mean per filter, and statistics near those of such responses."""
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
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=generator))


def write_torchscript_stub(path: Path, seed: int = 0) -> str:
    """Saves the stub as TorchScript, as clean-fid loads it; returns the file's SHA-256."""
    scripted = torch.jit.script(InceptionStub(seed).eval())
    scripted.save(str(path))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_state_stub(path: Path, module: nn.Module, seed: int = 0) -> str:
    """Fills pytorch-fid's network with such weights and saves its state dict; returns its SHA-256."""
    draw_weights(module, seed)
    torch.save(module.state_dict(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()
