from __future__ import annotations

import copy

import pytest
import torch
from fastgan_toys import real, toy
from torch import nn
from torch.nn import functional as F
from toys import interrupted_at, run_script
from translation_toys import make, splits

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import CheckpointError, OptionError
from benchbench.core.registry import RECIPES
from benchbench.data.images import read_image
from benchbench.training.fastgan import FastGanOptions, FastGanTask, recipe

VARIANTS = ("none", "contrastive", "aspect_ratio", "auto_encoding", "a+b", "a+b+c")


def test_the_defaults_are_the_papers():
    options = FastGanOptions()
    assert RECIPES.load("fastgan") is recipe
    assert (options.steps, options.epochs, options.batch) == (50_000, None, 8)
    assert (options.lr, options.beta_1, options.beta_2, options.ema_decay) == (2e-4, 0.5, 0.999, 0.999)
    assert options.augment == ("colour", "translation")
    assert (options.self_supervision, options.reconstruction, options.lpips.net) == (None, "l1", "vgg")
    # A suite that says where the weights are does not choose another network by that.
    given = FastGanOptions.model_validate({"lpips": {"weights": "download"}})
    assert given.lpips.net == "vgg"


def test_the_losses_are_those_of_the_equations():
    one = real(augment=None, reconstruction_weight=2.0)
    task, batch = one.task(), one.batch(1)
    x = batch["image"] * 2 - 1
    generator, discriminator = (copy.deepcopy(task.networks[name]) for name in ("generator", "discriminator"))
    (first, judged), (second, fooled) = task.losses(batch, 1)
    assert (first, second) == ("discriminator", "generator")

    torch.manual_seed(0)
    z = task._draws.normal(1, "latents", 2, 8)
    part = int(task._draws.number(1, "part") * 4)
    small = x[:, :, ::2, ::2]
    with torch.no_grad():
        on_real, rebuilt = discriminator(x, small, part=part)
    top, left = part // 2 * 128, part % 2 * 128
    targets = (small, small, x[:, :, top : top + 128, left : left + 128])
    told = sum((made - wanted).abs().mean() for made, wanted in zip(rebuilt, targets, strict=True))
    torch.testing.assert_close(judged["reconstruction"], told)
    torch.testing.assert_close(judged["real"], on_real.mean())
    assert generator(z, images="both")[1].shape == (2, 3, 128, 128)
    torch.testing.assert_close(
        judged["total"].detach(), (judged["adversarial"] + 2 * judged["reconstruction"]).detach()
    )
    assert torch.equal(fooled["total"], fooled["adversarial"])


def test_both_hinges_and_the_augmentation_of_every_image():
    one = toy(self_supervision="none")
    task, batch = one.task(), one.batch(1)
    generator, discriminator = task.networks["generator"], task.networks["discriminator"]
    (_, judged), (_, fooled) = task.losses(batch, 1)
    augment = task._augment
    seen = augment(batch["image"] * 2 - 1, 1, "real")
    with torch.no_grad():
        large, small = generator(task._draws.normal(1, "latents", 2, 4), images="both")
        fakes = augment(large, 1, "fake 0"), augment(small, 1, "fake 1")
        on_real, on_fake = discriminator(seen, F.interpolate(seen, size=(8, 8))), discriminator(*fakes)
    told = (1 - on_real).clamp(min=0).mean() + (1 + on_fake).clamp(min=0).mean()
    torch.testing.assert_close(judged["adversarial"], told)
    assert torch.equal(judged["total"], judged["adversarial"])
    torch.testing.assert_close(fooled["adversarial"], -on_fake.mean())


