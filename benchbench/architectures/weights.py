"""Weights in and out of a module: safetensors, or a state dict without code; never a pickle that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from benchbench.core.errors import CheckpointError, nearest
from benchbench.core.store import cannot_write, fill_atomically

_PARALLEL = "module."


def load_weights(module: nn.Module, path: Path, *, key: str | None = None) -> None:
    """Fill `module` from a file; every tensor must be there and fit, or nothing is changed.

    A `module.` before every name, as DataParallel leaves it, is taken off.

    Args:
        path: safetensors, or what `torch.load(weights_only=True)` reads.
        key: where the state dict lies in a nested checkpoint: `state_dict`, `generator.ema`.

    Raises:
        CheckpointError: no such file, an unsafe or broken one, no state dict at `key`, or one that does
            not fit; the first wrong name and both shapes are named.
    """
    state = read_weights(path, key=key)
    wanted = module.state_dict()
    if (
        state
        and all(name.startswith(_PARALLEL) for name in state)
        and not all(n.startswith(_PARALLEL) for n in wanted)
    ):
        state = {name.removeprefix(_PARALLEL): tensor for name, tensor in state.items()}
    for name, tensor in wanted.items():
        if name not in state:
            raise _missing(path, name, wanted, state)
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{path}: {name} has shape {list(state[name].shape)}, the model's has {list(tensor.shape)}",
                expected="weights of the same architecture with the same options and replacements",
                fix="check the variant and the options of the architecture against the checkpoint",
            )
    unexpected = [name for name in state if name not in wanted]
    if unexpected:
        near = nearest(unexpected[0], wanted)
        raise CheckpointError(
            f"{path}: {unexpected[0]} is no part of the model ({len(unexpected)} such)",
            expected=f"only the model's {len(wanted)} tensors" + (f"; nearest '{near}'" if near else ""),
            fix="check the variant and the options of the architecture against the checkpoint",
        )
    module.load_state_dict(state)


def read_weights(path: Path, *, key: str | None = None) -> dict[str, torch.Tensor]:
    """The state dict in a file, on the CPU; nothing in the file is executed.

    Raises:
        CheckpointError: as `load_weights`.
    """
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint {path}", expected="a .safetensors file or a state dict saved by torch.save"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error})", fix="fetch or write it again"
        ) from None
    except Exception as error:
        # torch raises half a dozen types here; all of them mean that these are not plain weights.
        raise CheckpointError(
            f"{path} cannot be read without running code from it, or is damaged ({type(error).__name__})",
            expected="tensors alone: safetensors, or a state dict (not a whole pickled model)",
            fix="save `model.state_dict()` from the program that made it",
        ) from error
    return _state_at(content, path, key)


def _state_at(content: object, path: Path, key: str | None) -> dict[str, torch.Tensor]:
    for part in key.split(".") if key else ():
        if not isinstance(content, Mapping) or part not in content:
            known = [str(each) for each in content] if isinstance(content, Mapping) else []
            raise CheckpointError(
                f"{path}: no '{part}' in it",
                expected=f"one of {', '.join(known[:8])}" if known else "a mapping",
            )
        content = content[part]
    if not isinstance(content, Mapping) or not all(
        isinstance(each, torch.Tensor) for each in content.values()
    ):
        keys = [str(each) for each in content][:8] if isinstance(content, Mapping) else []
        raise CheckpointError(
            f"{path} holds no state dict" + (f" at '{key}'" if key else ""),
            expected="names mapped to tensors",
            fix=f"say where it lies with 'key': one of {', '.join(keys)}" if keys else None,
        )
    return {str(name): tensor for name, tensor in content.items()}


def _missing(
    path: Path, name: str, wanted: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]
) -> CheckpointError:
    count = sum(each not in state for each in wanted)
    near = nearest(name, (each for each in state if each not in wanted))
    return CheckpointError(
        f"{path}: {name} is missing ({count} such)",
        expected="every tensor of the model" + (f"; nearest in the file '{near}'" if near else ""),
        fix="check the variant and the options of the architecture against the checkpoint",
    )


def save_weights(module: nn.Module, path: Path) -> None:
    """Write the module's state as safetensors, whole or not at all.

    Raises:
        StoreError: the folder cannot be written or the disk is full; an older file is intact.
    """
    # Clones: safetensors refuses tensors that share memory, and wants one layout on every device.
    state = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in module.state_dict().items()}
    write_file(path, lambda temporary: save_file(state, temporary))


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """As `fill_atomically`, for a `write` of safetensors or torch, which raise errors of their own.

    Raises:
        StoreError: the folder cannot be written or the disk is full; an older file is intact.
    """
    try:
        fill_atomically(path, write)
    except (SafetensorError, RuntimeError) as error:
        # Neither library raises an OSError: torch.save on a full disk is a RuntimeError.
        raise cannot_write(path, OSError(str(error))) from error
