from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

import benchbench as bb
from benchbench.architectures.guess_stages import guess_stages
from benchbench.core.contracts import InputSpec
from benchbench.core.stages import stage_of

IMAGE = (InputSpec(shape=(1, 3, 32, 32)),)


def conv(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, stride=stride, padding=1)


def up(before: int, after: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)


def test_an_encoder_ends_at_the_smallest_map_and_a_decoder_starts_after_it() -> None:
    net = nn.Sequential(
        OrderedDict(
            first=conv(3, 4),
            down=nn.Sequential(conv(4, 8, 2), nn.BatchNorm2d(8), nn.ReLU(), conv(8, 8, 2), nn.BatchNorm2d(8)),
            body=nn.Sequential(conv(8, 8), nn.BatchNorm2d(8), conv(8, 8)),
            up=nn.Sequential(up(8, 8), nn.BatchNorm2d(8), nn.Upsample(scale_factor=2), conv(8, 4)),
            last=conv(4, 3),
        )
    )
    assert guess_stages(net, IMAGE) == {
        "encoder": ("first", "down"),
        "residual": ("body",),
        "decoder": ("up", "last"),
    }


def test_a_parent_of_two_stages_is_told_by_its_children() -> None:
    net = nn.Sequential(OrderedDict(all=nn.Sequential(conv(3, 4, 2), conv(4, 4), up(4, 3))))
    assert guess_stages(net, IMAGE) == {
        "encoder": ("all.0",),
        "residual": ("all.1",),
        "decoder": ("all.2",),
    }


def test_a_generator_that_only_grows_is_all_decoder() -> None:
    latent = nn.Sequential(nn.ConvTranspose2d(16, 8, 4), up(8, 8), conv(8, 3))
    assert guess_stages(latent, (InputSpec(shape=(1, 16, 1, 1)),)) == {"decoder": ("0", "1", "2")}
    linear = nn.Sequential(nn.Linear(16, 8 * 16), nn.Unflatten(1, (8, 4, 4)), conv(8, 8), up(8, 3))
    assert guess_stages(linear, (InputSpec(shape=(1, 16)),)) == {"decoder": ("0", "2", "3")}


def test_a_network_of_one_size_is_all_residual() -> None:
    assert guess_stages(nn.Sequential(conv(3, 4), conv(4, 3)), IMAGE) == {"residual": ("0", "1")}


def test_linear_layers_at_the_end_go_with_what_precedes_them() -> None:
    net = nn.Sequential(conv(3, 4, 2), conv(4, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    assert guess_stages(net, IMAGE) == {"encoder": ("0",), "residual": ("1", "4")}


def test_without_a_map_nothing_is_guessed() -> None:
    assert guess_stages(nn.Linear(4, 4), (InputSpec(shape=(1, 4)),)) == {}


class Gated(nn.Module):
    """A squeeze-and-excitation gate, whose convolutions see one position, in the midst of large maps."""

    def __init__(self) -> None:
        super().__init__()
        self.down = conv(3, 4, 2)
        self.squeeze = nn.Conv2d(4, 2, 1)
        self.excite = nn.Conv2d(2, 4, 1)
        self.body = conv(4, 4)
        self.up = up(4, 3)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.down(image)
        x = self.body(x * self.excite(self.squeeze(x.mean((2, 3), keepdim=True))).sigmoid())
        return {"out": self.up(x)}


def test_a_gate_is_no_smallest_map_and_an_output_may_be_a_dictionary() -> None:
    assert guess_stages(Gated(), IMAGE) == {
        "encoder": ("down", "squeeze", "excite"),
        "residual": ("body",),
        "decoder": ("up",),
    }


class Pooled(nn.Module):
    """A gate on a map that was pooled to 4x4, in a network that grows from one position."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ConvTranspose2d(16, 4, 4)
        self.gate = nn.Conv2d(4, 4, 4)
        self.last = up(4, 3)

    def forward(self, latent: Tensor) -> Tensor:
        x: Tensor = self.first(latent)
        image: Tensor = self.last(x * self.gate(F.adaptive_avg_pool2d(x, 4)).sigmoid())
        return image


def test_a_pooled_gate_is_no_smallest_map_either() -> None:
    given = (InputSpec(shape=(1, 16, 1, 1)),)
    assert guess_stages(Pooled(), given) == {"decoder": ("first", "gate", "last")}


def test_one_position_from_which_a_network_grows_is_the_smallest_map() -> None:
    net = nn.Sequential(conv(3, 4, 4), nn.Conv2d(4, 8, 8), nn.ConvTranspose2d(8, 4, 8), conv(4, 3))
    assert guess_stages(net, IMAGE) == {"encoder": ("0", "1"), "decoder": ("2", "3")}


@dataclass
class Out:
    image: Tensor


class Modulated(nn.Module):
    """A convolution with a weight of its own and a linear layer for its style."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, 3, 3))
        self.style = nn.Linear(2, 4)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return F.conv2d(x * self.style(style)[..., None, None], self.weight, padding=1)


class Styled(nn.Module):
    """A learnt constant that grows, given by keyword and told in a dataclass."""

    def __init__(self) -> None:
        super().__init__()
        self.constant = nn.Parameter(torch.randn(1, 4, 4, 4))
        self.first = Modulated()
        self.second = Modulated()
        self.last = spectral_norm(conv(4, 3))

    def forward(self, *, style: Tensor) -> Out:
        x = self.first(self.constant, style)
        return Out(self.last(self.second(F.interpolate(x, scale_factor=2.0), style)))


def test_layers_with_a_weight_of_their_own_and_parametrized_ones_are_layers() -> None:
    given = (InputSpec(shape=(1, 2), place="style"),)
    assert guess_stages(Styled(), given) == {"decoder": ("first", "second", "last")}


class OnlyForReal(nn.Module):
    """Its way depends on a value, which no meta tensor has."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = conv(3, 4, 2), up(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.down(image)
        return self.up(x) if float(x.detach().abs().sum()) >= 0 else x


def test_what_cannot_run_on_meta_is_run_for_real_and_left_as_it_was() -> None:
    net = OnlyForReal().train()
    state = torch.random.get_rng_state()
    assert guess_stages(net, IMAGE) == {"encoder": ("down",), "decoder": ("up",)}
    assert torch.equal(state, torch.random.get_rng_state())
    assert net.training
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in net.modules())


@pytest.mark.parametrize(
    ("name", "options"), [("transformer_net", {"width": 4}), ("resnet_generator", {"width": 4})]
)
def test_the_guess_is_near_the_declared_stages_of_the_papers(name: str, options: dict[str, int]) -> None:
    with torch.device("meta"):
        net = bb.build(name, **options)
    guessed = guess_stages(net, (InputSpec(shape=(1, 3, 64, 64)),))
    layers = [path for path, each in net.named_modules() if isinstance(each, (nn.Conv2d, nn.ConvTranspose2d))]
    stages = [stage_of(path, guessed) for path in layers]
    assert stages == sorted(stages, key=("encoder", "residual", "decoder").index)
    assert stages[:3] == ["encoder"] * 3
    assert stages[3:-3] == ["residual"] * (len(layers) - 6)