def weights(network: nn.Module) -> list[torch.Tensor]:
    return [each.detach().clone() for each in network.parameters()]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_optimiser_moves_its_networks_and_nothing_else(variant):
    one = toy(self_supervision=variant)
    task = one.task()
    both = {"contrastive", "aspect_ratio"}
    heads = both if variant.startswith("a+b") else both & {variant}
    assert set(task.networks) == {"generator", "discriminator"} | heads
    for key, terms in task.losses(one.batch(1), 1):
        assert all(term.dim() == 0 and bool(term.isfinite()) for term in terms.values())
        if key == "discriminator":
            expected = heads | ({"reconstruction"} if variant in ("auto_encoding", "a+b+c") else set())
            assert set(terms) == {"adversarial", "real", "fake", "total"} | expected
        before = {name: weights(network) for name, network in task.networks.items()}
        task.optimizers[key].zero_grad()
        terms["total"].backward()
        task.optimizers[key].step()
        for name, network in task.networks.items():
            mine = (name == "generator") == (key == "generator")
            changed = [not torch.equal(a, b) for a, b in zip(before[name], weights(network), strict=True)]
            trained = [
                not path.startswith("decoders") or variant in ("auto_encoding", "a+b+c")
                for path, _ in network.named_parameters()
            ]
            assert changed == [mine and each for each in trained], name
    # The discriminator's gradients are those of its own loss: the generator's left none.
    assert all(each.requires_grad for each in task.networks["generator"].parameters())


def test_the_kept_network_is_the_running_average():
    one = toy(ema_decay=0.75)
    task = one.task()
    start = weights(task.networks["generator"])
    for key, terms in task.losses(one.batch(1), 1):
        task.optimizers[key].zero_grad()
        terms["total"].backward()
        task.optimizers[key].step()
    moved = weights(task.networks["generator"])
    for average, first, last in zip(weights(task.result), start, moved, strict=True):
        torch.testing.assert_close(average, 0.75 * first + 0.25 * last)
    assert toy(ema_decay=None).task().kept == {}


def test_a_head_learns_to_tell_the_ratio():
    one = toy(self_supervision="aspect_ratio", augment=None, lr=1e-2)
    task, found = one.task(), []
    for _ in range(30):
        for key, terms in task.losses(one.batch(1), 1):
            task.optimizers[key].zero_grad()
            terms["total"].backward()
            task.optimizers[key].step()
            if key == "discriminator":
                found.append(float(terms["aspect_ratio"].detach()))
    assert found[-1] < found[0] / 3


def test_decoders_learn_to_rebuild():
    one = toy(augment=None, lr=1e-2)
    task, found = one.task(), []
    for step in range(1, 61):
        for key, terms in task.losses(one.batch(1), step):
            task.optimizers[key].zero_grad()
            terms["total"].backward()
            task.optimizers[key].step()
            if key == "discriminator":
                found.append(float(terms["reconstruction"].detach()))
    assert sum(found[-5:]) < sum(found[:5]) * 0.8


def test_discriminators_without_decoders_rebuild_nothing(tmp_path):
    outcome, _ = toy(decoders=False).run(tmp_path)
    names = {curve.name for curve in outcome.curves}
    assert "train/discriminator/adversarial" in names
    assert "train/discriminator/reconstruction" not in names
    for variant in ("auto_encoding", "a+b+c"):
        with pytest.raises(OptionError, match="rebuilds images, and the discriminator has no decoders"):
            toy(decoders=False).task(self_supervision=variant)


@pytest.mark.parametrize("variant", ["a+b+c", "none"])
def test_interrupted_and_resumed_ends_at_the_same_weights_to_the_bit(variant, tmp_path):
    one = toy(self_supervision=variant)
    expected, whole = one.run(tmp_path / "whole")
    with interrupted_at(4, FastGanTask):
        one.run(tmp_path / "cut")
    outcome, resumed = one.run(tmp_path / "cut")
    for role, network in whole.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, resumed[role].state_dict()[key]), (role, key)
    assert outcome.curves == expected.curves


def test_it_trains_in_mixed_precision(tmp_path):
    one = toy(self_supervision="a+b+c")
    outcome, networks = one.run(tmp_path, precision="bf16-mixed", memory_format="channels_last")
    assert outcome.final_step == 6
    assert all(each.dtype == torch.float32 for each in networks["generator"].parameters())


def test_pictures_of_fixed_latents_and_of_mixed_styles():
    one = real(decoders=False)
    task = one.task(samples=2)
    assert [record.role for record, _ in task.samples(final=False)] == ["grid"]
    found = {record.role: picture for record, picture in task.samples(final=True)}
    assert set(found) == {"grid", "interpolation", "mixing"}
    assert found["grid"].shape == (3, 256, 512)
    cells = found["mixing"].unfold(1, 256, 256).unfold(2, 256, 256).permute(1, 2, 0, 3, 4)
    assert cells.shape[:2] == (3, 3)
    assert bool((cells[0, 0] == 1).all())
    content, style = (task._draws.normal(0, name, 2, 8) for name in ("content", "style"))
    network = task.result.eval()
    with torch.no_grad():
        mixed = network(content[1:], style=style[:1])
        torch.testing.assert_close(cells[2, 1], (mixed[0] + 1) / 2)
        torch.testing.assert_close(cells[2, 0], (network(content)[1] + 1) / 2)
        torch.testing.assert_close(cells[0, 2], (network(style)[1] + 1) / 2)


