"""The images of a suite's cell: contents that go in, and what the outputs are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import torch

from benchbench.core.collection import ImageCollection
from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.data_spec import DataSpec
from benchbench.core.errors import DataError, MeasurementError, OptionError, unknown_name
from benchbench.core.examples import ImageSet, Splits
from benchbench.core.model import canonical_json, parse_options
from benchbench.core.registry import SOURCES
from benchbench.data.collection import ImageSequence, Subset, limited
from benchbench.data.open import open_images
from benchbench.measures.drawn_inputs import contents_among, fields_taken
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.sides import Side

BASELINE = "baseline"
_SPLITS = ("train", "validation", "test")
# A source tells names alone. The words are those of files that are looked into (data/decoding.py).
_CODECS = {
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".bmp": "bmp", ".webp": "webp", ".tif": "tiff",
    ".tiff": "tiff", ".ppm": "ppm", ".pgm": "ppm",
}  # fmt: skip


class Joined:
    """Several sets of images as one."""

    def __init__(self, sets: Sequence[ImageSet]) -> None:
        self._places = [(each, index) for each in sets for index in range(len(each))]
        self.names: Sequence[str] = tuple(each.names[index] for each, index in self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> torch.Tensor:
        images, place = self._places[index]
        return images[place]


def contents_of(subject: Subject, options: QualityOptions, context: MeasureContext) -> ImageSet | None:
    """What a network is given to make images of; None for one that takes latents alone.

    Raises:
        DataError: they are missing or broken.
    """
    if not any(fields_taken(subject)):
        return None
    if options.contents is None:
        return contents_among(subject, context.images().test)
    return contents_among(subject, open_declared(options.contents, context.seed).test)


def open_declared(spec: DataSpec, seed: int) -> Splits:
    """The images that a data specification names.

    Raises:
        DataError: they are missing or broken.
        UnknownNameError, OptionError: no such source, or a wrong option.
    """
    source = SOURCES.load(spec.source)
    return source.open(parse_options("data source", spec.source, source.options, spec.options), seed)


def made_from(contents: ImageSet | None) -> str:
    """What outputs are made of, as a protocol says it."""
    if contents is None:
        return "seeded latents"
    return f"{len(contents)} contents {ImageSequence(contents).digest}"


def count_of(options: QualityOptions, contents: ImageSet | None, reference: Side | None) -> int:
    """How many images to generate.

    Raises:
        DataError: more than there are contents.
        OptionError: nothing says it.
    """
    if contents is not None:
        if options.images is not None and options.images > len(contents):
            raise DataError(
                f"images: {options.images} outputs asked for, and there are {len(contents)} contents",
                fix=f"ask for {len(contents)}, or declare more 'contents'",
            )
        return options.images or len(contents)
    if options.images is not None:
        return options.images
    if reference is None or options.reference == BASELINE:
        raise OptionError("how many images to generate is not said", fix="add 'images' to the measure")
    return len(reference.images)


def named_after(outputs: ImageCollection, contents: ImageSet | None) -> ImageCollection:
    """Outputs under the names of what they were made of, so that they pair with files of those names."""
    if contents is None:
        return outputs
    return Subset(outputs, range(len(outputs)), names=contents.names[: len(outputs)])


def reference_of(options: QualityOptions, context: MeasureContext, contents: ImageSet | None) -> Side:
    """What the outputs are compared with; a baseline's were made of the same `contents`.

    Raises:
        DataError: images that are missing or broken.
        MeasurementError: a baseline that has left no outputs.
        UnknownNameError: no such split.
    """
    if options.reference == BASELINE:
        return _baseline(options, context, contents)
    if options.reference.startswith("data."):
        splits = context.images()
        names = options.reference.removeprefix("data.").split("+")
        for name in names:
            if name not in _SPLITS:
                raise unknown_name("split", name, _SPLITS)
        joined = Joined([getattr(splits, name) for name in names])
        codecs = sorted({_CODECS.get(PurePosixPath(name).suffix.lower(), "raw") for name in joined.names})
        images = limited(ImageSequence(joined, codecs=codecs), options.reference_images)
        return Side(
            images,
            f"{' + '.join(names)} images",
            kind=options.reference,
            origin=made_from(joined),
            converted=False,
        )
    images = open_images(options.reference, conversion=options.conversion, limit=options.reference_images)
    tell_left_out(options.reference, images, context.say)
    return Side(images, options.reference)


def _baseline(options: QualityOptions, context: MeasureContext, contents: ImageSet | None) -> Side:
    assert context.folder is not None
    if context.baseline is None:
        raise MeasurementError("there is no baseline to compare with", fix="include it in this run")
    path = outputs_file(context.folder, context.baseline, options)
    if not path.is_file():
        raise MeasurementError(
            f"the baseline ({context.baseline}) has left no outputs to compare with",
            expected=f"{path}, which its own cell writes",
            fix="run it as well (without --only), or mend its failure",
        )
    return Side(
        limited(named_after(open_images(path), contents), options.reference_images),
        "outputs of the baseline",
        kind="outputs of the baseline",
        origin="" if contents is None else made_from(contents),
        converted=False,
    )


def tell_left_out(what: str, images: ImageCollection, say: Callable[[str], None]) -> None:
    """Says which files were passed over, the first few by name."""
    if images.left_out:
        more = f" and {len(images.left_out) - 3} more" if len(images.left_out) > 3 else ""
        say(f"{what}: left out: {'; '.join(images.left_out[:3])}{more}")


def outputs_file(folder: Path, cell_id: str, options: QualityOptions) -> Path:
    """Where the outputs of a cell lie: one file per set of options, which two measures may differ in."""
    said = canonical_json(options.model_dump(mode="json"))
    return folder / "outputs" / f"{cell_id}-{hashlib.sha256(said.encode()).hexdigest()[:6]}.npy"
