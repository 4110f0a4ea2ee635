"""Pictures of your own with label maps, Cityscapes or plain folders (image, layout).

Cityscapes (leftImg8bit and gtFine, unpacked over each other):

    <path>/leftImg8bit/{train,val}/<city>/<city>_000000_000019_leftImg8bit.png
    <path>/gtFine/{train,val}/<city>/<city>_000000_000019_gtFine_labelIds.png
    <path>/gtFine/{train,val}/<city>/<city>_000000_000019_gtFine_instanceIds.png

Plain folders, whose files have the same names, suffixes aside; `instances/` may be missing. Each has train/
and val/ or test/ below it, or none has:

    <path>/images/[train/]1.jpg      <path>/labels/[train/]1.png      <path>/instances/[train/]1.png

A label map has one channel of 8 bits, whose values are class numbers from 0. With instances, the layout has
one channel more than there are classes: the edges between instances. Cityscapes' 35 classes make 36.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from benchbench.core.errors import DataError
from benchbench.core.examples import Source, Splits
from benchbench.data.collection import AHEAD, READERS
from benchbench.data.example_sets import AlignedSet
from benchbench.data.kept import Kept
from benchbench.data.layout_maps import MapFile, MapSet
from benchbench.data.pictures import (
    PictureFile,
    PictureSet,
    check_pictures,
    digest_of_files,
    find_pictures,
    match_files,
    read_bytes,
)
from benchbench.data.prefetch import read_ahead
from benchbench.data.splitting import Origin, SplitOptions, divide, split_folders
from benchbench.data.view import How, Size, ViewOptions

_CITYSCAPES_CLASSES = 35
# cityscapesscripts/helpers/labels.py, ids 0 to 33; released code leaves room for 35 (pix2pixHD, GauGAN).
_CITYSCAPES_LABELS = (
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road",
    "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel",
    "pole", "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider",
    "car", "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle", "34",
)  # fmt: skip


class LabelMapsOptions(SplitOptions, ViewOptions):
    """Options of pictures with label maps, beside those of SplitOptions and ViewOptions.

    Attributes:
        path: the folder.
        layout: null: `cityscapes` where leftImg8bit/ or gtFine/ is there, else `folders`.
        classes: how many; null: 35 for Cityscapes: ids 0 to 33, and the one
            more that the released code has. Plain folders must say it.
        ignored: label ids that get no channel: Cityscapes' license plate is 255 in a file of 8 bits.
        edges: `instances` adds the channel of edges, for which instance maps must be there; `none` leaves it
            out; null: as the instance maps are there or not.
        size: [height, width]; GauGAN's for Cityscapes (Park et al. 2019, section 4).
        how: as in GauGAN's released code for Cityscapes; COCO and ADE20K are loaded at 286 and cut to 256.
    """

    path: str
    layout: Literal["cityscapes", "folders"] | None = None
    classes: Annotated[int, Field(ge=2, le=255)] | None = None
    ignored: tuple[Annotated[int, Field(ge=0, le=255)], ...] = (255,)
    edges: Literal["instances", "none"] | None = None
    size: Size = (256, 512)
    how: How = "resize"


class Mapped(NamedTuple):
    """A picture and its maps."""

    file: PictureFile
    maps: MapFile


def open_label_maps(options: LabelMapsOptions, seed: int) -> Splits:
    """The three splits; every picture and every map is decoded once. All that is random is drawn by example.

    Raises:
        DataError: a folder or a file is missing, a map is of another size than its picture or has an id that
            is no class, or a file is broken or too small.
    """
    root = Path(options.path).expanduser()
    if not root.is_dir():
        raise DataError(
            f"no folder {root}", expected="Cityscapes, or images/ and labels/", fix="correct data.path"
        )
    is_cityscapes = options.layout == "cityscapes" or (
        options.layout is None and any((root / name).is_dir() for name in ("leftImg8bit", "gtFine"))
    )
    if options.classes is None and not is_cityscapes:
        raise DataError(
            f"{root}: nothing says how many classes its label maps have",
            expected="'classes', whose numbers are 0 to classes - 1",
            fix="set data.classes",
        )
    found = _cityscapes(root, options) if is_cityscapes else _plain(root, options)
    chosen = divide(found, options, where=root)
    view, kept = options.view(), Kept(int(options.memory_gib * 2**30))
    classes = options.classes or _CITYSCAPES_CLASSES
    images = [
        PictureSet([each.file for each in mapped], view, kept, split == "train")
        for split, mapped in chosen.items()
    ]
    maps = [
        MapSet(
            [each.maps for each in mapped],
            view,
            kept,
            classes,
            frozenset(options.ignored),
            split == "train",
        )
        for split, mapped in chosen.items()
    ]
    seen = check_pictures(images, options)
    digest = hashlib.sha256(digest_of_files(options, images, seen).encode())
    for pictures, layouts in zip(images, maps, strict=True):
        sizes = [seen[file.path].size for file in pictures.files]
        for content in _check_maps(layouts, sizes):
            digest.update(content)
    train, validation, test = (
        AlignedSet(shown, {"layout": layouts}) for shown, layouts in zip(images, maps, strict=True)
    )
    names = (
        _CITYSCAPES_LABELS if is_cityscapes and classes == _CITYSCAPES_CLASSES else map(str, range(classes))
    )
    return Splits(train, validation, test, digest.hexdigest()[:16], classes=tuple(names))


def _check_maps(maps: MapSet, sizes: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """Reads every map once; SHA-256 of its files."""

    def look(index: int) -> bytes:
        maps.check(index, sizes[index])
        paths = [path for path in maps.files[index] if path is not None]
        return b"".join(hashlib.sha256(read_bytes(path)).digest() for path in paths)

    return (found for _, found in read_ahead(look, range(len(sizes)), workers=READERS, ahead=AHEAD))


def _cityscapes(root: Path, options: LabelMapsOptions) -> dict[Origin, list[Mapped]]:
    places = split_folders(root / "leftImg8bit")
    # The test split's labels are not published: its files hold one value.
    found: dict[Origin, list[Mapped]] = {}
    for origin, folder in places.items():
        if origin == "test":
            continue
        pictures = [
            file
            for file in find_pictures(folder, what="Cityscapes' leftImg8bit/")
            if file.name.endswith("_leftImg8bit.png")
        ]
        below = folder.relative_to(root / "leftImg8bit")
        found[origin] = [_cityscapes_maps(root / "gtFine" / below, file, options) for file in pictures]
    return found


def _cityscapes_maps(folder: Path, file: PictureFile, options: LabelMapsOptions) -> Mapped:
    stem = folder / file.name.removesuffix("_leftImg8bit.png")
    labels, instances = (
        stem.with_name(f"{stem.name}_gtFine_{kind}.png") for kind in ("labelIds", "instanceIds")
    )
    with_edges = options.edges != "none"
    for path in (labels, instances) if with_edges else (labels,):
        if not path.is_file():
            raise DataError(
                f"{file.path} has no {path.name}",
                expected=f"a file {path}",
                fix="unpack gtFine beside leftImg8bit"
                + (", or leave the edges out with edges: none" if path == instances else ""),
            )
    return Mapped(file, MapFile(labels, instances if with_edges else None))


def _plain(root: Path, options: LabelMapsOptions) -> dict[Origin, list[Mapped]]:
    with_edges = options.edges == "instances" or (options.edges is None and (root / "instances").is_dir())
    names = ("images", "labels", "instances") if with_edges else ("images", "labels")
    images, *maps = (split_folders(root / name) for name in names)
    found: dict[Origin, list[Mapped]] = {}
    for origin, folder in images.items():
        pictures = find_pictures(folder, what="folder of images")
        sides = []
        for name, places in zip(names[1:], maps, strict=True):
            place = places.get(origin, root / name / folder.relative_to(root / "images"))
            pairs = match_files(
                pictures, find_pictures(place, what=f"folder of {name}"), where=(folder, place)
            )
            sides.append([file.path for _, file in pairs])
        instances: Sequence[Path | None] = sides[1] if with_edges else [None] * len(pictures)
        found[origin] = [
            Mapped(file, MapFile(labels, edges))
            for file, labels, edges in zip(pictures, sides[0], instances, strict=True)
        ]
    return found


source = Source(options=LabelMapsOptions, open=open_label_maps, fields=("image", "layout"))
