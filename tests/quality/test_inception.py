from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchbench.core.errors import CheckpointError, MeasurementError
from benchbench.core.features import FeatureContext
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality import inception, inception_pytorch
from benchbench.quality.fuse import FusedNetwork
from benchbench.quality.resize import resize


def context(cache: Path) -> FeatureContext:
    def nothing() -> Any:
        raise AssertionError("no reference is needed")

    return FeatureContext(device="cpu", reference=nothing, reference_digest="", cache=cache, say=print)


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, stubs: Any) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("weights") / "inception-2015-12-05.pt"
    return path, stubs.write_torchscript_stub(path)


@pytest.fixture
def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (3, 3, 80, 64), generator=generator, dtype=torch.uint8)


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.slow
def test_features_are_clean_fids(script: tuple[Path, str], pictures: Tensor, tmp_path: Path) -> None:
    declare_missing_operators()
    from cleanfid.inception_torchscript import InceptionV3W

    path, digest = script
    theirs = InceptionV3W(str(path.parent), download=False)
    options = inception.InceptionOptions(weights=str(path), sha256=digest)
    ours = inception.load_inception(options, context(tmp_path))
    resized = resize(pictures, side=299, how="clean")
    with torch.inference_mode():
        wanted = theirs(resized)
        made = ours.run(resized)
    assert made.features.shape == (3, 1, 2048)
    assert relative(made.features[:, 0], wanted) < 2e-5
    assert float((wanted != 0).float().mean()) > 0.9
    assert relative(wanted[0], wanted[1]) > 0.05, "the stub must tell pictures apart"
    assert made.logits is not None
    head = theirs.base.output.weight.detach()
    assert torch.allclose(made.logits, wanted.clone() @ head.T, atol=1e-3)


@pytest.mark.slow
def test_pytorch_fids_network_is_clean_fids(tmp_path: Path, pictures: Tensor, stubs: Any) -> None:
    network = inception_pytorch.build_network()
    path = tmp_path / "weights.pth"
    digest = stubs.write_state_stub(path, network)
    from cleanfid.inception_pytorch import InceptionV3

    theirs = InceptionV3.__new__(InceptionV3)
    torch.nn.Module.__init__(theirs)
    theirs.resize_input, theirs.normalize_input = False, True
    theirs.output_blocks, theirs.last_needed_block = [3], 3
    in_order = inception_pytorch.in_order(network)
    theirs.blocks = torch.nn.ModuleList([in_order[:4], in_order[4:7], in_order[7:15], in_order[15:]])
    options = inception_pytorch.InceptionPytorchOptions(weights=str(path), sha256=digest)
    ours = inception_pytorch.load_inception_pytorch(options, context(tmp_path))
    resized = resize(pictures, side=299, how="legacy")
    with torch.inference_mode():
        wanted = theirs(resized / 255)[0].flatten(1)
        made = ours.run(resized).features[:, 0]
    assert relative(made, wanted) < 2e-5
    assert ours.resize == "legacy"


@pytest.mark.slow
def test_own_weights_never_take_a_name_of_the_literature(script: tuple[Path, str], tmp_path: Path) -> None:
    path, digest = script
    options = inception.InceptionOptions(weights=str(path), sha256=digest)
    made = inception.load_inception(options, context(tmp_path))
    assert made.registered == frozenset()
    assert made.label == f"inception-{digest[:8]}"


@pytest.mark.parametrize("module", [inception, inception_pytorch])
def test_missing_weights_are_one_error(module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    pinned = inception.TORCHSCRIPT if module is inception else inception_pytorch.STATE
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    elsewhere = dataclasses.replace(pinned, places=())
    monkeypatch.setattr(module, "TORCHSCRIPT" if module is inception else "STATE", elsewhere)
    load: Callable[..., Any] = module.features.load
    with pytest.raises(CheckpointError) as caught:
        load(module.features.options(), context(tmp_path))
    told = str(caught.value)
    assert str(tmp_path / pinned.name) in told
    assert pinned.sha256 in told
    assert pinned.url in told


def test_a_file_that_is_not_the_published_one_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "inception-2015-12-05.pt"
    path.write_bytes(b"not the network")
    with pytest.raises(CheckpointError, match="has SHA-256"):
        inception.load_inception(inception.InceptionOptions(weights=str(path)), context(tmp_path))


def test_a_pinned_file_that_is_no_network_is_told(tmp_path: Path) -> None:
    path = tmp_path / "inception-2015-12-05.pt"
    path.write_bytes(b"not the network")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        inception.load_inception(
            inception.InceptionOptions(weights=str(path), sha256=digest), context(tmp_path)
        )


def test_a_fused_network_that_differs_is_refused() -> None:
    calls = []

    def fickle(images: Tensor) -> Tensor:
        calls.append(1)
        return images * len(calls)

    with pytest.raises(MeasurementError, match="off by"):
        FusedNetwork(fickle, torch.zeros(1, 3, 8, 8))
