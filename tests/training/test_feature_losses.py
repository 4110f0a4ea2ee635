"""Feature matching and the distance of features."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from translation_toys import make

from benchbench.core.errors import CheckpointError, OptionError
from benchbench.quality.vgg_weights import VggOptions, load_vgg
from benchbench.training.feature_distance import FeatureDistance
from benchbench.training.feature_matching import captured, feature_matching


def test_feature_matching_is_a_sum_over_layers_and_a_mean_over_scales():
    fake = [[torch.tensor([1.0, 3.0]), torch.tensor([0.0])], [torch.tensor([2.0])]]
    real = [[torch.tensor([0.0, 0.0]), torch.tensor([5.0])], [torch.tensor([-2.0])]]
    assert feature_matching(fake, real).item() == pytest.approx(((1 + 3) / 2 + 5 + 4) / 2)


def test_real_features_take_no_gradients():
    fake, real = torch.ones(2, requires_grad=True), torch.zeros(2, requires_grad=True)
    feature_matching([[fake]], [[real]]).backward()
    assert torch.equal(fake.grad, torch.full((2,), 0.5))
    assert real.grad is None


@pytest.mark.parametrize("norm", ["instance", "spectral_instance"])
def test_all_layers_but_the_last_are_captured_by_scale(norm):
    network = make("multiscale_discriminator", channels=3, width=4, layers=2, height=32, norm=norm)()
    image = torch.randn(2, 3, 32, 64)
    with captured(network) as found:
        logits = network(image)
    # Two of stride 2, one of stride 1.
    assert [len(layers) for layers in found] == [3, 3]
    for scale, layers, made in zip(network.scales, found, logits, strict=True):
        assert [each.shape[1] for each in layers] == [4, 8, 16]
        assert torch.equal(scale.output(layers[-1]), made)
    network(image)
    assert [len(layers) for layers in found] == [3, 3]


def test_a_discriminator_without_patches():
    with (
        pytest.raises(OptionError, match="patch discriminators alone"),
        captured(nn.Sequential(nn.Conv2d(3, 1, 3))),
    ):
        pass


def test_the_distance_is_that_of_weighted_features():
    options = VggOptions(width=2)
    distance = FeatureDistance(options)
    made, real = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    expected = 0.0
    for block, weight in enumerate((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0), start=1):
        layer = f"relu{block}_1"
        one, other = (load_vgg((layer,), options, depth=19)(each)[layer] for each in (made, real))
        expected += weight * float((one - other).abs().sum()) / one.numel()
    assert distance(made, real).item() == pytest.approx(expected, rel=1e-5)
    assert distance(real, real).item() == 0.0


def test_the_distance_is_pix2pixhds_on_torchvisions_file(tmp_path, vgg_files):
    network = vgg_files.build(vgg_files.VGG19)
    options = VggOptions(weights=str(vgg_files.write(network, tmp_path / "small.pth")))
    pictures = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    expected, (made, real) = 0.0, (vgg_files.standardise(each) for each in pictures)
    for index, layer in enumerate(network):
        made, real = layer(made), layer(real)
        weight = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}.get(index, 0.0)
        expected += weight * float((made - real).abs().mean())
    assert expected > 1e-3
    assert FeatureDistance(options)(*pictures).item() == pytest.approx(expected, rel=1e-4)
    sixteen = vgg_files.write(vgg_files.build(vgg_files.VGG16), tmp_path / "vgg16.pth")
    with pytest.raises(CheckpointError, match=r"VGG-19 weights: .*vgg16\.pth is of another network"):
        FeatureDistance(VggOptions(weights=str(sixteen)))


def test_the_distance_has_gradients_for_what_is_made_alone():
    made, real = (torch.rand(1, 3, 16, 16, requires_grad=True) for _ in range(2))
    distance = FeatureDistance(VggOptions(width=2))
    distance(made, real).backward()
    assert made.grad.abs().sum() > 0
    assert real.grad is None
    assert all(each.grad is None for each in distance.parameters())
