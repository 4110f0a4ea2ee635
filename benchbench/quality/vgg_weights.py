"""Which weights VGG-16 and VGG-19 get: seeded random ones, a checked file, or torchvision's download."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator
from torch import nn

from benchbench.core.errors import CheckpointError
from benchbench.core.model import Options
from benchbench.quality.vgg import Depth, Pool, VggFeatures, convolutions

WEIGHTS_FOLDER = "BENCHBENCH_WEIGHTS"


@dataclass(frozen=True, slots=True)
class Published:
    """torchvision's weights of one VGG.

    Attributes:
        name: `VGG-16`.
        builder: what torchvision calls it: `vgg16`.
        sha256_prefix: the first eight digits of the file's SHA-256, which its name holds.
        megabytes: its size.
    """

    name: str
    builder: str
    sha256_prefix: str
    megabytes: int

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.builder}-{self.sha256_prefix}.pth"

    @property
    def url(self) -> str:
        """Where torchvision has it."""
        return f"https://download.pytorch.org/models/{self.file}"


PUBLISHED: Mapping[Depth, Published] = {
    16: Published("VGG-16", "vgg16", "397923af", 530),
    19: Published("VGG-19", "vgg19", "dcbb9e9d", 550),
}


class VggOptions(Options):
    """Options of the VGG features.

    Attributes:
        weights: `random`, `imagenet` (the file must be here), `download` (fetched where it is not
            here), or the path of a file: torchvision's state dict, as .pth or safetensors.
        sha256: of the file, whole or its beginning, at least 8 digits; checked.
        random_seed: of random weights; apart from the cell's seed, so that all cells share them.
        width: channels of the first block; other than 64 only with random weights.
        pool: `max`, as VGG was trained, or `average`.
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
            raise ValueError("'width' other than 64 is no VGG; only random weights allow it")
        return self


def weights_candidates(depth: Depth = 16) -> tuple[Path, ...]:
    """Where `imagenet` weights are looked for, in order."""
    folder, published = os.environ.get(WEIGHTS_FOLDER), PUBLISHED[depth]
    names = (published.file, f"{published.builder}.safetensors")
    places = [Path(folder).expanduser() / name for name in names] if folder else []
    return (*places, Path(torch.hub.get_dir()) / "checkpoints" / published.file)


def find_weights(options: VggOptions, *, depth: Depth = 16) -> Path:
    """The file that `options.weights` stands for.

    Raises:
        CheckpointError: it is not there; the message says where it was looked for, its hash and
            how to get it.
    """
    published = PUBLISHED[depth]
    if options.weights not in ("imagenet", "download"):
        path = Path(options.weights).expanduser()
        if not path.is_file():
            raise CheckpointError(
                f"{published.name} weights: no file {path}",
                expected=f"torchvision's {published.builder} state dict (.pth, .safetensors), or random, "
                "imagenet, download",
                fix=f"download {published.url}, or set weights: random",
            )
        return path
    candidates = weights_candidates(depth)
    for path in candidates:
        if path.is_file():
            return path
    if options.weights == "download":
        return _download(published, candidates[-1])
    raise CheckpointError(
        f"{published.name} weights: 'imagenet' is asked for and not here (random ones never take its place)",
        expected=f"one of {', '.join(map(str, candidates))}"
        + ("" if WEIGHTS_FOLDER in os.environ else f" ({WEIGHTS_FOLDER} is not set)")
        + f", SHA-256 beginning {published.sha256_prefix}",
        fix=f"set weights: download, or put {published.url} into a folder named by {WEIGHTS_FOLDER}",
    )


def _download(published: Published, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(
            published.url, str(target), hash_prefix=published.sha256_prefix, progress=False
        )
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{published.name} weights: {published.url} could not be downloaded ({error})",
            expected=f"internet access and {published.megabytes} MB of disk",
            fix=f"fetch it elsewhere, put it into a folder and set {WEIGHTS_FOLDER}",
        ) from None
    return target


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_vgg(layers: Sequence[str], options: VggOptions, *, depth: Depth = 16) -> VggFeatures:
    """The features with their weights, frozen and in eval mode.

    Args:
        layers: names such as `relu2_2`.
        depth: of the network, 16 or 19; a file must be that one's.

    Raises:
        CheckpointError: the weights are missing, have another hash or do not fit.
        OptionError: an unknown layer.
    """
    published = PUBLISHED[depth]
    if options.weights == "random":
        kind = "" if options.width == 64 else f", width {options.width}"
        label = f"random-weights {published.name} (seed {options.random_seed}{kind})"
        features = VggFeatures(layers, label=label, depth=depth, width=options.width, pool=options.pool)
        return features.randomise(options.random_seed)
    path = find_weights(options, depth=depth)
    digest = file_sha256(path)
    named = options.weights in ("imagenet", "download") and path.name == published.file
    expected = options.sha256 or (published.sha256_prefix if named else None)
    if expected is not None and not digest.startswith(expected):
        raise CheckpointError(
            f"{published.name} weights: {path} has SHA-256 {digest}",
            expected=f"{expected}{'...' if len(expected) < 64 else ''}",
            fix="the file is damaged or another one: fetch it again",
        )
    checked = "" if expected else ", not checked"
    label = f"{published.name}, weights {path.name} (SHA-256 {digest[:8]}{checked})"
    features = VggFeatures(layers, label=label, depth=depth, pool=options.pool)
    _fill(features, _read_state(path, published), path, depth)
    return features


def _read_state(path: Path, published: Published) -> Mapping[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded: Mapping[str, torch.Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{published.name} weights: {path} cannot be read ({type(error).__name__})",
            expected="tensors alone: safetensors, or a state dict that torch.load(weights_only=True) takes",
        ) from error
    return loaded


def _fill(features: nn.Module, state: Mapping[str, torch.Tensor], path: Path, depth: Depth) -> None:
    published, places = PUBLISHED[depth], convolutions(depth)
    fix = f"give torchvision's {published.builder} state dict"
    for name in state:
        place = str(name).removeprefix("features.").removesuffix(".weight")
        # The first layers of all VGGs have the same names and shapes: what follows tells them apart.
        if place.isdecimal() and int(place) not in places:
            raise CheckpointError(
                f"{published.name} weights: {path} is of another network: it has {name}",
                expected=f"convolutions at features.N, N of {', '.join(map(str, places))}",
                fix=fix,
            )
    for name, parameter in features.named_parameters():
        found = state.get(name)
        if not isinstance(found, torch.Tensor) or found.shape != parameter.shape:
            has = "no such tensor" if not isinstance(found, torch.Tensor) else f"shape {list(found.shape)}"
            raise CheckpointError(
                f"{published.name} weights: {path}: {name}: {has}",
                expected=f"shape {list(parameter.shape)}",
                fix=fix,
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
