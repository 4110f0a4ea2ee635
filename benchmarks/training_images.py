"""Pictures to train on: crops of the built-in photographs, as a tensor and as files."""

from __future__ import annotations

from pathlib import Path

import torch

from benchbench.data.images import open_image, to_picture

_OF = ("astronaut", "chelsea", "coffee", "rocket")


class TensorImages:
    """A tensor in memory as an ImageSet.

    Args:
        images: uint8 [N, 3, H, W].
    """

    def __init__(self, images: torch.Tensor) -> None:
        self._images = images
        self.names = tuple(str(index) for index in range(len(images)))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self._images[index]


def photo_crops(number: int, size: int) -> torch.Tensor:
    """uint8 [number, 3, size, size], at random places of real photographs."""
    generator = torch.Generator().manual_seed(0)
    photos = [open_image(name) for name in _OF]
    crops = torch.empty(number, 3, size, size, dtype=torch.uint8)
    for index in range(number):
        photo = photos[index % len(photos)]
        top, left = (
            int(torch.randint(side - size + 1, (), generator=generator)) for side in photo.shape[-2:]
        )
        crops[index] = photo[:, top : top + size, left : left + size]
    return crops


def write_files(folder: Path, images: torch.Tensor, suffix: str) -> Path:
    """One file each, `png` or `jpg` (quality 90); the folder."""
    folder.mkdir(parents=True)
    for index, image in enumerate(images):
        to_picture(image).save(folder / f"{index:05d}.{suffix}", quality=90)
    return folder
