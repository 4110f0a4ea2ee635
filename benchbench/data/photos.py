"""The real photographs inside the scikit-image wheel, cut into crops that share no pixel (image)."""

from __future__ import annotations

import hashlib
import math
import random
from typing import Annotated

import torch
from pydantic import Field

from benchbench.core.errors import DataError
from benchbench.core.examples import Source, Splits
from benchbench.core.model import Options, canonical_json
from benchbench.data.crops import (
    CropSet,
    Region,
    SplitName,
    cut_photo,
    grid_crops,
    random_crops,
    region_pixels,
)
from benchbench.data.images import photo_path, read_image

# Two views of one scene, rectified: a row of one shows what the same row of the other shows.
_SCENES = {"motorcycle_left": "motorcycle", "motorcycle_right": "motorcycle"}

Side = Annotated[int, Field(ge=8, le=1024)]
Count = Annotated[int, Field(ge=0)]


class PhotosOptions(Options):
    """Options of the built-in photographs.

    Attributes:
        size: side of training crops (and of the others, unless said), pixels.
        validation_size: side of validation crops.
        test_size: side of test crops; may be larger, for networks that are fully convolutional.
        train: how many training crops; at random places, overlapping one another.
        validation: how many validation crops.
        test: how many test crops; they do not overlap.
        images: which photographs; the first ones give the first crops.
        shorter_side: larger photographs are shrunk to this after they were cut.
        split_seed: decides what is held out. The cell's seed decides the training crops alone, so
            that every seed is judged on the same pictures.
    """

    size: Side = 256
    validation_size: Side | None = None
    test_size: Side | None = None
    train: Count = 400
    validation: Count = 8
    test: Count = 8
    images: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "astronaut", "chelsea", "coffee", "rocket", "motorcycle_left", "motorcycle_right",
        "hubble", "retina", "ihc", "brick", "grass", "gravel",
    )  # fmt: skip
    shorter_side: Annotated[int, Field(ge=32)] = 512
    split_seed: int = 0


def open_photos(options: PhotosOptions, seed: int) -> Splits:
    """The three splits, in memory.

    Args:
        seed: places the training crops.

    Raises:
        DataError: more crops are asked for than the photographs hold.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    crops, digest = cut_crops(options, seed)
    return Splits(crops["train"], crops["validation"], crops["test"], digest)


def cut_crops(
    options: PhotosOptions, seed: int, *, held_out: float = 0.0
) -> tuple[dict[SplitName, CropSet], str]:
    """The crops of each split with the regions that they lie in, and a digest of options and photographs.

    Args:
        seed: places the training crops.
        held_out: at least this part of every photograph is for validation and test.

    Raises:
        DataError: more crops are asked for than the photographs hold.
        UnknownNameError: a photograph that scikit-image does not ship.
    """
    wanted: dict[SplitName, tuple[int, int]] = {
        "train": (options.train, options.size),
        "validation": (options.validation, options.validation_size or options.size),
        "test": (options.test, options.test_size or options.size),
    }
    digest = hashlib.sha256(canonical_json([options.model_dump(mode="json"), seed]).encode())
    pixels: dict[Region, torch.Tensor] = {}
    for name in dict.fromkeys(options.images):
        path = photo_path(name)
        digest.update(hashlib.sha256(path.read_bytes()).digest())
        image = read_image(path)
        height, width = image.shape[-2:]
        scale = min(1.0, options.shorter_side / min(height, width))
        # Sides are needed after the shrinking, and cut before it.
        sides = {split: math.ceil(side / scale) for split, (count, side) in wanted.items() if count}
        scene = _SCENES.get(name)
        regions = cut_photo(
            name,
            (height, width),
            sides=sides,
            rng=random.Random(f"{options.split_seed}/{scene or name}"),
            across="rows" if scene else "longer",
            held_out=held_out,
        )
        for region in regions:
            pixels[region] = region_pixels(image, region, scale, wanted[region.split][1])

    def crops_of(split: SplitName) -> CropSet:
        count, side = wanted[split]
        regions = [
            (region, (image.shape[-2], image.shape[-1]))
            for region, image in pixels.items()
            if region.split == split
        ]
        if split == "train" and regions:
            crops = random_crops(regions, side, count=count, rng=random.Random(f"{seed}/train"))
        else:
            crops = grid_crops(regions, side)[:count]
        if len(crops) < count:
            raise DataError(
                f"photos: {count} {split} crops of {side} pixels asked for, {len(crops)} fit",
                expected=f"at most {len(crops)}" if crops else "photographs large enough to be cut",
                fix=f"ask for fewer, smaller ones ({split}_size) or more images"
                if split != "train"
                else "lower 'size'",
            )
        return CropSet(crops, pixels)

    return {split: crops_of(split) for split in wanted}, digest.hexdigest()[:16]


def scene_of(photo: str) -> str:
    """What a photograph shows: two views of one scene are one."""
    return _SCENES.get(photo, photo)


source = Source(options=PhotosOptions, open=open_photos, fields=("image",))