def test_without_excitation_there_is_nothing_to_mix():
    task = real(decoders=False, skip=False).task(samples=1)
    assert [record.role for record, _ in task.samples(final=True)] == ["grid", "interpolation"]


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["auto_encoding", "a+b+c"])
def test_the_papers_networks_train(variant, tmp_path):
    outcome, networks = real(self_supervision=variant).run(tmp_path, steps=2, samples=1)
    assert [(image.role, image.step) for image in outcome.images] == [
        ("grid", 1), ("grid", 2), ("interpolation", None), ("mixing", None),
    ]  # fmt: skip
    assert read_image(tmp_path / outcome.images[0].path).shape == (3, 256, 256)
    assert not networks["generator"].training


def test_reconstruction_by_lpips_is_differentiable(monkeypatch):
    one = toy(reconstruction="lpips", lpips={"net": "alex", "weights": "random"})
    # AlexNet takes nothing smaller than 31 x 31, and the toy's images are 4 x 4.
    monkeypatch.setattr(
        "benchbench.training.decoding.resized", lambda images, size: F.interpolate(images, size=(32, 32))
    )
    task = one.task()
    monkeypatch.setattr(
        task, "_distance", lambda made, real, to=task._distance: to(F.interpolate(made, size=(32, 32)), real)
    )
    _, terms = next(iter(task.losses(one.batch(1), 1)))
    assert terms["reconstruction"] > 0
    terms["reconstruction"].backward()
    decoders = task.networks["discriminator"].decoders
    assert all(bool(each.grad.abs().sum() > 0) for each in decoders.parameters())


def test_weights_of_lpips_that_are_not_here(tmp_path):
    with pytest.raises(CheckpointError, match="LPIPS"):
        toy(reconstruction="lpips", lpips={"weights": str(tmp_path / "missing.pth")}).task()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"module": nn.Linear(4, 3)}, "the generator of recipe 'fastgan' does not take"),
        ({"module": make("dcgan", size=32, latent=4, width=4)()}, "the generator of recipe 'fastgan'"),
        ({"discriminator": nn.Conv2d(3, 1, 1)}, "the discriminator of recipe 'fastgan' does not take"),
        ({"discriminator": None}, "trains against a discriminator, and the suite declares none"),
        ({"images": splits(32, 32)}, r"makes images \[3, 16, 16\], and the data are \[3, 32, 32\]"),
        ({"inputs": (InputSpec(shape=(1, 3, 8, 8)),)}, "one latent vector"),
    ],
)
def test_networks_and_data_that_do_not_fit(given, message):
    one = toy()
    with pytest.raises(OptionError, match=message):
        recipe.task(one.context(**given), one.parse())


def test_a_batch_of_one_has_nothing_to_tell_apart():
    with pytest.raises(OptionError, match="tells the images of a batch apart"):
        toy().task(batch=1, self_supervision="a+b")


SCRIPT = """
    from pathlib import Path
    from fastgan_toys import toy

    if __name__ == "__main__":
        # The contrastive loss is of one process' images, and another one with two.
        for variant in ("auto_encoding", "aspect_ratio", "none"):
            curves = []
            for devices in (1, 2):
                outcome, _ = toy(self_supervision=variant).run(
                    Path(sys.argv[1]) / f"{variant}-{devices}", steps=20, batch=4, devices=devices
                )
                curves.append(outcome.curves)
            for one, two in zip(*curves, strict=True):
                apart = max(abs(a - b) for a, b in zip(one.values, two.values, strict=True))
                assert len(one.values) == 20 and apart < 1e-5, (variant, one.name, apart)
"""


@pytest.mark.slow
def test_two_processes_have_the_losses_of_one(tmp_path):
    run_script(tmp_path, SCRIPT)
