"""Batch norm of one process; test_translation.py tests that several are as one."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchbench.training import batch_norm
from benchbench.training.batch_norm import SynchronisedBatchNorm2d, synchronise


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(batch_norm.dist, "get_world_size", lambda: 1)
    monkeypatch.setattr(batch_norm.dist, "all_reduce", lambda tensor: None)


@pytest.mark.parametrize(
    "given", [{}, {"affine": False}, {"momentum": None}, {"track_running_stats": False}, {"eps": 0.1}]
)
def test_one_process_has_torchs_batch_norm(alone, given):
    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3, **given)
    for each in layer.parameters():
        nn.init.uniform_(each)
    own = nn.Sequential(copy.deepcopy(layer))
    synchronise(own)
    assert isinstance(own[0], SynchronisedBatchNorm2d)
    for training in (True, True, False):
        made = []
        given_x = torch.randn(4, 3, 5, 6) * 3 + 2
        for network in (layer, own):
            x = given_x.clone().requires_grad_()
            y = network.train(training)(x)
            y.square().mul(torch.linspace(0, 1, 6)).sum().backward()
            made.append((y, x.grad, *(each.grad for each in network.parameters()), *network.buffers()))
        for one, other in zip(*made, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_tensors_and_names_are_those_there_were():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ModuleDict({"norm": nn.BatchNorm2d(4)}), nn.BatchNorm1d(2))
    network[1]["norm"].eval()
    before = dict(network.named_parameters()) | dict(network.named_buffers())
    synchronise(network)
    after = dict(network.named_parameters()) | dict(network.named_buffers())
    assert list(after) == list(before)
    assert all(after[name] is tensor for name, tensor in before.items())
    assert isinstance(network[1]["norm"], SynchronisedBatchNorm2d)
    assert not network[1]["norm"].training
    assert type(network[2]) is nn.BatchNorm1d


def test_half_precision_stays_what_it_is(alone):
    network = nn.Sequential(nn.BatchNorm2d(3))
    synchronise(network)
    made = network(torch.randn(2, 3, 4, 4, dtype=torch.bfloat16))
    assert made.dtype == torch.bfloat16
    assert network[0].running_var.dtype == torch.float32
