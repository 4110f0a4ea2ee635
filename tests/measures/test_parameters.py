from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.examples import Splits
from benchbench.core.registry import MEASURES
from benchbench.measures.parameters import ParametersOptions, measure


def no_images() -> Splits:
    raise AssertionError("parameters looks at no image")


def test_shared_parameters_count_once_and_buffers_do_not() -> None:
    module = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4))
    module[1].weight = module[0].weight
    context = MeasureContext(seed=0, folder=Path("."), images=no_images, say=print)
    assert measure.per_cell is not None
    found = measure.per_cell(Subject("tied", module, (torch.zeros(2, 4),)), ParametersOptions(), context)
    (parameters,) = found.measurements
    assert (parameters.name, parameters.value, parameters.unit) == ("parameters", 16 + 8, "1")
    assert parameters.direction == "lower"


def test_the_discriminator_stands_beside_and_in_the_sum() -> None:
    context = MeasureContext(seed=0, folder=Path("."), images=no_images, say=print)
    against = Subject("critic", nn.Linear(4, 1), (torch.zeros(2, 4),))
    subject = Subject("g", nn.Linear(3, 4), (torch.zeros(2, 3),), discriminator=against)
    assert measure.per_cell is not None
    found = measure.per_cell(subject, ParametersOptions(), context)
    assert {each.name: each.value for each in found.measurements} == {
        "parameters": 16,
        "discriminator_parameters": 5,
        "total_parameters": 21,
    }


def test_registered() -> None:
    assert MEASURES.load("parameters") is measure
