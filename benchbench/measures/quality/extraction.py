"""The one pass over a set of images: decoded once, resized and fed to every extractor, kept on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import torch

from benchbench.core.collection import ImageCollection
from benchbench.core.errors import DataError, FeatureError, StoreError
from benchbench.core.features import Extractor
from benchbench.core.model import JsonValue
from benchbench.data.prefetch import iterate
from benchbench.quality.cache import CACHE_FOLDER, FeatureCache, key_of
from benchbench.quality.feature_table import FeatureTable, TableWriter
from benchbench.quality.resize import resize

Progress = Callable[[int, int], None]
"""Told (images done, images in all)."""


@dataclass(frozen=True, slots=True)
class PassTimes:
    """How long one pass took, and how many images it had to look at."""

    seconds: float
    extracted: int


def canonical_order(images: ImageCollection) -> list[int]:
    """Indices by content, so that no value depends on the order in which images came."""
    return sorted(range(len(images)), key=lambda index: images.digests[index])


def source_of(images: ImageCollection, extractor: Extractor) -> dict[str, JsonValue]:
    """Everything that features are made from: the key of the cache."""
    return {
        "images": images.digest,
        "count": len(images),
        "extractor": extractor.label,
        "weights": extractor.weights_hash,
        "members": extractor.members,
        "side": extractor.side,
        "resize": extractor.resize,
        "settings": dict(extractor.settings),
    }


def extract(
    images: ImageCollection,
    extractors: Sequence[Extractor],
    cache: FeatureCache,
    *,
    spare: Callable[[StoreError], FeatureCache],
    batch: int,
    workers: int,
    progress: Progress,
) -> tuple[list[FeatureTable], PassTimes]:
    """Features of `images` for every extractor, from the cache where it has them.

    Args:
        images: N of any sizes; one batch holds images of one size.
        extractors: each looks at every image once.
        cache: where features are found and kept.
        spare: told why that cannot be written; where they are kept instead.
        batch: images per call.
        workers: threads that decode.
        progress: told after every batch.

    Returns:
        One table per extractor, rows in `canonical_order`.

    Raises:
        DataError: an image cannot be read, or there are fewer than two.
        FeatureError: features that are not finite, or of another shape than the extractor declares.
        StoreError: the spare cache cannot be written either, or somebody emptied it.
    """
    started = time.perf_counter()
    if len(images) < 2:
        raise DataError(f"{len(images)} image{'' if len(images) == 1 else 's'}", expected="at least 2")
    sources = [source_of(images, extractor) for extractor in extractors]
    keys = [key_of(source) for source in sources]
    found = {key: cache.find(source) for key, source in zip(keys, sources, strict=True)}
    # Two metrics may ask for one extractor in different words: it looks at the images once.
    missing = [keys.index(key) for key, table in found.items() if table is None]
    if missing:

        def fill(where: FeatureCache) -> None:
            with ExitStack() as stack:
                writers = [
                    stack.enter_context(
                        where.writing(sources[index], label=extractors[index].label, count=len(images))
                    )
                    for index in missing
                ]
                feeds = [_Feed(extractors[i], writer) for i, writer in zip(missing, writers, strict=True)]
                _run(images, feeds, batch=batch, workers=workers, progress=progress)

        try:
            fill(cache)
        except StoreError as error:
            # A cache saves time, and no more.
            cache = spare(error)
            fill(cache)
        for index in missing:
            found[keys[index]] = cache.find(sources[index])
    tables = [table for key in keys if (table := found[key]) is not None]
    if len(tables) != len(extractors):
        raise StoreError(
            f"features that were just written to {cache.folder} cannot be read there",
            expected="a cache that nobody else empties, of entries that this user may read",
            fix=f"run again, or name another folder with --cache or {CACHE_FOLDER}",
        )
    return tables, PassTimes(time.perf_counter() - started, len(images) if missing else 0)


@dataclass(frozen=True, slots=True)
class _Feed:
    extractor: Extractor
    writer: TableWriter

    def take(self, places: list[int], names: list[str], batch: torch.Tensor) -> None:
        # The small integers travel, and the resizing is done where the extractor is.
        moved = batch.to(self.extractor.device, non_blocking=True)
        with torch.inference_mode():
            resized = resize(moved, side=self.extractor.side, how=self.extractor.resize)
            made = self.extractor.run(resized)
        features = made.features.float().cpu().numpy()
        declared = (len(places), self.extractor.members, self.extractor.dimensions)
        if features.shape != declared:
            raise FeatureError(
                f"{self.extractor.label} gave features of shape {list(features.shape)}",
                expected=f"{list(declared)}: images, members, dimensions",
            )
        logits = None if made.logits is None else made.logits.float().cpu().numpy()
        self.writer.write(np.asarray(places), features, logits, names=names)


def _run(
    images: ImageCollection, feeds: Sequence[_Feed], *, batch: int, workers: int, progress: Progress
) -> None:
    order = canonical_order(images)
    place_of = {index: place for place, index in enumerate(order)}
    waiting: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
    done = 0
    pinned = any(feed.extractor.device != "cpu" for feed in feeds)

    def flush(shape: tuple[int, ...]) -> None:
        nonlocal done
        group = waiting.pop(shape)
        stacked = torch.stack([image for _, image in group])
        if pinned:
            stacked = stacked.pin_memory()
        places = [place for place, _ in group]
        for feed in feeds:
            feed.take(places, [images.names[order[place]] for place in places], stacked)
        done += len(group)
        progress(done, len(order))

    # Batches are made by canonical order and size alone, so that a value never depends on anything else.
    for index, image in iterate(images, order, workers=workers, ahead=2 * batch):
        shape = tuple(image.shape)
        waiting.setdefault(shape, []).append((place_of[index], image))
        if len(waiting[shape]) == batch:
            flush(shape)
    for shape in sorted(waiting):
        flush(shape)
