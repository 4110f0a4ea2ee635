"""Labelled pictures of your own: CelebA, or a folder per class (image, attributes, target).

CelebA, aligned and cropped; some of its forty attributes are chosen:

    <path>/list_attr_celeba.txt      <path>/img_align_celeba/000001.jpg ...

The file's first line is the number of pictures, its second the names of the attributes; every other a file's
name and 1 or -1 for each attribute. Every picture has a line and every line a picture.

A folder per class (RaFD and Stirling by expression), with train/ and test/ (or val/) above them, or without:

    <path>/[train/]angry/1.jpg ...      <path>/[train/]happy/1.jpg ...

Classes are numbered by the alphabet. `target` is what another picture of the same split has, by draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field

from benchbench.core.errors import DataError
from benchbench.core.examples import Source, Splits
from benchbench.core.model import OneOrMore, canonical_json
from benchbench.data.celeba import ATTRIBUTES_FILE, IMAGES_FOLDER, read_attributes
from benchbench.data.example_sets import LabelledSet
from benchbench.data.kept import Kept
from benchbench.data.pictures import (
    PictureFile,
    PictureSet,
    check_pictures,
    digest_of_files,
    find_pictures,
)
from benchbench.data.splitting import Origin, SplitOptions, divide, split_folders
from benchbench.data.view import Filter, Size, ViewOptions

Layout = Literal["celeba", "folders"]


class LabelledOptions(SplitOptions, ViewOptions):
    """Options of labelled pictures, beside those of SplitOptions and ViewOptions.

    Attributes:
        path: the folder.
        layout: null: `celeba` where its attribute file or its folder of pictures is there, else `folders`.
        attributes: which of CelebA's, in this order. The default are StarGAN's, whose seven domains they
            make: three colours of hair, male or female, young or old (Choi et al. 2018, section 5.3).
        classes: which folders, in this order; null: all, by the alphabet.
        size: StarGAN's.
        filter: as in StarGAN's released code.
    """

    path: str
    layout: Layout | None = None
    attributes: OneOrMore[Annotated[str, Field(min_length=1)]] = (
        "Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young",
    )  # fmt: skip
    classes: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    size: Size = 128
    filter: Filter = "bilinear"


class Labelled(NamedTuple):
    """A picture and its attributes, 0 or 1 each."""

    file: PictureFile
    attributes: tuple[int, ...]


def open_labelled(options: LabelledOptions, seed: int) -> Splits:
    """The three splits; every file is decoded once. All that is random is drawn by example.

    Raises:
        DataError: the attribute file or a folder is missing, a class or attribute has no training picture,
            a picture has no line or a line no picture, or a file is broken or too small.
        UnknownNameError: no such attribute or class.
    """
    root = Path(options.path).expanduser()
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="CelebA, or a folder per class", fix="correct data.path"
        )
    if _layout(root, options) == "celeba":
        classes: tuple[str, ...] = tuple(options.attributes)
        chosen = divide({"all": _celeba(root, options)}, options, where=root)
    else:
        classes, found = _folders(root, options)
        chosen = divide(found, options, where=root)
    _check_classes(classes, chosen["train"], root)
    view, kept = options.view(), Kept(int(options.memory_gib * 2**30))
    every = [
        PictureSet([each.file for each in items], view, kept, split == "train")
        for split, items in chosen.items()
    ]
    contents = digest_of_files(options, every, check_pictures(every, options))
    labels = [[each.attributes for each in items] for items in chosen.values()]
    digest = hashlib.sha256(canonical_json([contents, *classes, repr(labels)]).encode()).hexdigest()[:16]
    train, validation, test = (
        LabelledSet(images, _stacked(rows, len(classes))) for images, rows in zip(every, labels, strict=True)
    )
    return Splits(train, validation, test, digest, classes=classes)


def _layout(root: Path, options: LabelledOptions) -> Layout:
    if options.layout is not None:
        return options.layout
    is_celeba = (root / ATTRIBUTES_FILE).exists() or (root / IMAGES_FOLDER).exists()
    return "celeba" if is_celeba else "folders"


def _celeba(root: Path, options: LabelledOptions) -> list[Labelled]:
    rows = read_attributes(root / ATTRIBUTES_FILE, options.attributes)
    files = find_pictures(root / IMAGES_FOLDER, what="folder of pictures")
    there = {file.name for file in files}
    for kind, alone in (
        ("pictures without a line", [file.name for file in files if file.name not in rows]),
        ("lines without a picture", [name for name in rows if name not in there]),
    ):
        if alone:
            raise DataError(
                f"{root / ATTRIBUTES_FILE}: {len(alone)} {kind}, first {alone[0]}",
                expected=f"one line for every picture in {IMAGES_FOLDER}/",
                fix="bring the rest of CelebA, or take the others out",
            )
    return [Labelled(file, rows[file.name]) for file in files]


def _folders(root: Path, options: LabelledOptions) -> tuple[tuple[str, ...], dict[Origin, list[Labelled]]]:
    places = split_folders(root)
    first = places.get("train", next(iter(places.values())))
    names = options.classes or tuple(
        sorted(each.name for each in first.iterdir() if each.is_dir() and not each.name.startswith("."))
    )
    if len(names) < 2:
        raise DataError(
            f"{first} has {len(names)} folders",
            expected=f"a folder for each of two classes or more, or CelebA's {ATTRIBUTES_FILE}",
            fix="correct data.path",
        )
    found: dict[Origin, list[Labelled]] = {}
    for origin, place in places.items():
        found[origin] = []
        for number, name in enumerate(names):
            attributes = tuple(int(other == number) for other in range(len(names)))
            found[origin] += [
                Labelled(file._replace(name=f"{name}/{file.name}"), attributes)
                for file in find_pictures(place / name, what=f"class '{name}'")
            ]
    return names, found


def _check_classes(classes: Sequence[str], train: Sequence[Labelled], root: Path) -> None:
    counts: Mapping[str, int] = {
        name: sum(each.attributes[place] for each in train) for place, name in enumerate(classes)
    }
    missing = [name for name, count in counts.items() if not count]
    if missing:
        raise DataError(
            f"{root}: '{missing[0]}' is on none of the {len(train)} training pictures",
            expected="some of every class and attribute",
            fix="leave it out, raise 'train' or 'fraction', or try another split_seed",
        )


def _stacked(rows: Sequence[tuple[int, ...]], width: int) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32).reshape(len(rows), width)


source = Source(options=LabelledOptions, open=open_labelled, fields=("image", "attributes", "target"))
