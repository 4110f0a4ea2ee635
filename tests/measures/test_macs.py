from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.examples import Splits
from benchbench.core.registry import MEASURES
from benchbench.measures.macs import MacsOptions, measure


def no_images() -> Splits:
    raise AssertionError("macs looks at no image")


CONTEXT = MeasureContext(seed=0, folder=Path("."), images=no_images, say=print)


def subject() -> Subject:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ConvTranspose2d(4, 2, 4, 2, 1, bias=False))
    return Subject("tiny", module, (torch.zeros(1, 3, 8, 8),), stages={"up": ("1",)})


def test_four_figures_with_their_conventions() -> None:
    assert measure.per_cell is not None
    found = measure.per_cell(subject(), MacsOptions(), CONTEXT)
    values = {each.name: (each.value, each.unit, each.direction) for each in found.measurements}
    first, second = 64 * 4 * 3 * 9, 64 * 4 * 2 * 16
    assert values == {
        "macs": (first + second, "MAC", "lower"),
        "macs_output_size": (first + 4 * second, "MAC", "lower"),
        "elementwise": (256, "1", "lower"),
        # The input, what the first layer makes of it, and the output.
        "peak_activation": (4 * (64 * 3 + 64 * 4 + 256 * 2), "B", "lower"),
    }
    macs, other, *_ = found.measurements
    assert macs.protocol.settings["input"] == [[1, 3, 8, 8]]
    assert macs.protocol.hash != other.protocol.hash
    assert not macs.flags


def test_inputs_go_where_the_subject_says() -> None:
    class Named(nn.Module):
        def forward(self, batch: dict[str, torch.Tensor], *, scale: torch.Tensor) -> torch.Tensor:
            return batch["left"] @ batch["right"] * scale

    tensors = (torch.zeros(2, 3), torch.zeros(3, 5), torch.zeros(5))
    named = Subject("named", Named(), tensors, places=(".left", ".right", "scale"))
    assert measure.per_cell is not None
    assert measure.per_cell(named, MacsOptions(), CONTEXT).measurements[0].value == 30


def test_layers_carry_their_stage() -> None:
    assert measure.per_cell is not None
    layers = measure.per_cell(subject(), MacsOptions(), CONTEXT).layers
    assert [(each.path, each.stage, each.macs) for each in layers] == [("0", None, 6912), ("1", "up", 8192)]


def test_unchecked_products_and_a_real_run_are_flagged() -> None:
    class Product(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = torch.ones(3, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.matrix @ x

    assert measure.per_cell is not None
    found = measure.per_cell(Subject("product", Product(), (torch.zeros(4),)), MacsOptions(), CONTEXT)
    assert found.measurements[0].value == 12
    assert [flag.split(":")[0] for flag in found.measurements[0].flags] == [
        "not on meta",
        "12 MACs not checked",
    ]
    assert len(found.measurements[2].flags) == 1


def test_registered() -> None:
    assert MEASURES.load("macs") is measure


def test_the_discriminators_macs_stand_beside() -> None:
    assert measure.per_cell is not None
    both = subject()
    both.discriminator = Subject("critic", nn.Linear(4, 2), (torch.zeros(3, 4),))
    values = {each.name: each.value for each in measure.per_cell(both, MacsOptions(), CONTEXT).measurements}
    assert values["discriminator_macs"] == 3 * 4 * 2
    assert values["macs"] == measure.per_cell(subject(), MacsOptions(), CONTEXT).measurements[0].value
