"""The unconditional recipe: its losses by hand, what moves, resume, presets, and that it learns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from toys import Pictures, interrupted_at

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import OptionError
from benchbench.core.examples import Splits
from benchbench.core.model import parse_options
from benchbench.core.training import TrainingContext
from benchbench.training.diffaugment import DiffAugment, colour, cutout, translation
from benchbench.training.draws import Draws
from benchbench.training.gan import GanOptions, GanTask, recipe
from benchbench.training.job import Opponents
from benchbench.training.latents import latent_size, slerp, tile
from benchbench.training.loop import train
from benchbench.training.path_length import PathLength

CPU = torch.device("cpu")
IMAGES = Splits(Pictures(10), Pictures(2), Pictures(2), "digest")
INPUTS = (InputSpec(shape=(1, 4)),)


class Generator(nn.Module):
    style_layers = 2

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Linear(4, 6)
        self.picture = nn.Linear(6, 192)

    def forward(self, z: torch.Tensor, *, mixed: Any = None) -> torch.Tensor:
        style = self.mapping(z) if mixed is None else self.mapping(z) + self.mapping(mixed[0])
        return self.picture(style).view(-1, 3, 8, 8).tanh()


def discriminator() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))


def make(seed: int = 0) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(seed)
    return Generator(), discriminator()


def options(**given: Any) -> GanOptions:
    return parse_options("recipe", "gan", GanOptions, {"batch": 4, "samples": 4, **given})


def task(networks: tuple[nn.Module, nn.Module] | None = None, **given: Any) -> GanTask:
    generator, against = networks or make()
    context = TrainingContext(
        generator, IMAGES, 3, CPU, inputs=INPUTS, discriminator=against, rank=0, world=1
    )
    return recipe.task(context, options(**given))


def batch() -> dict[str, torch.Tensor]:
    return {"image": torch.stack([IMAGES.train[index] for index in range(4)]).float() / 255}


def run(folder, networks, *, steps: int = 6, recipe=recipe, images=IMAGES, **given: Any):
    generator, against = networks
    return train(
        generator, recipe=recipe, options=options(steps=steps, device="cpu", **given), images=images, seed=3,
        folder=folder, name="a", say=str, beside=Opponents(INPUTS, discriminator=against),
    )  # fmt: skip


WANTED: dict[str, Callable[..., tuple[torch.Tensor, torch.Tensor]]] = {
    "bce": lambda real, fake: (
        F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
        + F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake)),
        F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
    ),
    "hinge": lambda real, fake: (F.relu(1 - real).mean() + F.relu(1 + fake).mean(), -fake.mean()),
    "wgan_gp": lambda real, fake: (fake.mean() - real.mean(), -fake.mean()),
}


@pytest.mark.parametrize("loss", WANTED)
def test_losses_are_those_of_the_equations(loss: str) -> None:
    made = task(loss=loss)
    generator, judge = made.networks["generator"], made.networks["discriminator"]
    draws = Draws(3, CPU)
    real = batch()["image"] * 2 - 1
    with torch.no_grad():
        on_real = judge(real)
        on_fake = judge(generator(draws.normal(5, "discriminator", 4, 4)))
        on_next = judge(generator(draws.normal(5, "generator", 4, 4)))
    (first, judged), (second, fooled) = made.losses(batch(), 5)
    assert (first, second) == ("discriminator", "generator")
    torch.testing.assert_close(judged["adversarial"], WANTED[loss](on_real, on_fake)[0])
    torch.testing.assert_close(fooled["adversarial"], WANTED[loss](on_real, on_next)[1])
    if loss == "wgan_gp":
        total = judged["adversarial"] + 10 * judged["penalty"]
        torch.testing.assert_close(judged["total"], total)
    else:
        assert judged["total"] is judged["adversarial"]


def test_lazy_penalties_come_every_few_steps_with_their_weight() -> None:
    made = task(loss="non_saturating", r1_gamma=8.0, r1_every=4, path_weight=2.0, path_every=2)
    seen = {}
    for step in range(1, 5):
        terms = dict(made.losses(batch(), step))
        seen[step] = ("r1" in terms["discriminator"], "path" in terms["generator"])
        if step == 4:
            judged, fooled = terms["discriminator"], terms["generator"]
            torch.testing.assert_close(judged["total"], judged["adversarial"] + 4 * 4 * judged["r1"])
            torch.testing.assert_close(fooled["total"], fooled["adversarial"] + 2 * 2 * fooled["path"])
    assert seen == {1: (False, False), 2: (False, True), 3: (False, False), 4: (True, True)}


def test_path_length_of_a_linear_network_is_known() -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mapping = nn.Identity()
            self.weight = nn.Parameter(torch.randn(5, 48, generator=torch.Generator().manual_seed(0)))

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return (self.mapping(z) @ self.weight).view(-1, 3, 4, 4)

    network, path = Linear(), PathLength(decay=0.5)
    noise = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    latents = torch.randn(6, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    lengths = (noise.flatten(1) / 4 @ network.weight.detach().T).norm(dim=1)
    found = path(network, latents, noise)
    assert path.mean == pytest.approx(0.5 * float(lengths.mean()))
    torch.testing.assert_close(found, (lengths - path.mean).square().mean())
    found.backward()
    assert network.weight.grad is not None


def test_the_generator_moves_once_after_the_critics_steps_and_leaves_no_gradient_in_it() -> None:
    made = task(critic_steps=3)
    for step in (1, 2):
        assert [name for name, _ in made.losses(batch(), step)] == ["discriminator"]
    for name, terms in made.losses(batch(), 3):
        for network in made.networks.values():
            network.zero_grad()
        terms["total"].backward()
        other = made.networks["discriminator" if name == "generator" else "generator"]
        assert all(each.grad is None for each in other.parameters())
        assert all(each.grad is not None for each in made.networks[name].parameters())


FULL = {
    "loss": "non_saturating", "r1_gamma": 1.0, "r1_every": 2, "path_weight": 1.0, "path_every": 2,
    "mixing": 0.7, "half_life_images": 20.0, "augment": ["colour", "translation", "cutout"],
}  # fmt: skip


@pytest.mark.parametrize("given", [{}, {"loss": "wgan_gp", "spectral_norm": True}, FULL])
def test_interrupted_and_resumed_it_ends_at_the_same_weights(tmp_path, given) -> None:
    whole = make()
    outcome = run(tmp_path / "whole", whole, **given)
    assert {"grid", "interpolation", "walk"} == {image.role for image in outcome.images}
    with interrupted_at(4, GanTask):
        run(tmp_path / "cut", make(), **given)
    resumed = make()
    run(tmp_path / "cut", resumed, **given)
    for one, other in zip(whole[0].parameters(), resumed[0].parameters(), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(next(whole[0].parameters()), next(make()[0].parameters()))


def test_presets_are_their_papers_and_what_is_said_beside_them_counts() -> None:
    assert (options(preset="dcgan", batch=128).lr, GanOptions(preset="dcgan").batch) == (2e-4, 128)
    second = parse_options("recipe", "gan", GanOptions, {"preset": "stylegan2"})
    assert (second.loss, second.r1_gamma, second.r1_every, second.path_every) == ("non_saturating", 10, 16, 4)
    assert (second.beta_1, second.beta_2, second.mixing, second.lr) == (0.0, 0.99, 0.9, 2e-3)
    third = parse_options("recipe", "gan", GanOptions, {"preset": "ssd"})
    assert (third.epochs, third.batch, third.lr) == (20, 32, 5e-4)
    short = parse_options("recipe", "gan", GanOptions, {"preset": "ssd", "steps": 7})
    assert (short.steps, short.epochs, short.lr) == (7, None, 5e-4)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"path_weight": 1.0}, "no 'mapping'"),
        ({"mixing": 0.5}, "makes an image of one latent alone"),
    ],
)
def test_what_needs_styles_is_refused_to_others(given, told) -> None:
    class Plain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 192)

        def forward(self, z):
            return self.layer(z).view(-1, 3, 8, 8)

    with pytest.raises(OptionError, match=told):
        task((Plain(), discriminator()), **given)


def test_no_discriminator_another_size_and_another_input(tmp_path) -> None:
    with pytest.raises(OptionError, match="the suite declares none"):
        run(tmp_path, (Generator(), None))

    class Large(Pictures):
        def __getitem__(self, index):
            return torch.zeros(3, 16, 16, dtype=torch.uint8)

    with pytest.raises(OptionError, match=r"makes images \[3, 8, 8\], and the data are \[3, 16, 16\]"):
        run(tmp_path, make(), images=Splits(Large(10), Pictures(2), Pictures(2), "x"))
    with pytest.raises(OptionError, match="one latent vector"):
        latent_size((InputSpec(shape=(1, 3, 8, 8), field="input"),), "gan")


def test_augmentations_keep_what_they_should_and_pass_gradients() -> None:
    images = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    middle = torch.full((3, 3), 0.5)
    torch.testing.assert_close(colour(images, middle), images)
    brighter = colour(images, torch.tensor([[1.0, 0.5, 0.5]] * 3))
    torch.testing.assert_close(brighter, images + 0.5)
    torch.testing.assert_close(translation(images, torch.full((3, 2), 0.5)), images)
    moved = translation(images, torch.tensor([[0.0, 0.5]] * 3))
    torch.testing.assert_close(moved[:, :, 2:], images[:, :, :-2])
    assert (moved[:, :, :2] == 0).all()
    cut = cutout(images, torch.full((3, 2), 0.5))
    assert (cut[:, :, 4:12, 4:12] == 0).all()
    assert int((cut == 0).sum()) == 3 * 3 * 64
    given = images.clone().requires_grad_()
    DiffAugment(("colour", "translation", "cutout"), Draws(1, CPU))(given, 1, "x").sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


def test_pictures_of_latents() -> None:
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    whole = tile(torch.arange(5.0).view(5, 1, 1, 1).expand(5, 3, 2, 2), 3)
    assert whole.shape == (3, 4, 6)
    assert whole[0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert whole[0, 2].tolist() == [3, 3, 4, 4, 1, 1]


class Colours(Pictures):
    """Pictures of one colour each, around two of them."""

    def __getitem__(self, index):
        seen = torch.Generator().manual_seed(index)
        base = torch.tensor([200.0, 60.0, 40.0] if index % 2 else [30.0, 90.0, 220.0])
        value = (base + 10 * torch.randn(3, generator=seen)).clamp(0, 255).round().to(torch.uint8)
        return value.view(3, 1, 1).expand(3, 8, 8).contiguous()


def test_it_learns_the_colours_of_its_data(tmp_path) -> None:
    def moments(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        flat = images.mean(dim=(2, 3))
        return flat.mean(dim=0), torch.cov(flat.T)

    data = Splits(Colours(64), Pictures(2), Pictures(2), "colours")
    real = torch.stack([data.train[index] for index in range(64)]).float() / 127.5 - 1
    latents = torch.randn(256, 4, generator=torch.Generator().manual_seed(9))
    networks = make(1)

    def distance() -> float:
        with torch.no_grad():
            made = moments(networks[0](latents))
        return sum(float((a - b).norm()) for a, b in zip(made, moments(real), strict=True))

    before = distance()
    run(
        tmp_path, networks, steps=400, loss="hinge", images=data, batch=16, lr=5e-3, r1_gamma=1.0,
        half_life_images=500.0, samples=0,
    )  # fmt: skip
    assert distance() < before / 3
