from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from translation_toys import toys

from benchbench.training.options import plan_schedule
from benchbench.training.pix2pix import Pix2PixOptions


def test_the_defaults_are_the_papers():
    options = Pix2PixOptions()
    assert (options.batch, options.epochs, options.steps) == (1, 200.0, None)
    assert (options.adversarial, options.l1_weight) == ("bce", 100.0)
    assert (options.lr, options.beta_1, options.beta_2, options.decay_share) == (2e-4, 0.5, 0.999, 0.0)
    # Facades: 400 training images.
    assert plan_schedule(options, images=400).total == 80_000


@pytest.mark.parametrize("kind", ["bce", "lsgan", "hinge"])
def test_the_losses_are_those_of_the_equations(kind):
    toy = toys()["pix2pix"]
    # Without dropout a second pass makes the same.
    for part in (task := toy.task(adversarial=kind, l1_weight=7.0)).networks["generator"].modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    batch = toy.batch(1)
    x, y = batch["input"] * 2 - 1, batch["image"] * 2 - 1
    generator, discriminator = task.networks["generator"], task.networks["discriminator"]
    with torch.no_grad():
        made = generator(x)
        real, fake = discriminator(torch.cat([x, y], 1)), discriminator(torch.cat([x, made], 1))
    one, zero = torch.ones_like(real), torch.zeros_like(real)
    expected = {
        "bce": (
            F.binary_cross_entropy_with_logits(real, one) + F.binary_cross_entropy_with_logits(fake, zero),
            F.binary_cross_entropy_with_logits(fake, one),
        ),
        "lsgan": ((real - 1).pow(2).mean() + fake.pow(2).mean(), (fake - 1).pow(2).mean()),
        "hinge": ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean(), -fake.mean()),
    }[kind]
    (_, judged), (_, fooled) = task.losses(batch, 1)
    torch.testing.assert_close(judged["total"], expected[0] / 2)
    torch.testing.assert_close(fooled["adversarial"], expected[1])
    torch.testing.assert_close(fooled["l1"], (made - y).abs().sum() / y.numel())
    torch.testing.assert_close(fooled["total"], expected[1] + 7.0 * fooled["l1"].detach())


def test_validation_is_a_mean_over_images_whatever_the_batch(tmp_path):
    with torch.no_grad():
        one, two = (toys()["pix2pix"].task(batch=size) for size in (1, 2))
        for task in (one, two):
            task.networks["generator"].eval()
        assert one.validate()["l1"] == pytest.approx(two.validate()["l1"], rel=1e-5)


def test_it_learns_the_negative(tmp_path):
    outcome, _ = toys()["pix2pix"].run(tmp_path, steps=60, lr=5e-3, validate_every=20)
    (curve,) = (each for each in outcome.curves if each.name == "validation/l1")
    assert curve.steps == (20, 40, 60)
    assert curve.values[-1] < 0.7 * curve.values[0]


def test_inputs_targets_and_outputs_are_kept(tmp_path):
    outcome, _ = toys()["pix2pix"].run(tmp_path)
    kept = [(image.role, image.index, image.step) for image in outcome.images]
    assert kept == [
        *((role, index, None if role != "output" else 1) for index in (0, 1)
          for role in ("input", "target", "output")),
        ("output", 0, 6), ("output", 1, 6),
    ]  # fmt: skip
    assert outcome.images[0].caption == "picture 0"


def test_a_unit_network_is_given_and_makes_unit_values():
    toy = toys()["pix2pix"]
    same = torch.nn.Conv2d(3, 3, 1, bias=False)
    with torch.no_grad():
        same.weight.copy_(torch.eye(3)[:, :, None, None])
    task = toy.recipe.task(toy.context(module=same, values="unit"), toy.parse())
    with torch.no_grad():
        found = task.validate()["l1"]
        ((_, given), (_, target), (_, made), *_) = task.samples(final=False)
    pictures = torch.stack([toy.images.validation[index] for index in range(2)]).float() / 255
    assert found == pytest.approx(float((2 * pictures - 1).abs().mean()))
    torch.testing.assert_close(given, made)
    torch.testing.assert_close(given, 1 - target)
