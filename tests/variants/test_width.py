from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import benchbench as bb
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import OptionError, ReplacementError
from benchbench.core.stages import origin_of

IMAGE = (InputSpec(shape=(1, 3, 16, 16)),)


class Network(nn.Module):
    """Layers by name, and the forward pass as a function of them."""

    def __init__(self, run: Callable[[Network, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def thin(module: nn.Module, multiplier: float = 0.5, **options: int) -> nn.Module:
    return bb.replace(module, by="width", multiplier=multiplier, inputs=IMAGE, **options)


def widths(module: nn.Module) -> list[tuple[int, int]]:
    return [
        (each.in_channels, each.out_channels)
        for each in module.modules()
        if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d))
    ]


@pytest.mark.parametrize(
    ("name", "whole", "half"),
    [
        ("transformer_net", 32, 16),
        ("dcgan", 64, 32),
        ("unet_generator", 64, 32),
        ("stargan", 64, 32),
        ("stargan_discriminator", 64, 32),
        ("resnet_generator", 64, 32),
        ("patchgan_discriminator", 64, 32),
    ],
)
def test_half_the_width_is_the_architecture_at_half_its_width(name: str, whole: int, half: int) -> None:
    with torch.device("meta"):
        light = bb.replace(bb.build(name, width=whole), by="width", multiplier=0.5)
        expected = bb.build(name, width=half)
    ours, theirs = bb.count(light), bb.count(expected)
    assert (ours.parameters, ours.macs) == (theirs.parameters, theirs.macs)
    assert {key: value.shape for key, value in light.state_dict().items()} == {
        key: value.shape for key, value in expected.state_dict().items()
    }


def test_half_the_width_of_a_spade_generator() -> None:
    options = {"spectral_norm": False, "height": 128}
    with torch.device("meta"):
        light = bb.replace(bb.build("spade_generator", width=32, **options), by="width", multiplier=0.5)
        expected = bb.build("spade_generator", width=16, **options)
    assert bb.count(light).macs == bb.count(expected).macs
    assert bb.count(light).parameters == bb.count(expected).parameters


def test_half_the_width_of_a_fastgan_whose_noise_has_one_weight() -> None:
    with torch.device("meta"):
        network = bb.build("fastgan", spectral_norm=False)
        light = bb.replace(network, by="width", multiplier=0.5)
        expected = bb.build("fastgan", spectral_norm=False, width=32)
    assert bb.count(light).parameters == bb.count(expected).parameters
    assert bb.count(light).macs == bb.count(expected).macs


def test_half_the_width_of_ssd_halves_its_mapping_too() -> None:
    with torch.device("meta"):
        light = bb.replace(bb.build("ssd"), by="width", multiplier=0.5)
    channels = (256, 128, 64, 32)
    mapping = (100 * 50 + 50) + 3 * (50 * 50 + 50)
    kernels = 16 * (100 * 256 + 256 * 128 + 128 * 64 + 64 * 32 + 32 * 3)
    assert bb.count(light).parameters == mapping + kernels + 2 * (50 + 1) * sum(channels)


def test_parameters_in_closed_form() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 5, 3))
    light = thin(chain, 0.75)
    assert widths(light) == [(3, 6), (6, 5)]
    assert sum(p.numel() for p in light.parameters()) == (27 * 6 + 6) + 2 * 6 + (9 * 6 * 5 + 5)
    assert widths(chain) == [(3, 8), (8, 5)]


def test_widths_are_multiples_of_the_divisor() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(32, 20, 3), nn.Conv2d(20, 3, 3))
    # The nearest multiple of 32 x 0.6 = 19.2 is 16, which loses more than a tenth; that of 12 is 16.
    assert widths(thin(chain, 0.6, divisor=8)) == [(3, 24), (24, 16), (16, 3)]
    assert widths(thin(chain, 0.6)) == [(3, 19), (19, 12), (12, 3)]
    assert widths(thin(chain, 0.75, divisor=8)) == [(3, 24), (24, 16), (16, 3)]
    assert widths(thin(chain, 0.01, divisor=8)) == [(3, 8), (8, 8), (8, 3)]


def test_a_skip_keeps_both_ends_alike() -> None:
    network = Network(
        lambda m, x: m.last(m.first(x) + m.second(m.first(x))),
        first=nn.Conv2d(3, 8, 3, padding=1),
        second=nn.Conv2d(8, 8, 3, padding=1),
        last=nn.Conv2d(8, 3, 1),
    )
    assert widths(thin(network)) == [(3, 4), (4, 4), (4, 3)]


def test_what_is_added_to_the_input_keeps_its_width() -> None:
    network = Network(
        lambda m, x: m.last(torch.relu(x + m.second(m.first(x)))),
        first=nn.Conv2d(3, 8, 3, padding=1),
        second=nn.Conv2d(8, 3, 3, padding=1),
        last=nn.Conv2d(3, 6, 1),
    )
    assert widths(thin(network)) == [(3, 4), (4, 3), (3, 6)]


def test_a_concatenation_of_the_image_and_inner_channels() -> None:
    network = Network(
        lambda m, x: m.last(torch.cat([x, m.first(x)], dim=1)),
        first=nn.Conv2d(3, 8, 3, padding=1),
        last=nn.Conv2d(11, 4, 1),
    )
    assert widths(thin(network)) == [(3, 4), (7, 4)]


