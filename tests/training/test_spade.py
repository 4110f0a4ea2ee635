from __future__ import annotations

import pytest
import torch
from torch import nn
from translation_toys import LABELS, make, patches, toys

from benchbench.core.errors import CheckpointError, OptionError
from benchbench.quality.vgg_weights import VggOptions
from benchbench.training.feature_distance import FeatureDistance
from benchbench.training.feature_matching import captured, feature_matching
from benchbench.training.spade import SpadeOptions


def test_the_defaults_are_the_papers():
    options = SpadeOptions()
    assert (options.batch, options.epochs, options.steps) == (32, 200.0, None)
    assert (options.lr_generator, options.lr_discriminator) == (1e-4, 4e-4)
    assert (options.beta_1, options.beta_2, options.decay_share) == (0.0, 0.999, 0.5)
    assert (options.feature_weight, options.perceptual_weight) == (10.0, 10.0)


def test_the_losses_are_those_of_the_equations():
    toy = toys()["spade"]
    task = toy.task(feature_weight=3.0, perceptual_weight=5.0)
    # In eval mode spectral norm stands still and batch norms take what they have: passes repeat.
    for network in task.networks.values():
        network.eval()
    batch = toy.batch(1)
    layout, real = batch["layout"], batch["image"] * 2 - 1
    discriminator = task.networks["discriminator"]
    with torch.no_grad():
        made = task.networks["generator"](layout)
        with captured(discriminator) as wanted:
            on_real = discriminator(torch.cat([layout, real], 1))
        with captured(discriminator) as found:
            on_made = discriminator(torch.cat([layout, made], 1))
        judged = (
            sum(
                (1 - r).clamp(min=0).mean() + (1 + f).clamp(min=0).mean()
                for r, f in zip(on_real, on_made, strict=True)
            )
            / 2
        )
        fooled = -sum(f.mean() for f in on_made) / 2
        features = feature_matching(found, wanted)
        perceptual = FeatureDistance(VggOptions(width=2))((made + 1) / 2, batch["image"])
    (first, discriminators), (second, generators) = task.losses(batch, 1)
    assert (first, second) == ("discriminator", "generator")
    assert float(features) > 0
    torch.testing.assert_close(discriminators["total"], judged)
    torch.testing.assert_close(generators["adversarial"], fooled)
    torch.testing.assert_close(generators["features"], features)
    torch.testing.assert_close(generators["random_features"], perceptual)
    torch.testing.assert_close(generators["total"], fooled + 3.0 * features + 5.0 * perceptual)


def test_the_loss_network_is_not_trained_nor_saved():
    task = toys()["spade"].task()
    assert set(task.networks) == {"generator", "discriminator"}
    assert not task.kept
    list(task.losses(toys()["spade"].batch(1), 1))
    assert not any(each.requires_grad for each in task._perceptual.parameters())


def test_without_the_perceptual_loss_no_weights_are_needed():
    task = toys()["spade"].task(perceptual_weight=0.0, features={"weights": "/nowhere.pth"})
    *_, (_, terms) = task.losses(toys()["spade"].batch(1), 1)
    assert set(terms) == {"adversarial", "features", "total"}
    with pytest.raises(CheckpointError, match="no file"):
        toys()["spade"].task(features={"weights": "/nowhere.pth"})


def test_one_scale_is_enough_and_no_patches_are_not():
    toy = toys()["spade"]
    task = toy.recipe.task(toy.context(discriminator=patches(LABELS + 3)()), toy.parse())
    *_, (_, terms) = task.losses(toy.batch(1), 1)
    assert bool(terms["features"] > 0)
    with pytest.raises(OptionError, match="patch discriminators alone"):
        toy.recipe.task(toy.context(discriminator=nn.Conv2d(LABELS + 3, 1, 3)), toy.parse())


def test_another_number_of_labels_is_told():
    toy = toys()["spade"]
    nine = make("spade_generator", width=2, labels=9, hidden=4, upsampling="normal", height=32)()
    with pytest.raises(OptionError, match="got 4 labels") as caught:
        toy.recipe.task(toy.context(module=nine), toy.parse())
    assert "labels: 4" in str(caught.value)
    with pytest.raises(OptionError, match="the discriminator of recipe 'spade'") as caught:
        toy.recipe.task(toy.context(discriminator=patches(3)()), toy.parse())
    assert "7 channels, layout and image side by side" in str(caught.value)


def test_layouts_are_kept_in_colours(tmp_path):
    outcome, _ = toys()["spade"].run(tmp_path, samples=1)
    assert [(image.role, image.step) for image in outcome.images] == [
        ("input", None), ("target", None), ("output", 1), ("output", 6),
    ]  # fmt: skip
    ((_, layout), (_, target), (_, made)) = toys()["spade"].task(samples=1).samples(final=False)
    assert layout.shape == target.shape == made.shape == (3, 32, 64)
    # Blocks of the same label are of the same colour.
    assert len({tuple(each.tolist()) for each in layout.flatten(1).T}) <= LABELS
