"""The two sides of a comparison, and the protocol that a figure of them carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError
from benchbench.core.features import Extractor
from benchbench.core.measurement import Protocol
from benchbench.core.model import JsonValue
from benchbench.data.collection import ImageSequence
from benchbench.data.tiles import Tiles
from benchbench.measures.quality.options import QualityOptions

PROTOCOL_NAME = "quality"


@dataclass(frozen=True, slots=True)
class Side:
    """One set of images and where it comes from.

    Attributes:
        images: N >= 2 of them.
        what: for people: `test images`, `data/afhq/dog`.
        kind: what a protocol calls it: `images` for somebody's own, whose path says nothing.
        settings: what decides which images these are, apart from their content: seed, truncation.
        origin: what they were made of, by content: image i of two sides of one origin belong together; ""
            where nothing says it.
        groups: the picture that each is a tile of.
        converted: whether `conversion` was applied to them, or they came as RGB bytes.
    """

    images: ImageCollection
    what: str
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    kind: str = "images"
    origin: str = ""
    groups: Sequence[int] | None = None
    converted: bool = True


def tiled(side: Side, tile: int | None) -> Side:
    """The side's images cut into squares, as the options ask.

    Raises:
        DataError: an image is smaller than a tile.
    """
    if tile is None:
        return side
    tiles = Tiles(side.images, tile)
    return replace(side, images=ImageSequence(tiles, codecs=side.images.codecs), groups=tiles.sources)


def declare(
    metric: str,
    estimator: str,
    reference: Side | None,
    generated: Side,
    options: QualityOptions,
    *,
    extractor: Extractor | None = None,
    more: Mapping[str, JsonValue] | None = None,
) -> Protocol:
    """Everything that two figures must share to be compared; kept with the figure.

    The generated images' content is not part of it: that is what is measured.
    """
    settings: dict[str, JsonValue] = {
        "metric": metric,
        "estimator": estimator,
        "generated_count": len(generated.images),
        "generated_codec": _codecs(generated),
        # What is absent and what is None would be two protocols.
        **{f"generated_{key}": value for key, value in generated.settings.items() if value is not None},
    }
    conversion = options.conversion.model_dump(mode="json", exclude_none=True)
    for name, side in (("generated", generated), ("reference", reference)):
        if side is not None and side.converted:
            settings[f"{name}_conversion"] = conversion
    if options.tile is not None:
        settings["tile"] = options.tile
    if options.protocol is not None:
        settings["named"] = options.protocol
        settings["departures"] = [*options.departures, *_departing(reference, options)]
    if reference is not None:
        settings |= {
            "reference": reference.kind,
            "reference_count": len(reference.images),
            "reference_digest": reference.images.digest,
            "reference_codec": _codecs(reference),
        }
    if extractor is not None:
        settings |= {
            "extractor": extractor.label,
            "weights_hash": extractor.weights_hash,
            "resize": f"{extractor.resize} {extractor.side}",
            "members": extractor.members,
            "dtype": "features float32, statistics float64",
            **{f"extractor_{key}": value for key, value in extractor.settings.items()},
        }
    return Protocol(name=PROTOCOL_NAME, settings={**settings, **(more or {})})


# What leaves pixels as they were; WebP may be either.
_LOSSLESS = frozenset({"raw", "png", "bmp", "tiff", "ppm"})


def _codecs(side: Side) -> list[JsonValue]:
    """How the images were stored, as far as it moves a figure."""
    return [*sorted({"lossless" if codec in _LOSSLESS else codec for codec in side.images.codecs})]


def _departing(reference: Side | None, options: QualityOptions) -> tuple[str, ...]:
    """The reference, where it is another one than the named protocol's."""
    if reference is None or reference.kind == options.reference:
        return ()
    return (f"reference: {reference.kind}",)


def check_size(side: Side, size: int | None) -> None:
    """Every image must have the declared size; none is resized to it unseen.

    Raises:
        DataError: one has another, by name.
    """
    if size is None:
        return
    for index in range(len(side.images)):
        height, width = side.images[index].shape[-2:]
        if (height, width) != (size, size):
            raise DataError(
                f"{side.what}: {side.images.names[index]} is {width} x {height} pixels",
                expected=f"{size} x {size}, as 'size' declares",
                fix="resize both sides alike before, or leave 'size' out",
            )
