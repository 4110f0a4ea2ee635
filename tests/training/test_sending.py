from __future__ import annotations

import copy
import pickle
from multiprocessing.reduction import ForkingPickler

import gan_toys
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from benchbench.core.errors import OptionError
from benchbench.training.sending import make_sendable


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    made(torch.zeros(1, 3, 8, 8))
    parametrizations.spectral_norm(made[0])
    parametrizations.orthogonal(made[4])
    return made


@pytest.mark.parametrize("training", [True, False])
def test_a_network_with_parametrisations_arrives_as_it_was(training):
    sent = network().train(training)
    with pytest.raises(RuntimeError, match="Serialization of parametrized modules"):
        pickle.dumps(sent)
    make_sendable(sent)
    before = {name: value.clone() for name, value in sent.state_dict().items()}
    # A copy, as the loop takes it: what arrives is in memory that both see.
    arrived = copy.deepcopy(pickle.loads(bytes(ForkingPickler.dumps(sent))))
    assert list(arrived.state_dict()) == list(before)
    assert all(torch.equal(value, before[name]) for name, value in arrived.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in sent.state_dict().items())
    assert [name for name, _ in arrived.named_parameters()] == [name for name, _ in sent.named_parameters()]
    assert [each.training for each in arrived.modules()] == [each.training for each in sent.modules()]
    given = torch.randn(2, 3, 8, 8)
    # Twice: spectral norm goes on from what it was at.
    for _ in range(2):
        one, other = (each(given).square().sum() for each in (sent, arrived))
        assert torch.equal(one, other)
    gradients = [
        torch.autograd.grad(loss, list(each.parameters())) for loss, each in ((one, sent), (other, arrived))
    ]
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_network_that_cannot_be_sent_is_told(tmp_path):
    generator, judge = gan_toys.players()
    generator.register_forward_hook(lambda *_: None)
    with pytest.raises(
        OptionError, match=r"devices: 2, and what is trained cannot be sent.*lambda"
    ) as caught:
        gan_toys.run(tmp_path, generator, judge, devices=2, batch=4, steps=2)
    assert caught.value.fix is not None
    assert "devices: 1" in caught.value.fix
