from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchbench.core.errors import CheckpointError, FeatureError, MeasurementError
from benchbench.core.features import FeatureContext
from benchbench.core.precise import _switches
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality import inception, inception_pytorch
from benchbench.quality.capture import unoptimised
from benchbench.quality.fuse import FusedNetwork
from benchbench.quality.resize import resize


def context(cache: Path) -> FeatureContext:
    def nothing() -> Any:
        raise AssertionError("no reference is needed")

    return FeatureContext(device="cpu", reference=nothing, reference_digest="", cache=cache, say=print)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load(path: Path, cache: Path, **given: Any) -> Any:
    """The extractor of a file that is declared with its hash."""
    options = inception.InceptionOptions(weights=str(path), sha256=digest_of(path), **given)
    return inception.load_inception(options, context(cache))


# Narrow enough for every run; the published width is in the slow tests.
NARROW = 0.25


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory, stubs: Any) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception-2015-12-05.pt"
    stubs.write_torchscript_stub(path, width=NARROW)
    return path


@pytest.fixture
def pictures() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randint(0, 256, (3, 3, 80, 64), generator=generator, dtype=torch.uint8)


def relative(found: Tensor, wanted: Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


def clean_fids_resize(pictures: Tensor, mode: str) -> Tensor:
    """clean-fid's own resizer, image by image."""
    declare_missing_operators()
    from cleanfid.resize import build_resizer

    resizer = build_resizer(mode)
    made = [resizer(picture.permute(1, 2, 0).numpy()) for picture in pictures]
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)


def check_against_clean_fid(path: Path, pictures: Tensor, cache: Path) -> None:
    declare_missing_operators()
    from cleanfid.inception_torchscript import InceptionV3W

    theirs = InceptionV3W(str(path.parent), download=False)
    ours = load(path, cache)
    for how, mode in (("clean", "clean"), ("legacy", "legacy_pytorch")):
        resized = clean_fids_resize(pictures, mode)
        # TorchScript would compile for longer than it runs.
        with torch.inference_mode(), unoptimised():
            wanted = theirs(resized)
            of_the_network = ours.run(resized)
            with_resizing = ours.run(resize(pictures, side=299, how=how))  # type: ignore[arg-type]
        assert of_the_network.features.shape == (3, 1, 2048)
        assert relative(of_the_network.features[:, 0], wanted) <= 5e-6
        assert relative(with_resizing.features[:, 0], wanted) <= 1e-5
        assert float((wanted != 0).float().mean()) > 0.9
        assert relative(wanted[0], wanted[1]) > 0.05, "the stub must tell pictures apart"
        assert of_the_network.logits is not None
        head = theirs.base.output.weight.detach()
        assert torch.allclose(of_the_network.logits, wanted.clone() @ head.T, atol=1e-3)


def test_features_are_clean_fids(script: Path, pictures: Tensor, tmp_path: Path) -> None:
    check_against_clean_fid(script, pictures, tmp_path)


@pytest.mark.slow
def test_features_are_clean_fids_at_full_width(tmp_path: Path, pictures: Tensor, stubs: Any) -> None:
    path = tmp_path / "inception-2015-12-05.pt"
    stubs.write_torchscript_stub(path)
    check_against_clean_fid(path, pictures, tmp_path)


def test_the_logits_are_clean_fids_without_their_bias(script: Path, pictures: Tensor, tmp_path: Path) -> None:
    ours = load(script, tmp_path)
    images = resize(pictures, side=299, how="legacy")
    made = ours.run(images).logits
    assert made is not None
    with torch.inference_mode(), unoptimised():
        wanted = torch.jit.load(str(script)).eval()(images, no_output_bias=True)
    assert torch.allclose(made.softmax(1), wanted, atol=1e-6, rtol=1e-4)


def test_the_network_as_it_is_gives_the_same(script: Path, pictures: Tensor, tmp_path: Path) -> None:
    made = {optimise: load(script, tmp_path, optimise=optimise) for optimise in ("fused", "none")}
    images = resize(pictures, side=299, how="clean")
    features = {name: extractor.run(images).features for name, extractor in made.items()}
    assert relative(features["fused"], features["none"]) <= 5e-6
    assert not features["none"].requires_grad
    # They are told apart in a protocol.
    assert made["none"].settings != made["fused"].settings


def test_a_picture_has_the_same_features_in_any_batch(script: Path, pictures: Tensor, tmp_path: Path) -> None:
    ours = load(script, tmp_path)
    images = resize(pictures, side=299, how="clean")
    together = ours.run(images).features
    alone = torch.cat([ours.run(image[None]).features for image in images])
    assert relative(alone, together) <= 1e-6


def test_it_does_not_matter_where_it_is_loaded(script: Path) -> None:
    # In inference mode operators arrive whole, and folding must see through that.
    layers = torch.jit.load(str(script)).eval().layers
    example = torch.zeros(1, 3, 299, 299)
    outside = FusedNetwork(layers, example)
    with torch.inference_mode():
        inside = FusedNetwork(layers, example)
    # 94 convolutions, of which 19 went to a sibling; 14 poolings and 15 joinings are left beside them.
    assert len(outside._steps) == len(inside._steps) == 75 + 14 + 15


