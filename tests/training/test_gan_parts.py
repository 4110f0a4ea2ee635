"""Parts of the unconditional recipe: path length's scale, what is penalised, fixed pictures, processes."""

from __future__ import annotations

import math

import pytest
import torch
from test_gan import CPU, Generator, batch, discriminator, options, task
from torch import nn
from toys import run_script

from benchbench.core.errors import OptionError
from benchbench.core.model import parse_options
from benchbench.core.registry import ARCHITECTURES
from benchbench.training.diffaugment import cutout, translation
from benchbench.training.draws import Draws
from benchbench.training.gan_options import PRESETS, GanOptions
from benchbench.training.gradient_penalties import r1, wgan_gp
from benchbench.training.latents import Latents
from benchbench.training.networks import freeze_unused
from benchbench.training.path_length import PathLength


class Linear(nn.Module):
    """A style to a picture by one matrix, in as many layers as are said."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.mapping = nn.Identity()
        self.style_layers = layers
        self.weight = nn.Parameter(torch.randn(5, 48, generator=torch.Generator().manual_seed(0)))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return (self.mapping(z) @ self.weight).view(-1, 3, 4, 4)


def test_path_lengths_are_over_the_root_of_pixels_and_layers():
    noise = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    latents = torch.randn(6, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    network, path = Linear(layers=3), PathLength(decay=1.0)
    path(network, latents, noise)
    lengths = (noise.flatten(1) @ network.weight.detach().T).norm(dim=1)
    assert float(path.mean) == pytest.approx(float(lengths.mean()) / math.sqrt(16 * 3))


@pytest.mark.parametrize("size", [64, 256, 1024])
def test_the_weight_of_path_length_is_the_papers_at_every_size(size):
    architecture = ARCHITECTURES.load("stylegan2")
    said = {"size": size, "channel_multiplier": 0.25}
    with torch.device("meta"):
        network = architecture.build(parse_options("architecture", "stylegan2", architecture.options, said))
    # Appendix B's gamma for lengths that are not yet over the root of the pixels.
    gamma = math.log(2) / (size**2 * (math.log(size) - math.log(2)))
    assert PRESETS["stylegan2"]["path_weight"] / (size**2 * network.style_layers) == pytest.approx(gamma)


def test_style_presets_run_for_25_million_images_unless_said():
    for name in ("stylegan", "stylegan2"):
        preset = parse_options("recipe", "gan", GanOptions, {"preset": name})
        assert preset.steps * preset.batch == 25_000_000
        shorter = parse_options("recipe", "gan", GanOptions, {"preset": name, "epochs": 2.0})
        assert (shorter.steps, shorter.epochs) == (None, 2.0)


def test_penalties_are_taken_where_the_discriminator_looks():
    made = task(r1_gamma=1.0, augment=["colour", "cutout"])
    judge, real = made.networks["discriminator"], batch()["image"] * 2 - 1
    (_, judged), *_ = made.losses(batch(), 4)
    expected = r1(lambda images: judge(made._augment(images, 4, "real")), real)
    torch.testing.assert_close(judged["r1"], expected)
    made = task(loss="wgan_gp", augment=["translation"])
    judge, generator = made.networks["discriminator"], made.networks["generator"]
    (_, judged), *_ = made.losses(batch(), 4)
    draws = Draws(3, CPU)
    with torch.no_grad():
        fake = made._augment(generator(draws.normal(4, "discriminator", 4, 4)), 4, "fake")
    alpha = draws.uniform(4, "penalty", 4, 1, 1, 1)
    torch.testing.assert_close(judged["penalty"], wgan_gp(judge, made._augment(real, 4, "real"), fake, alpha))


def test_pictures_are_the_same_for_any_number_of_processes():
    network = Generator()
    shown = []
    for world in (1, 2):
        latents = Latents(4, Draws(3, CPU, rank=0, world=world), "signed")
        with torch.no_grad():
            pictures = [latents.grid(network, 4), latents.between(network, 2), latents.walk(network, 2)]
            shown.append([picture for each in pictures for _, picture in each])
    for one, other in zip(*shown, strict=True):
        assert torch.equal(one, other)


def test_a_walk_goes_straight_on_where_it_has_arrived():
    rows = 2

    class Shown(nn.Module):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            # One pixel: three numbers of the latent, well inside of 0..1.
            return (z / 100).view(-1, 3, 1, 1)

    latents = Latents(3, Draws(3, CPU), "signed")
    ((record, picture),) = latents.walk(Shown(), rows)
    assert record.role == "walk"
    assert picture.shape == (3, rows, 8)
    torch.testing.assert_close(picture[:, 0, -1], picture[:, 1, 0])
    steps = picture.diff(dim=2)
    torch.testing.assert_close(steps, steps[:, :, :1].expand_as(steps), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("side", "shift"), [(4, 1), (12, 2), (20, 3)])
def test_a_half_pixel_of_augmentation_counts_as_one(side, shift):
    images = torch.ones(1, 3, side, side)
    moved = translation(images, torch.zeros(1, 2))
    assert int((moved[0, 0] == 1).sum()) == (side - shift) ** 2


def test_an_odd_side_is_cut_to_its_larger_half():
    assert int((cutout(torch.ones(1, 3, 5, 5), torch.full((1, 2), 0.5))[0, 0] == 0).sum()) == 9


class Two(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.network(x), x


def test_networks_of_several_outputs_are_refused():
    with pytest.raises(OptionError, match="the generator of recipe 'gan' makes tuple"):
        task((Two(Generator()), discriminator()))
    with pytest.raises(OptionError, match="the discriminator of recipe 'gan' makes tuple"):
        task((Generator(), Two(discriminator())))


def test_weights_that_nothing_depends_on_are_left_out():
    network = Generator()
    network.spare = nn.Linear(2, 2)
    network.norm = nn.BatchNorm2d(3)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        freeze_unused(nn.Sequential(network, network.norm), torch.randn(2, 4))
    taken = {name for name, each in network.named_parameters() if each.requires_grad}
    assert taken == set(dict(network.named_parameters())) - {"spare.weight", "spare.bias"}
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert network.training
    assert all(each.grad is None for each in network.parameters())


def test_the_options_are_those_of_dcgan_unless_said():
    plain, preset = options(batch=128), GanOptions(preset="dcgan")
    for name in PRESETS["dcgan"]:
        assert getattr(plain, name) == getattr(preset, name), name


@pytest.mark.slow
def test_two_processes_train_a_style_based_network_as_one_does(tmp_path):
    """Path length, lazy R1, mixing, spectral norm and averages, over 20 steps."""
    code = """
        from pathlib import Path
        import test_gan as t
        from benchbench.data.images import open_image

        GIVEN = {
            "loss": "non_saturating", "r1_gamma": 2.0, "r1_every": 3, "path_weight": 2.0,
            "path_every": 2, "mixing": 0.6, "half_life_images": 50.0, "spectral_norm": True,
            "augment": ["colour", "translation", "cutout"], "batch": 8, "log_every": 1,
        }
        if __name__ == "__main__":
            networks = [t.make(), t.make()]
            for generator, _ in networks:
                # As StyleGAN's heads of smaller pictures: weights that nothing depends on.
                generator.spare = t.nn.Linear(2, 2)
            done = [
                t.run(Path(sys.argv[1]) / str(count), each, steps=20, devices=count, **GIVEN)
                for count, each in enumerate(networks, start=1)
            ]
            for one, two in zip(done[0].curves, done[1].curves, strict=True):
                assert (one.name, one.steps) == (two.name, two.steps)
                assert max(abs(a - b) for a, b in zip(one.values, two.values)) < 1e-5, one.name
            names = {curve.name for curve in done[0].curves}
            assert {"train/generator/path", "train/discriminator/r1"} <= names
            for image in done[0].images:
                one, two = (open_image(Path(sys.argv[1]) / str(n) / image.path).int() for n in (1, 2))
                assert (one - two).abs().max() <= 1, image.path
    """
    run_script(tmp_path, code)
