"""Which weights VGG-16 gets: seeded random ones, a checked file, or torchvision's download."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import nn

from benchbench.core.errors import CheckpointError
from benchbench.core.model import Options
from benchbench.quality.vgg import Pool, VggFeatures

VGG16_FILE = "vgg16-397923af.pth"
VGG16_URL = f"https://download.pytorch.org/models/{VGG16_FILE}"
# torchvision puts the first eight digits of the file's SHA-256 into its name, and checks those.
VGG16_SHA256_PREFIX = "397923af"
WEIGHTS_FOLDER = "BENCHBENCH_WEIGHTS"


class VggOptions(Options):
    """Options of the VGG-16 features.

    Attributes:
        weights: `random`, `imagenet` (the file must be here), `download` (fetched where it is not
            here), or the path of a file: torchvision's state dict, as .pth or safetensors.
        sha256: of the file, whole or its beginning, at least 8 digits; checked.
        random_seed: of random weights; apart from the cell's seed, so that all cells share them.
        width: channels of the first block; other than 64 only with random weights.
        pool: `max`, as VGG-16 was trained, or `average`.
    """

    weights: str = "random"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None
    random_seed: int = 0
    width: Annotated[int, Field(ge=1, le=256)] = 64
    pool: Pool = "max"

    @model_validator(mode="after")
    def _file_fits(self) -> VggOptions:
        if self.weights == "random" and self.sha256 is not None:
            raise ValueError("'sha256' belongs to a weights file; random weights have none")
        if self.weights != "random" and self.width != 64:
            raise ValueError("'width' other than 64 is no VGG-16; only random weights allow it")
        return self


def weights_candidates() -> tuple[Path, ...]:
    """Where `imagenet` weights are looked for, in order."""
    folder = os.environ.get(WEIGHTS_FOLDER)
    places = (
        [Path(folder).expanduser() / name for name in (VGG16_FILE, "vgg16.safetensors")] if folder else []
    )
    return (*places, Path(torch.hub.get_dir()) / "checkpoints" / VGG16_FILE)


def find_weights(options: VggOptions) -> Path:
    """The file that `options.weights` stands for.

    Raises:
        CheckpointError: it is not there; the message says where it was looked for, its hash and
            how to get it.
    """
    if options.weights not in ("imagenet", "download"):
        path = Path(options.weights).expanduser()
        if not path.is_file():
            raise CheckpointError(
                f"VGG-16 weights: no file {path}",
                expected="torchvision's vgg16 state dict (.pth, .safetensors), or random, imagenet, download",
                fix=f"download {VGG16_URL}, or set weights: random",
            )
        return path
    candidates = weights_candidates()
    for path in candidates:
        if path.is_file():
            return path
    if options.weights == "download":
        return _download(candidates[-1])
    raise CheckpointError(
        "VGG-16 weights: 'imagenet' is asked for and not here (random ones never take its place)",
        expected=f"one of {', '.join(map(str, candidates))}"
        + ("" if WEIGHTS_FOLDER in os.environ else f" ({WEIGHTS_FOLDER} is not set)")
        + f", SHA-256 beginning {VGG16_SHA256_PREFIX}",
        fix=f"set weights: download, or put {VGG16_URL} into a folder named by {WEIGHTS_FOLDER}",
    )


def _download(target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            VGG16_URL, str(target), hash_prefix=VGG16_SHA256_PREFIX, progress=False
        )
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"VGG-16 weights: {VGG16_URL} could not be downloaded ({error})",
            expected="internet access and 530 MB of disk",
            fix=f"fetch it elsewhere, put it into a folder and set {WEIGHTS_FOLDER}",
        ) from None
    return target


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_vgg(layers: Sequence[str], options: VggOptions) -> VggFeatures:
    """The features with their weights, frozen and in eval mode.

    Raises:
        CheckpointError: the weights are missing, have another hash or do not fit.
        OptionError: an unknown layer.
    """
    if options.weights == "random":
        kind = "" if options.width == 64 else f", width {options.width}"
        label = f"random-weights VGG-16 (seed {options.random_seed}{kind})"
        features = VggFeatures(layers, label=label, width=options.width, pool=options.pool)
        return features.randomise(options.random_seed)
    path = find_weights(options)
    digest = file_sha256(path)
    named = options.weights in ("imagenet", "download") and path.name == VGG16_FILE
    expected = options.sha256 or (VGG16_SHA256_PREFIX if named else None)
    if expected is not None and not digest.startswith(expected):
        raise CheckpointError(
            f"VGG-16 weights: {path} has SHA-256 {digest}",
            expected=f"{expected}{'...' if len(expected) < 64 else ''}",
            fix="the file is damaged or another one: fetch it again",
        )
    checked = "" if expected else ", not checked"
    features = VggFeatures(
        layers, label=f"VGG-16, weights {path.name} (SHA-256 {digest[:8]}{checked})", pool=options.pool
    )
    _fill(features, _read_state(path), path)
    return features


def _read_state(path: Path) -> Mapping[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"VGG-16 weights: {path} cannot be read ({type(error).__name__})",
            expected="tensors alone: safetensors, or a state dict that torch.load(weights_only=True) takes",
        ) from error
    return loaded


def _fill(features: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    for name, parameter in features.named_parameters():
        found = state.get(name)
        if not isinstance(found, torch.Tensor) or found.shape != parameter.shape:
            has = "no such tensor" if not isinstance(found, torch.Tensor) else f"shape {list(found.shape)}"
            raise CheckpointError(
                f"VGG-16 weights: {path}: {name}: {has}",
                expected=f"shape {list(parameter.shape)}",
                fix="give torchvision's vgg16 state dict",
            )
        with torch.no_grad():
            parameter.copy_(found)


def weights_hash(features: VggFeatures) -> str:
    """Sixteen hexadecimal digits over the weights in use, which tells any two extractors apart."""
    digest = hashlib.sha256()
    for name, parameter in features.named_parameters():
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