@pytest.mark.slow
@pytest.mark.parametrize("resizing", ["legacy", "clean"])
def test_pytorch_fids_network_is_clean_fids(
    resizing: Any, tmp_path: Path, pictures: Tensor, stubs: Any
) -> None:
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
    options = inception_pytorch.InceptionPytorchOptions(weights=str(path), sha256=digest, resize=resizing)
    ours = inception_pytorch.load_inception_pytorch(options, context(tmp_path))
    resized = clean_fids_resize(pictures, "clean" if resizing == "clean" else "legacy_pytorch")
    with torch.inference_mode():
        wanted = theirs(resized / 255)[0].flatten(1)
        made = ours.run(resized)
    assert relative(made.features[:, 0], wanted) <= 5e-6
    assert float((wanted != 0).float().mean()) > 0.9
    assert made.logits is not None
    assert made.logits.shape == (3, 1008)
    assert ours.resize == resizing


def test_pytorch_fid_resizes_in_its_own_way_unless_told() -> None:
    assert inception_pytorch.InceptionPytorchOptions().resize == "legacy"
    assert inception.InceptionOptions().resize == "clean"


@pytest.mark.parametrize(
    ("resizing", "names"),
    [("clean", {"clean_fid", "clean_kid", "inception_score"}), ("legacy", {"inception_score"})],
)
def test_the_published_weights_alone_take_a_name_of_the_literature(
    resizing: Any,
    names: set[str],
    script: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    digest = digest_of(script)
    own = load(script, tmp_path, resize=resizing)
    assert own.registered == frozenset()
    # Another resize than the literature's is part of the name.
    suffix = "" if resizing == "clean" else "-legacy"
    assert own.label == f"inception-{digest[:8]}{suffix}"
    # As if it were the published file.
    published = dataclasses.replace(inception.TORCHSCRIPT, sha256=digest)
    monkeypatch.setattr(inception, "TORCHSCRIPT", published)
    options = inception.InceptionOptions(weights=str(script), resize=resizing)
    registered = inception.load_inception(options, context(tmp_path))
    assert registered.registered == names
    assert registered.label == f"inception{suffix}"


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
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(path, tmp_path)


def test_a_torchscript_that_is_no_inception_is_told(tmp_path: Path) -> None:
    path = tmp_path / "inception-2015-12-05.pt"
    torch.jit.script(torch.nn.Conv2d(3, 4, 1)).save(str(path))
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        load(path, tmp_path)


def test_weights_that_are_no_numbers_are_refused(script: Path, tmp_path: Path) -> None:
    network = torch.jit.load(str(script))
    with torch.no_grad():
        next(iter(network.parameters())).fill_(float("nan"))
    path = tmp_path / "inception-2015-12-05.pt"
    network.save(str(path))
    with pytest.raises(MeasurementError, match="off by nan"):
        load(path, tmp_path)


class Trap:
    """A pickle that leaves a mark where it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


def test_a_pickle_is_refused_and_nothing_in_it_runs(tmp_path: Path) -> None:
    path, mark = tmp_path / "weights.pth", tmp_path / "ran"
    torch.save({"fc.weight": Trap(mark)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    options = inception_pytorch.InceptionPytorchOptions(weights=str(path), sha256=digest)
    with pytest.raises(CheckpointError, match="cannot be read"):
        inception_pytorch.load_inception_pytorch(options, context(tmp_path))
    assert not mark.exists()


def test_a_state_of_another_network_is_told(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"layer.weight": torch.zeros(2, 2)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    options = inception_pytorch.InceptionPytorchOptions(weights=str(path), sha256=digest)
    with pytest.raises(CheckpointError, match="does not fit"):
        inception_pytorch.load_inception_pytorch(options, context(tmp_path))


def stub(layers: Callable[[Tensor], Tensor]) -> Any:
    return inception.make_extractor(
        "stub",
        layers,
        lambda images: images,
        inception.InceptionOptions(optimise="none"),
        context(Path()),
        digest="0" * 64,
        head=None,
        registered=False,
        names={"clean": ()},
    )


def test_it_runs_in_full_precision() -> None:
    found = []

    def layers(images: Tensor) -> Tensor:
        found.append(all(getattr(owner, name) == full for owner, name, full in _switches()))
        return images.mean(dim=(1, 2, 3))[:, None].expand(-1, 2048).contiguous()

    made = stub(layers)
    assert made.run(torch.ones(1, 3, 299, 299)).features.shape == (1, 1, 2048)
    assert found == [True]


def test_another_number_of_features_is_refused() -> None:
    made = stub(lambda images: images[:, 0, 0])
    with pytest.raises(FeatureError, match=r"\[2, 299\]"):
        made.run(torch.ones(2, 3, 299, 299))
