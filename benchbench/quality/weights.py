"""Files of pretrained weights: where they are looked for, and that they are the ones that are meant."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from benchbench.core.errors import CheckpointError

WEIGHTS_FOLDER = "BENCHBENCH_WEIGHTS"


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """A published file of weights.

    Attributes:
        what: for messages: `FID's Inception-v3 (inception-2015-12-05.pt)`.
        name: of the file.
        url: where it is published.
        sha256: of the file, whole, or the beginning that its publisher tells; "" where nobody tells it.
        places: folders beside `BENCHBENCH_WEIGHTS` that other tools leave it in.
        download_mib: its size.
        aliases: other names that the same file goes by.
    """

    what: str
    name: str
    url: str
    sha256: str
    places: tuple[Path, ...] = ()
    download_mib: int = 100
    aliases: tuple[str, ...] = ()

    def candidates(self) -> tuple[Path, ...]:
        """Where it is looked for, in order."""
        folder = os.environ.get(WEIGHTS_FOLDER)
        named = (Path(folder).expanduser(),) if folder else ()
        names = (self.name, *self.aliases)
        return tuple(place / name for place in (*named, *self.places) for name in names)


def torch_checkpoints() -> Path:
    """Where torch keeps what it downloads."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def find_pinned(pinned: PinnedFile, *, given: str = "local", sha256: str | None = None) -> tuple[Path, str]:
    """The file and its SHA-256, checked.

    Args:
        pinned: what is meant.
        given: `local` (it must be here), `download` (fetched where it is not here), or a path.
        sha256: what the file must have instead of the published hash, whole or its beginning.

    Raises:
        CheckpointError: it is missing, has another hash or could not be downloaded; the message says where
            it was looked for, its hash and how to get it.
    """
    if given in ("local", "download"):
        path = next((each for each in pinned.candidates() if each.is_file()), None)
        if path is None and given == "download":
            path = _download(pinned)
        if path is None:
            raise CheckpointError(
                f"no weights of {pinned.what} are here (nothing else ever takes their place)",
                expected=f"one of {', '.join(map(str, pinned.candidates()))}"
                + ("" if WEIGHTS_FOLDER in os.environ else f" ({WEIGHTS_FOLDER} is not set)")
                + (f", SHA-256 {pinned.sha256}" if pinned.sha256 else ""),
                fix=f"fetch {pinned.url}, put it into a folder and set {WEIGHTS_FOLDER} to that; "
                "or ask for weights: download, where there is internet",
            )
    else:
        path = Path(given).expanduser()
        if not path.is_file():
            raise CheckpointError(
                f"{pinned.what}: no file {path}",
                expected=f"the weights{f', SHA-256 {pinned.sha256}' if pinned.sha256 else ''}",
                fix=f"correct the path, or fetch {pinned.url}",
            )
    digest = file_sha256(path)
    expected = sha256 or pinned.sha256
    if expected and not digest.startswith(expected):
        raise CheckpointError(
            f"{pinned.what}: {path} has SHA-256 {digest}",
            expected=expected + ("..." if len(expected) < 64 else ""),
            fix="the file is damaged or another one: fetch it again"
            + ("" if sha256 else "; or name the hash that you mean by sha256, and figures will carry it"),
        )
    return path, digest


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None


def read_state(path: Path, *, what: str) -> Mapping[str, torch.Tensor]:
    """The tensors of a safetensors file or of a state dict; nothing in it is executed.

    Raises:
        CheckpointError: it holds anything else, or is damaged.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(loaded, Mapping):
            raise TypeError(f"a {type(loaded).__name__}")  # noqa: TRY301  told with the others below
    except Exception as error:
        raise CheckpointError(
            f"{what}: {path} cannot be read ({type(error).__name__})",
            expected="tensors alone: safetensors, or a state dict that torch.load(weights_only=True) takes",
        ) from error
    return loaded


def tensors_hash(tensors: Mapping[str, torch.Tensor]) -> str:
    """Sixteen hexadecimal digits over names, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def _download(pinned: PinnedFile) -> Path:
    target = pinned.candidates()[0] if pinned.candidates() else torch_checkpoints() / pinned.name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            pinned.url, str(target), hash_prefix=pinned.sha256 or None, progress=False
        )
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{pinned.what}: {pinned.url} could not be downloaded ({error})",
            expected=f"internet access and {pinned.download_mib} MiB of disk",
            fix=f"fetch it elsewhere, put it into a folder and set {WEIGHTS_FOLDER} to that",
        ) from None
    return target
