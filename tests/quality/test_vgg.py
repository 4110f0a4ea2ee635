from __future__ import annotations

import dataclasses
import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from benchbench.core.errors import CheckpointError, OptionError
from benchbench.core.model import parse_options
from benchbench.quality import vgg_weights
from benchbench.quality.vgg import LAYERS, VggFeatures
from benchbench.quality.vgg_weights import PUBLISHED, VggOptions, load_vgg, weights_hash

VGG16_FILE = "vgg16-397923af.pth"


def options(**given: object) -> VggOptions:
    return parse_options("features", "vgg", VggOptions, given)


def test_the_convolutions_are_those_of_vgg16():
    features = VggFeatures(["relu5_3"], label="x")
    # Simonyan and Zisserman 2015, table 1, D: 14,714,688 in the convolutional part.
    assert sum(parameter.numel() for parameter in features.parameters()) == 14_714_688
    # The numbering of torchvision's state dict.
    weights = [name for name, _ in features.named_parameters() if name.endswith("weight")]
    assert [int(name.split(".")[1]) for name in weights] == [
        0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28,
    ]  # fmt: skip


def test_shapes_of_the_four_layers():
    names = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
    found = VggFeatures(names, label="x", width=8)(torch.zeros(2, 3, 32, 48))
    assert {name: tuple(value.shape) for name, value in found.items()} == {
        "relu1_2": (2, 8, 32, 48),
        "relu2_2": (2, 16, 16, 24),
        "relu3_3": (2, 32, 8, 12),
        "relu4_3": (2, 64, 4, 6),
    }


def test_only_as_deep_as_asked():
    features = VggFeatures(["relu2_1"], label="x", width=4)
    assert sum(isinstance(module, nn.Conv2d) for module in features.features) == 3
    assert not any(parameter.requires_grad for parameter in features.parameters())


