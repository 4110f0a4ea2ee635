"""Aligned pairs of your own, A|B in one file or in two folders (image, input).

Side by side, as pix2pix has them (edges2shoes, facades, maps, cityscapes): every file is twice as wide as
one picture, A on the left and B on the right.

    <path>/train/1.jpg ...      <path>/val/1.jpg ...      <path>/test/1.jpg ...

In two folders, named by `folders`, whose files have the same names, suffixes aside; each with train/ val/
test/ below it, or without:

    <path>/<inputs>/[train/]1.png      <path>/<images>/[train/]1.png

Without train/ the splits are drawn. Where only one of val/ and test/ is there, it is the test split.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from benchbench.core.errors import DataError
from benchbench.core.examples import Source, Splits
from benchbench.data.example_sets import AlignedSet
from benchbench.data.kept import Kept
from benchbench.data.pictures import (
    PictureFile,
    PictureSet,
    Seen,
    check_pictures,
    digest_of_files,
    find_pictures,
    match_files,
)
from benchbench.data.splitting import Origin, SplitOptions, divide, split_folders
from benchbench.data.view import How, View, ViewOptions, enlarged

Pair = tuple[PictureFile, PictureFile]  # input, image


class PairedOptions(SplitOptions, ViewOptions):
    """Options of aligned pairs, beside those of SplitOptions and ViewOptions.

    Attributes:
        path: the folder.
        direction: what is made of what, where A and B lie side by side (pix2pix: BtoA for facades, whose
            photograph is on the left).
        folders: names of two folders below `path`: the inputs', then the images'; null: side by side.
        how: as in pix2pix, whose pictures are resized without keeping their ratio.
        load_size: null: 286 for every 256 of `size`, the jitter of pix2pix (Isola et al. 2017, section 6.2);
            the size itself leaves it out.
    """

    path: str
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    folders: tuple[str, str] | None = None
    how: How = "resize"

    def view(self) -> View:
        """What the options say, for pictures."""
        return enlarged(super().view(), self.load_size)


def open_paired(options: PairedOptions, seed: int) -> Splits:
    """The three splits; every file is decoded once. All that is random is drawn by example.

    Raises:
        DataError: a folder is missing or empty, sides are no pairs, sizes of a pair differ, or a file is
            broken or too small.
    """
    root = Path(options.path).expanduser()
    found = (
        _side_by_side(root, options.direction)
        if options.folders is None
        else _two_folders(root, options.folders)
    )
    chosen = divide(found, options, where=root)
    view, kept = options.view(), Kept(int(options.memory_gib * 2**30))

    images_first = (1, 0)
    sides = [
        [PictureSet([pair[side] for pair in pairs], view, kept, split == "train") for side in images_first]
        for split, pairs in chosen.items()
    ]
    every = list(itertools.chain(*sides))
    seen = check_pictures(every, options)
    if options.how != "resize":
        for pair in itertools.chain(*chosen.values()):
            _check_sizes(pair, seen)
    train, validation, test = (
        AlignedSet(images, {"input": inputs}, inputs=inputs) for images, inputs in sides
    )
    return Splits(train, validation, test, digest_of_files(options, every, seen))


def _check_sizes(pair: Pair, seen: Mapping[Path, Seen]) -> None:
    first, second = (seen[file.path].size for file in pair)
    if first != second:
        raise DataError(
            f"{pair[0].path} is {first[0]} x {first[1]} pixels, and its partner {pair[1].path} is "
            f"{second[0]} x {second[1]}",
            expected="one size on either side of a pair",
            fix="replace one of them, or set how: resize",
        )


def _side_by_side(root: Path, direction: str) -> dict[Origin, list[Pair]]:
    found: dict[Origin, list[Pair]] = {}
    for origin, folder in split_folders(root).items():
        files = find_pictures(folder, what="folder of pairs A|B")
        lefts, rights = ([file._replace(part=part) for file in files] for part in ("left", "right"))
        found[origin] = list(
            zip(lefts, rights, strict=True) if direction == "AtoB" else zip(rights, lefts, strict=True)
        )
    return found


def _two_folders(root: Path, folders: tuple[str, str]) -> dict[Origin, list[Pair]]:
    inputs, images = (split_folders(root / name) for name in folders)
    if inputs.keys() != images.keys():
        raise DataError(
            f"{root / folders[0]} has {', '.join(inputs)}, {root / folders[1]} has {', '.join(images)}",
            expected="the same splits on either side",
            fix="lay both out alike: train/ val/ test/, or none of them",
        )
    return {
        origin: match_files(
            find_pictures(inputs[origin], what="folder of inputs"),
            find_pictures(images[origin], what="folder of images"),
            where=(inputs[origin], images[origin]),
        )
        for origin in inputs
    }


source = Source(options=PairedOptions, open=open_paired, fields=("image", "input"))
