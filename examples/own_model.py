"""A model of your own: any `nn.Module`, and a function or class that builds it."""

from __future__ import annotations

from torch import Tensor, nn


class TinyGenerator(nn.Module):
    """Halve, work, double: [N, 3, H, W] -> [N, 3, H, W] for even H and W."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, width, 3, stride=2, padding=1)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.up = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Residual body between one downsampling and one upsampling."""
        half = self.down(image).relu()
        out: Tensor = self.up(half + self.body(half))
        return out.tanh()
