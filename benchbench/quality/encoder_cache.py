"""Trained encoders on disk: one safetensors file each, whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from benchbench.core.model import JsonValue, canonical_json
from benchbench.core.store import cannot_write
from benchbench.quality.weights import tensors_hash


def encoder_path(cache: Path, source: Mapping[str, JsonValue]) -> Path:
    """Where the encoder that was made from `source` lies."""
    return (
        cache / "encoders" / f"{sha256(canonical_json(dict(source)).encode()).hexdigest()[:24]}.safetensors"
    )


def find_encoder(
    cache: Path, source: Mapping[str, JsonValue], *, like: Mapping[str, Tensor], say: Callable[[str], None]
) -> dict[str, Tensor] | None:
    """Its tensors, named and shaped as `like`; None where it is not there, or damaged, which is said."""
    path = encoder_path(cache, source)
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  no mapping
            declared = (file.metadata() or {}).get("tensors")
    except Exception as error:  # safetensors raises an error of its own, which no base class tells
        say(f"{path} is damaged ({type(error).__name__}): the encoder is trained again")
        return None
    shapes = {name: tensor.shape for name, tensor in state.items()}
    if shapes != {name: tensor.shape for name, tensor in like.items()} or declared != tensors_hash(state):
        say(f"{path} is damaged (other tensors than it declares): the encoder is trained again")
        return None
    os.utime(path)
    return state


def keep_encoder(cache: Path, source: Mapping[str, JsonValue], state: Mapping[str, Tensor]) -> None:
    """Write it; of two processes that do so at once either's file is whole.

    Raises:
        StoreError: the cache cannot be written.
    """
    path = encoder_path(cache, source)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    metadata = {"tensors": tensors_hash(tensors), "source": canonical_json(dict(source))}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".training-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(save(tensors, metadata=metadata))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error
