"""The declared segmenter, loaded: DRN-D-105 for Cityscapes, or a small one trained on the reference."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from benchbench.core.errors import StoreError
from benchbench.core.model import JsonValue, Options, canonical_json
from benchbench.core.precise import full_precision
from benchbench.core.store import cannot_write
from benchbench.quality import cityscapes_labels, drn
from benchbench.quality.local_segmenter import (
    IGNORE,
    VERSION,
    Pair,
    SmallUnet,
    Training,
    expected_state,
    prepare_images,
    train_segmenter,
)
from benchbench.quality.segmentation import Segmenter
from benchbench.quality.weights import tensors_hash

_OF_DRN = frozenset({"weights", "sha256"})
_OF_LOCAL = frozenset({"classes", "steps", "seed", "side", "width"})


class SegmenterOptions(Options):
    """Which segmenter scores label-conditioned images.

    Attributes:
        name: `drn_d_105`: the authors' weights for Cityscapes, 19 classes, scored at 2048x1024; or `local`:
            a small network trained on the reference's images and label maps.
        weights: of drn_d_105: `local` (the file must be here) or the path of one.
        sha256: of drn_d_105: what the file must have, whole or its beginning. Nobody publishes it: where
            it is not declared the file is not checked, and the figure is not called `miou`.
        classes: of local: how many the label maps have; 255 and negative values are not scored.
        steps: of local: of training, 8 pairs each.
        seed: of local: of its weights, its held-out fifth and its training.
        side: of local: height and width that it works at, pixels; images and maps are resized.
        width: of local: channels of its first level.
    """

    name: Literal["drn_d_105", "local"]
    weights: str = "local"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None
    classes: Annotated[int, Field(ge=2, le=255)] | None = None
    steps: Annotated[int, Field(ge=1, le=100_000)] = 600
    seed: Annotated[int, Field(ge=0)] = 0
    side: Annotated[int, Field(ge=16, le=512, multiple_of=4)] = 64
    width: Annotated[int, Field(ge=4, le=128, multiple_of=4)] = 16

    @model_validator(mode="after")
    def _of_one_kind(self) -> SegmenterOptions:
        strange = self.model_fields_set & (_OF_LOCAL if self.name == "drn_d_105" else _OF_DRN)
        if strange:
            raise ValueError(f"{', '.join(map(repr, sorted(strange)))} is no option of segmenter {self.name}")
        if self.name == "local" and self.classes is None:
            raise ValueError("segmenter local: add 'classes', how many its label maps have")
        if self.name == "drn_d_105" and self.weights in ("download", "random"):
            raise ValueError(
                f"segmenter drn_d_105: weights cannot be '{self.weights}': the file is fetched by hand from "
                f"{drn.PUBLISHED.url}; give its path, or local"
            )
        return self


def load_segmenter(
    options: SegmenterOptions,
    *,
    pairs: Callable[[], Sequence[Pair]],
    digest: str,
    cache: Path,
    device: str,
    say: Callable[[str], None],
) -> Segmenter:
    """The segmenter that is declared.

    Args:
        options: which, and how.
        pairs: the reference: image uint8 [3, H, W] and label map [H, W] in classes; only the local one
            asks for them, and only where it is not cached.
        digest: of the content of these pairs.
        cache: a folder for trained networks.
        device: `cpu`, `cuda`, `cuda:1`.
        say: shows one line of progress.

    Raises:
        CheckpointError: weights are missing, have another hash or do not fit.
        DataError: the pairs are too few or their label maps have other values.
        StoreError: the cache cannot be written.
    """
    if options.name == "drn_d_105":
        return _drn(options, device)
    return _local(options, pairs, digest, cache, device, say)


def _drn(options: SegmenterOptions, device: str) -> Segmenter:
    network, digest = drn.load_drn(options.weights, sha256=options.sha256)
    height, width = drn.OUTPUT_SIZE
    return Segmenter(
        # Nobody publishes a hash: whoever reads the figure is told which file it was.
        label=f"drn-d-105-{digest[:8]}",
        weights_hash=tensors_hash(network.state_dict()),
        classes=len(cityscapes_labels.CLASSES),
        ignore=cityscapes_labels.IGNORE,
        predict=drn.drn_predictor(network, device),
        class_names=cityscapes_labels.CLASSES,
        settings={
            "segmenter": "drn_d_105",
            "weights": f"SHA-256 {digest}" + ("" if options.sha256 else ", not checked"),
            "output": f"{width}x{height}, bilinear",
            "label_maps": "train ids, nearest",
        },
    )


def _local(
    options: SegmenterOptions,
    pairs: Callable[[], Sequence[Pair]],
    digest: str,
    cache: Path,
    device: str,
    say: Callable[[str], None],
) -> Segmenter:
    # The options' own check has seen to it that there is a number.
    assert options.classes is not None
    training = Training(options.classes, options.steps, options.seed, options.side, options.width)
    source: dict[str, JsonValue] = {"reference": digest, "version": VERSION, **asdict(training)}
    key = sha256(canonical_json(source).encode()).hexdigest()[:32]
    path = cache / "segmenters" / f"{key}.safetensors"
    found = _read(path, training, key)
    if found is None:
        trained, ceiling = train_segmenter(pairs(), training, say)
        found = (dict(trained.state_dict()), ceiling)
        _write(path, *found, key)
    state, ceiling = found
    with torch.device("meta"):
        network = SmallUnet(training.classes, training.width)
    network.load_state_dict(state, assign=True)
    network.requires_grad_(requires_grad=False).eval().to(device)

    def predict(images: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), full_precision():
            scores = network(prepare_images(images.to(device), training.side))
        found: torch.Tensor = scores.argmax(dim=1).cpu()
        return found

    return Segmenter(
        label="local-segmenter",
        weights_hash=tensors_hash(state),
        classes=training.classes,
        ignore=IGNORE,
        predict=predict,
        ceiling=ceiling,
        settings={
            "segmenter": "local",
            **source,
            "output": f"{training.side}x{training.side}",
            "label_maps": "nearest",
        },
    )


def _read(path: Path, training: Training, key: str) -> tuple[dict[str, torch.Tensor], float] | None:
    """What is cached, or None where there is nothing whole: it is then made anew."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
        ceiling = float(json.loads(metadata["ceiling"]))
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    shapes = {name: tensor.shape for name, tensor in state.items()}
    whole = (
        metadata.get("key") == key
        and shapes == expected_state(training)
        and metadata.get("hash") == tensors_hash(state)
    )
    return (state, ceiling) if whole else None


def _write(path: Path, state: dict[str, torch.Tensor], ceiling: float, key: str) -> None:
    """Whole or not at all; of two processes that write the same, either's file is right."""
    metadata = {"key": key, "ceiling": json.dumps(ceiling), "hash": tensors_hash(state)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            save_file(state, temporary, metadata=metadata)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error
    except SafetensorError as error:
        raise StoreError(f"{path}: cannot be written ({error})") from error