def test_depthwise_and_grouped_convolutions_follow() -> None:
    chain = nn.Sequential(
        nn.Conv2d(3, 8, 1),
        nn.Conv2d(8, 16, 3, groups=8),
        nn.Conv2d(16, 24, 3, groups=4),
        nn.GroupNorm(6, 24),
        nn.Conv2d(24, 3, 1),
    )
    light = thin(chain)
    assert widths(light) == [(3, 4), (4, 8), (8, 12), (12, 3)]
    assert [each.groups for each in light.modules() if isinstance(each, nn.Conv2d)] == [1, 4, 4, 1]
    # 24 x 0.3 = 7.2, which has to be a multiple of both 4 groups and 6: 12.
    assert widths(thin(chain, 0.3))[2][1] == 12


def test_linear_layers_prelu_gates_and_flattening() -> None:
    network = Network(
        lambda m, x: m.head(torch.flatten(nn.functional.glu(m.act(m.first(x)), dim=1), 1)),
        first=nn.Conv2d(3, 12, 16),
        act=nn.PReLU(12),
        head=nn.Linear(6, 5),
    )
    light = thin(network)
    assert widths(light) == [(3, 6)]
    assert (light.act.num_parameters, light.head.in_features, light.head.out_features) == (6, 3, 5)
    spread = nn.Sequential(
        nn.Conv2d(3, 8, 15), nn.Flatten(), nn.Linear(8 * 4, 10), nn.ReLU(), nn.Linear(10, 1)
    )
    thinned = thin(spread)
    assert [(each.in_features, each.out_features) for each in thinned if isinstance(each, nn.Linear)] == [
        (16, 5),
        (5, 1),
    ]


def test_a_layer_that_is_used_twice_is_resized_once() -> None:
    network = Network(
        lambda m, x: m.last(m.inner(m.inner(m.first(x)))),
        first=nn.Conv2d(3, 8, 3, padding=1),
        inner=nn.Conv2d(8, 8, 3, padding=1),
        last=nn.Conv2d(8, 3, 1),
    )
    light = thin(network)
    assert widths(light) == [(3, 4), (4, 4), (4, 3)]
    assert light(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_it_goes_with_a_replacement_of_layers_in_either_order() -> None:
    light: dict[str, object] = {"stages": ["residual"], "by": "depthwise_separable"}
    with torch.device("meta"):
        network = bb.build("transformer_net", width=8)
        first = bb.replace(bb.replace(network, by="width", multiplier=0.5), **light)
        last = bb.replace(bb.replace(network, **light), by="width", multiplier=0.5)
        expected = bb.replace(bb.build("transformer_net", width=4), **light)
    counts = [bb.count(each) for each in (first, last, expected)]
    assert len({(each.parameters, each.macs) for each in counts}) == 1


def test_each_layer_is_recorded_with_its_stage() -> None:
    with torch.device("meta"):
        light = bb.replace(bb.build("transformer_net"), by="width", multiplier=0.25)
    origin = origin_of(light)
    assert origin is not None
    first = origin.replacements[0]
    assert (first.path, first.stage) == ("encoder.0.conv", "encoder")
    assert (first.before, first.after) == ("Conv2d 3→32 9x9", "Conv2d 3→8 9x9")
    assert first.parameters_after < first.parameters_before


class Reshaped(nn.Module):
    """A width that stands as a number in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.second = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(x)
        return self.second(inner * torch.ones(8, 1, 1))


class OwnWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class OwnConvolution(nn.Conv2d):
    pass


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (Reshaped(), "does not run at Reshaped"),
        (
            nn.Sequential(nn.Conv2d(3, 8, 1), OwnWeight(), nn.Conv2d(8, 3, 1)),
            "cannot follow 1 (OwnWeight): its parameter 'scale'",
        ),
        (nn.Sequential(OwnConvolution(3, 8, 1), nn.Conv2d(8, 3, 1)), "cannot follow 0 (OwnConvolution)"),
        (
            nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 8, 1)), nn.Conv2d(8, 3, 1)),
            "cannot resize 0: its weight is parametrized",
        ),
        (nn.Sequential(nn.Conv2d(3, 3, 1)), "changes no layer"),
    ],
)
def test_what_cannot_follow_is_refused_and_nothing_is_changed(module: nn.Module, told: str) -> None:
    before = {key: value.shape for key, value in module.state_dict().items()}
    with pytest.raises(ReplacementError) as caught:
        thin(module)
    assert told in str(caught.value)
    assert {key: value.shape for key, value in module.state_dict().items()} == before


def test_it_is_about_the_whole_network() -> None:
    network = bb.build("transformer_net", width=4)
    with pytest.raises(ReplacementError, match=r"changes the whole network, .* it was given residual\n"):
        bb.replace(network, by="width", stages=["residual"], multiplier=0.5)
    with pytest.raises(ReplacementError, match=r"it was given conv\n"):
        bb.replace(network, by="width", layers=["conv"], multiplier=0.5)
    with pytest.raises(ReplacementError, match="needs an example input"):
        bb.replace(nn.Conv2d(3, 8, 3), by="width", multiplier=0.5)
    for wrong in (0, -0.5, 4.5):
        with pytest.raises(OptionError, match="multiplier"):
            bb.replace(network, by="width", multiplier=wrong)
    with pytest.raises(OptionError, match="did you mean 'multiplier'"):
        bb.replace(network, by="width", multiplyer=0.5)
    with pytest.raises(ReplacementError, match="changes no layer"):
        bb.replace(network, by="width", multiplier=1)
    with pytest.raises(OptionError, match="multiplier"):
        bb.replace(network, by="width")