def test_layers_agree_with_a_chain_of_plain_calls():
    features = load_vgg(["relu1_2", "relu2_1"], options(width=4))
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    weights = dict(features.named_parameters())
    h = (x - torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(
        1, 3, 1, 1
    )
    for index in (0, 2):
        name = f"features.{index}"
        h = nn.functional.conv2d(h, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1).relu()
    assert torch.allclose(features(x)["relu1_2"], h)
    h = nn.functional.max_pool2d(h, 2)
    h = nn.functional.conv2d(h, weights["features.5.weight"], weights["features.5.bias"], padding=1).relu()
    assert torch.allclose(features(x)["relu2_1"], h)


def test_random_weights_are_the_same_whatever_the_global_seed_and_leave_it_alone():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = load_vgg(["relu4_3"], options(width=8))
    torch.manual_seed(2)
    other = load_vgg(["relu4_3"], options(width=8))
    assert weights_hash(one) == weights_hash(other)
    assert weights_hash(one) != weights_hash(load_vgg(["relu4_3"], options(width=8, random_seed=1)))
    torch.manual_seed(1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_random_features_keep_their_scale_with_depth():
    features = load_vgg(["relu1_1", *("relu2_2", "relu3_3", "relu4_3")], options(width=16))
    noise = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    scales = [value.square().mean().sqrt().item() for value in features(noise).values()]
    assert max(scales) / min(scales) < 4


def test_random_weights_say_so():
    assert load_vgg(["relu1_1"], options()).label == "random-weights VGG-16 (seed 0)"
    assert load_vgg(["relu1_1"], options(width=8)).label == "random-weights VGG-16 (seed 0, width 8)"


@pytest.fixture
def file(tmp_path):
    state = VggFeatures(["relu1_2"], label="x").randomise(5).state_dict()
    state["classifier.0.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "vgg.pth")
    save_file(state, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.pth"


def test_a_local_file_pth_or_safetensors(file):
    expected = weights_hash(VggFeatures(["relu1_2"], label="x").randomise(5))
    for path in (file, file.with_suffix(".safetensors")):
        found = load_vgg(["relu1_2"], options(weights=str(path)))
        assert weights_hash(found) == expected
        assert "not checked" in found.label


def test_the_checksum_of_a_file_is_checked(file):
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for given in (digest, digest[:8]):
        assert "not checked" not in load_vgg(["relu1_2"], options(weights=str(file), sha256=given)).label
    with pytest.raises(CheckpointError, match=f"has SHA-256 {digest}"):
        load_vgg(["relu1_2"], options(weights=str(file), sha256="0" * 64))


def test_imagenet_weights_that_are_not_here_are_an_error_and_never_random(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path / "mine"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    with pytest.raises(CheckpointError) as caught:
        load_vgg(["relu1_2"], options(weights="imagenet"))
    for told in (str(tmp_path / "mine" / VGG16_FILE), str(tmp_path / "hub"), "397923af", "download"):
        assert told in str(caught.value)
    monkeypatch.delenv("BENCHBENCH_WEIGHTS")
    with pytest.raises(CheckpointError, match="BENCHBENCH_WEIGHTS is not set"):
        load_vgg(["relu1_2"], options(weights="imagenet"))


def test_a_wrong_file_under_the_right_name_is_refused(file, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    (tmp_path / VGG16_FILE).write_bytes(file.read_bytes())
    with pytest.raises(CheckpointError, match="has SHA-256"):
        load_vgg(["relu1_2"], options(weights="imagenet"))


def test_the_folder_of_the_environment_comes_first(file, tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    prefix = vgg_weights.file_sha256(file)[:8]
    monkeypatch.setitem(PUBLISHED, 16, dataclasses.replace(PUBLISHED[16], sha256_prefix=prefix))
    (tmp_path / PUBLISHED[16].file).write_bytes(file.read_bytes())
    assert PUBLISHED[16].file in load_vgg(["relu1_2"], options(weights="imagenet")).label


def test_a_download_that_fails_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("BENCHBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CheckpointError, match="could not be downloaded"):
        load_vgg(["relu1_2"], options(weights="download"))


def test_a_file_that_does_not_fit(tmp_path):
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"features\.0\.weight: shape \[1\]"):
        load_vgg(["relu1_2"], options(weights=str(tmp_path / "a.pth")))
    with pytest.raises(CheckpointError, match="no file"):
        load_vgg(["relu1_2"], options(weights=str(tmp_path / "b.pth")))
    (tmp_path / "c.pth").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_vgg(["relu1_2"], options(weights=str(tmp_path / "c.pth")))


def test_options_that_exclude_each_other():
    with pytest.raises(OptionError, match="random weights have none"):
        options(sha256="397923af")
    with pytest.raises(OptionError, match="is no VGG;"):
        options(weights="imagenet", width=16)
    with pytest.raises(OptionError, match="unknown VGG-16 layer"):
        VggFeatures(["relu1_9"], label="x")


def test_every_layer_has_a_name():
    assert {depth: len(layers) for depth, layers in LAYERS.items()} == {16: 13, 19: 16}


def test_vgg19_is_torchvisions(tmp_path, vgg_files):
    network = vgg_files.build(vgg_files.VGG19)
    path = vgg_files.write(network, tmp_path / "small.pth")
    assert path.stat().st_size < 2**20
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1", "relu5_4")
    features = load_vgg(layers, options(weights=str(path)), depth=19)
    assert features.label.startswith("VGG-19, weights small.pth (SHA-256 ")
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    found = features(images)
    for layer, index in zip(layers, (1, 6, 11, 20, 29, 35), strict=True):
        expected = network[: index + 1](vgg_files.standardise(images))
        assert float(expected.abs().max()) > 1e-3
        torch.testing.assert_close(found[layer], expected, rtol=1e-4, atol=1e-6)


def test_random_weights_of_vgg19_say_so_and_are_other_ones():
    made = load_vgg(["relu3_4"], options(width=4), depth=19)
    assert made.label == "random-weights VGG-19 (seed 0, width 4)"
    # Simonyan and Zisserman 2015, table 1, E.
    whole = VggFeatures(["relu5_4"], label="x", depth=19)
    assert sum(parameter.numel() for parameter in whole.parameters()) == 20_024_384
    with pytest.raises(OptionError, match="unknown VGG-16 layer 'relu3_4'"):
        load_vgg(["relu3_4"], options(width=4))


# The first blocks of both are alike, so that their tensors alone would fit.
@pytest.mark.parametrize("layer", ["relu1_1", "relu5_1"])
@pytest.mark.parametrize(("depth", "other"), [(19, "VGG16"), (16, "VGG19")])
def test_the_other_networks_file_is_one_error(tmp_path, vgg_files, depth, other, layer):
    path = vgg_files.write(vgg_files.build(getattr(vgg_files, other)), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=f"VGG-{depth} weights: .* is of another network") as caught:
        load_vgg([layer], options(weights=str(path)), depth=depth)
    assert "expected: convolutions at features.N, N of 0, 2, 5, 7, 10, 12, 14, 1" in str(caught.value)
    assert f"give torchvision's vgg{depth} state dict" in str(caught.value)


def test_imagenet_weights_of_vgg19_are_looked_for_by_their_own_name(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    (tmp_path / VGG16_FILE).write_bytes(b"")
    with pytest.raises(CheckpointError, match="VGG-19 weights: 'imagenet' is asked for") as caught:
        load_vgg(["relu1_1"], options(weights="imagenet"), depth=19)
    assert str(tmp_path / "vgg19-dcbb9e9d.pth") in str(caught.value)
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in str(caught.value)
    assert VGG16_FILE not in str(caught.value)
