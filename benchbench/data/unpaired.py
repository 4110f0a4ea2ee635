"""Two domains of your own without pairs, A to be turned into B (image, input).

As CycleGAN has them (horse2zebra, apple2orange):

    <path>/trainA/ ...      <path>/trainB/ ...      <path>/testA/ ...      <path>/testB/ ...

valA/ and valB/ may be there too. `image` is a picture of B; `input`, one of A, stands beside it by
draw.
"""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Literal

from benchbench.core.errors import DataError
from benchbench.core.examples import Batch, Source, Splits
from benchbench.data.example_sets import Examples
from benchbench.data.kept import Kept
from benchbench.data.pictures import PictureFile, PictureSet, check_pictures, digest_of_files, find_pictures
from benchbench.data.splitting import Origin, SplitOptions, divide
from benchbench.data.view import How, View, ViewOptions, enlarged


class UnpairedOptions(SplitOptions, ViewOptions):
    """Options of two domains, beside those of SplitOptions and ViewOptions.

    Attributes:
        path: the folder that has trainA, trainB, testA and testB.
        direction: `BtoA` makes pictures of A out of those of B.
        train, validation, test: of each domain.
        how: as in CycleGAN, whose pictures are resized without keeping their ratio.
        load_size: null: 286 for every 256 of `size`, the jitter of CycleGAN's released code; the size itself
            leaves it out.
    """

    path: str
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    how: How = "resize"

    def view(self) -> View:
        """What the options say, for pictures."""
        return enlarged(super().view(), self.load_size)


class UnpairedSet(Examples):
    """Pictures of B whose inputs are pictures of A by draw."""

    fields = ("image", "input")

    def __init__(self, images: PictureSet, inputs: PictureSet) -> None:
        super().__init__(images, inputs)
        self._inputs = inputs

    def example(self, index: int, draw: int) -> Batch:
        """The fields image and input; see ExampleSet."""
        other = random.Random(f"{draw}/{index}/partner").randrange(len(self._inputs))
        return {
            "image": self.images.draw(index, f"{draw}/{index}/view"),
            "input": self._inputs.draw(other, f"{draw}/{index}/input"),
        }


def open_unpaired(options: UnpairedOptions, seed: int) -> Splits:
    """The three splits; every file is decoded once. All that is random is drawn by example.

    Raises:
        DataError: a folder is missing or empty, a file broken or too small, or one domain would have
            pictures in a split and the other none.
    """
    root = Path(options.path).expanduser()
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="trainA/ trainB/ testA/ testB/ in it", fix="correct data.path"
        )
    given, made = ("A", "B") if options.direction == "AtoB" else ("B", "A")
    inputs, images = (divide(_find(root, domain), options, where=root) for domain in (given, made))
    view, kept = options.view(), Kept(int(options.memory_gib * 2**30))

    for split in images:
        if bool(images[split]) != bool(inputs[split]):
            raise DataError(
                f"{root}: {len(images[split])} {split} images of {made}, {len(inputs[split])} of {given}",
                expected="some of both domains, or none",
                fix=f"set '{split}' so that it leaves some of either",
            )
    sides = [
        [PictureSet(files[split], view, kept, split == "train") for files in (images, inputs)]
        for split in images
    ]
    every = list(itertools.chain(*sides))
    train, validation, test = (UnpairedSet(*side) for side in sides)
    digest = digest_of_files(options, every, check_pictures(every, options))
    return Splits(train, validation, test, digest)


def _find(root: Path, domain: str) -> dict[Origin, list[PictureFile]]:
    folders: dict[Origin, Path] = {"train": root / f"train{domain}", "test": root / f"test{domain}"}
    if (root / f"val{domain}").is_dir():
        folders["validation"] = root / f"val{domain}"
    return {
        origin: [
            file._replace(name=f"{folder.name}/{file.name}")
            for file in find_pictures(folder, what=f"folder {folder.name}")
        ]
        for origin, folder in folders.items()
    }


source = Source(options=UnpairedOptions, open=open_unpaired, fields=("image", "input"))
