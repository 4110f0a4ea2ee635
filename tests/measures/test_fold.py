from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from benchbench.measures.fold import find_foldable, fold_parametrizations, share_weights


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


NORMS = {
    "spectral norm": parametrizations.spectral_norm,
    "weight norm": parametrizations.weight_norm,
    "spectral norm by hook": nn.utils.spectral_norm,
    "weight norm by hook": old_weight_norm,
}


def network(norm: Callable[[nn.Module], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        norm(nn.Conv2d(3, 8, 3)),
        nn.ReLU(),
        nn.Sequential(norm(nn.ConvTranspose2d(8, 4, 4, 2, 1)), nn.Conv2d(4, 4, 1)),
        nn.Flatten(),
        norm(nn.Linear(4 * 12 * 12, 5)),
    )
    for _ in range(3):
        # Vectors of the spectral norm move in training mode alone.
        model(torch.randn(2, 3, 8, 8))
    return model.eval()


@pytest.mark.parametrize("name", NORMS)
def test_folding_leaves_the_output_and_plain_weights(name: str) -> None:
    model = network(NORMS[name])
    x = torch.randn(2, 3, 8, 8)
    before = model(x).detach()
    weight = model[0].weight.detach().clone()
    assert fold_parametrizations(model) == ("0.weight", "2.0.weight", "4.weight")
    torch.testing.assert_close(model(x), before, rtol=0, atol=1e-6)
    assert sorted(name for name, _ in model.named_parameters()) == sorted(
        f"{path}.{each}" for path in ("0", "2.0", "2.1", "4") for each in ("weight", "bias")
    )
    assert list(model.named_buffers()) == []
    assert type(model[0]) is nn.Conv2d
    assert torch.equal(model[0].weight, weight)
    assert not model[0]._forward_pre_hooks
    assert find_foldable(model) == {}
    assert fold_parametrizations(model) == ()
    # What is left is an ordinary network.
    plain = network(lambda layer: layer)
    plain.load_state_dict(model.state_dict())
    torch.testing.assert_close(plain(x), before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", NORMS)
def test_folding_a_copy_leaves_the_original(name: str) -> None:
    model = network(NORMS[name])
    x = torch.randn(2, 3, 8, 8)
    before, state = model(x).detach(), {key: each.clone() for key, each in model.state_dict().items()}
    light = share_weights(model)
    assert light[2][1].weight is model[2][1].weight
    fold_parametrizations(light)
    torch.testing.assert_close(light(x), before, rtol=0, atol=1e-6)
    assert set(find_foldable(model).values()) == {name.removesuffix(" by hook")}
    assert torch.equal(model(x), before)
    assert model.state_dict().keys() == state.keys()
    assert all(torch.equal(each, state[key]) for key, each in model.state_dict().items())
    model.train()(x)  # and it still trains
    model(x).sum().backward()


def test_what_is_found_is_told_by_kind() -> None:
    model = nn.Sequential(
        parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), old_weight_norm(nn.Linear(3, 3)), nn.Linear(3, 3)
    )
    assert find_foldable(model) == {"0.weight": "spectral norm", "1.weight": "weight norm"}
    assert find_foldable(model[0]) == {"weight": "spectral norm"}


def test_other_parametrizations_stay() -> None:
    class Doubled(nn.Module):
        def forward(self, weight: torch.Tensor) -> torch.Tensor:
            return 2 * weight

    layer = nn.Linear(3, 3)
    parametrizations.spectral_norm(layer)
    parametrize.register_parametrization(layer, "weight", Doubled())
    model = nn.Sequential(layer, parametrizations.orthogonal(nn.Linear(3, 3)))
    assert fold_parametrizations(model) == ()
    assert parametrize.is_parametrized(layer)


def test_module_that_appears_twice_is_folded_once() -> None:
    shared = parametrizations.spectral_norm(nn.Linear(3, 3))
    model = nn.Sequential(shared, shared)
    assert fold_parametrizations(model) == ("0.weight",)
    assert type(model[1]) is nn.Linear
