from __future__ import annotations

import errno
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchbench.architectures.weights import load_weights, save_weights, write_file
from benchbench.core.errors import CheckpointError, StoreError


def net(channels: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, channels, 3), nn.BatchNorm2d(channels))


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_what_was_saved_is_loaded(tmp_path):
    one, other = net(), net()
    one.to(memory_format=torch.channels_last)
    save_weights(one, tmp_path / "new" / "a.safetensors")
    load_weights(other, tmp_path / "new" / "a.safetensors")
    assert same(one, other)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.safetensors"]


def test_a_nested_checkpoint_with_the_parallel_prefix(tmp_path):
    one, other = net(), net()
    state = {f"module.{name}": tensor for name, tensor in one.state_dict().items()}
    torch.save({"epoch": 3, "generator": {"ema": state}}, tmp_path / "a.pt")
    load_weights(other, tmp_path / "a.pt", key="generator.ema")
    assert same(one, other)
    with pytest.raises(CheckpointError, match="holds no state dict") as caught:
        load_weights(other, tmp_path / "a.pt")
    assert "generator" in str(caught.value)
    with pytest.raises(CheckpointError, match="no 'gen' in it"):
        load_weights(other, tmp_path / "a.pt", key="gen")


def test_a_wrong_shape_names_the_first_key_and_both_shapes_and_changes_nothing(tmp_path):
    save_weights(net(5), tmp_path / "a.safetensors")
    target = net()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(
        CheckpointError, match=r"0\.weight has shape \[5, 3, 3, 3\], the model's has \[4, 3, 3, 3\]"
    ):
        load_weights(target, tmp_path / "a.safetensors")
    assert all(torch.equal(before[name], tensor) for name, tensor in target.state_dict().items())


def test_missing_and_unexpected_tensors_are_named_with_the_nearest(tmp_path):
    state = net().state_dict()
    state["0.weigth"] = state.pop("0.weight")
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"0\.weight is missing \(1 such\)") as caught:
        load_weights(net(), tmp_path / "a.safetensors")
    assert "nearest in the file '0.weigth'" in str(caught.value)
    save_file({**net().state_dict(), "2.weight": torch.zeros(1)}, tmp_path / "b.safetensors")
    with pytest.raises(CheckpointError, match=r"2\.weight is no part of the model"):
        load_weights(net(), tmp_path / "b.safetensors")


class Bomb:
    def __reduce__(self):
        return (os.mkdir, (self.path,))

    def __init__(self, path):
        self.path = path


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    torch.save({"a": Bomb(str(tmp_path / "boom"))}, tmp_path / "a.pt")
    (tmp_path / "b.pt").write_bytes(pickle.dumps(Bomb(str(tmp_path / "boom"))))
    for name in ("a.pt", "b.pt"):
        with pytest.raises(CheckpointError, match="without running code"):
            load_weights(net(), tmp_path / name)
    assert not (tmp_path / "boom").exists()


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_weights(net(), tmp_path / "a.safetensors")
    save_weights(net(), tmp_path / "a.safetensors")
    content = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="no whole safetensors file"):
        load_weights(net(), tmp_path / "a.safetensors")


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.safetensors"
    save_weights(net(), path)
    before = path.read_bytes()

    def fail(temporary):
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StoreError, match="No space left on device"):
        write_file(path, fail)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.safetensors"]
