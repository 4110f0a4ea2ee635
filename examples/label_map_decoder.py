"""A model of your own that takes a dictionary: a label map and a vector of style, to a picture."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class LabelMapDecoder(nn.Module):
    """Halve a label map twice, mix it with a style, and double it twice to a picture.

    Takes `{"labels": [N, classes, H, W], "style": [N, style]}` and returns [N, 3, H, W], for H and W
    that are multiples of 4.
    """

    def __init__(self, classes: int, style: int, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(classes, width, 3, stride=2, padding=1)
        self.look_closer = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.style = nn.Linear(style, 2 * width)
        self.think = nn.ModuleList(nn.Conv2d(2 * width, 2 * width, 3, padding=1) for _ in range(2))
        self.paint = nn.Conv2d(2 * width, width, 3, padding=1)
        self.finish = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The picture, under the key `image`."""
        x = self.look_closer(self.look(batch["labels"]).relu()).relu()
        x = x + self.style(batch["style"])[..., None, None]
        for layer in self.think:
            x = x + layer(x.relu())
        x = self.paint(F.interpolate(x, scale_factor=2.0)).relu()
        return {"image": self.finish(F.interpolate(x, scale_factor=2.0)).tanh()}


def build(classes: int = 8, *, style: int = 16, width: int = 16) -> LabelMapDecoder:
    """What the suite names: any callable that returns an `nn.Module`."""
    return LabelMapDecoder(classes, style, width)
