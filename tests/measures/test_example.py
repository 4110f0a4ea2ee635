from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import MeasurementError
from benchbench.core.stages import Origin, remember_origin
from benchbench.measures.counting import count
from benchbench.measures.example import read_inputs


class Denoiser(nn.Module):
    """Takes a picture, a step and a dictionary, as diffusion models do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.layer = nn.Linear(8, 8)

    def forward(
        self,
        x: Tensor,
        *,
        step: Tensor,
        condition: dict[str, Tensor] | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        y = self.layer(x) + torch.cat([self.embed(step), self.embed(step)], dim=-1)
        if condition is not None:
            y = y + condition["text"] @ condition["map"]
        return y if mask is None else y.masked_fill(mask, 0.0)


STEP = InputSpec(shape=(2,), dtype="int64", high=10)


def test_keywords() -> None:
    counts = count(Denoiser(), {"x": (2, 8), "step": STEP})
    assert counts.macs == 2 * 64
    assert counts.input_shapes == ((2, 8), (2,))
    assert counts.device == "meta"


def test_dictionary_by_keyword_and_a_mask() -> None:
    mask = InputSpec(shape=(2, 8), dtype="bool")
    given = {"x": (2, 8), "step": STEP, "condition": {"text": (2, 3), "map": torch.zeros(3, 8)}, "mask": mask}
    counts = count(Denoiser(), given)
    assert counts.macs == 2 * 64 + 2 * 3 * 8
    assert counts.device == "meta"


def test_dictionary_by_position() -> None:
    class FromBatch(nn.Module):
        def forward(self, batch: dict[str, Tensor], right: Tensor) -> Tensor:
            return batch["left"] @ right

    assert count(FromBatch(), [{"left": (2, 3)}, (3, 4)]).macs == 24


def test_places_of_specifications_and_of_the_origin() -> None:
    specs = (InputSpec(shape=(2, 8)), STEP.model_copy(update={"place": "step"}))
    assert count(Denoiser(), specs).macs == 128
    model = Denoiser()
    remember_origin(model, Origin("denoiser", {}, specs))
    assert count(model).macs == 128
    tensors = (torch.zeros(2, 8), torch.zeros(2, dtype=torch.int64))
    assert count(model, tensors, places=("x", "step")).macs == 128


def test_inputs_of_a_real_run_go_to_the_same_places() -> None:
    model = Denoiser()
    model.plain = torch.zeros(1)
    counts = count(model, {"x": (2, 8), "step": STEP, "mask": InputSpec(shape=(2, 8), dtype="bool")})
    assert (counts.macs, counts.device) == (128, "cpu")


def test_tensor_given_is_not_changed_by_a_real_run() -> None:
    model = nn.Sequential(nn.ReLU(inplace=True))
    model.plain = torch.zeros(1)
    given = -torch.ones(3)
    count(model, given)
    assert torch.equal(given, -torch.ones(3))


@pytest.mark.parametrize(
    ("given", "places"),
    [
        ((1, 3, 8, 8), ("",)),
        ([(1, 3), (2, 4)], ("", "")),
        ({"a": (1,), "b": {"c": (2,), "d": (3,)}}, ("a", "b.c", "b.d")),
        ([{"c": (2,), "d": (3,)}, (1,)], (".c", ".d", "")),
        (STEP, ("",)),
    ],
)
def test_places(given: Any, places: tuple[str, ...]) -> None:
    assert read_inputs(given)[1] == places


@pytest.mark.parametrize("given", ["image", 5, {"x": "image"}, [(1, 3), None], {"x": {"y": {"z": (1,)}}}])
def test_what_is_no_input_is_told(given: Any) -> None:
    with pytest.raises(MeasurementError) as caught:
        read_inputs(given)
    assert "is no input" in str(caught.value)
    assert "count(model, (1, 3, 256, 256))" in str(caught.value)


def test_argument_that_is_missing_is_told() -> None:
    with pytest.raises(MeasurementError, match=r"does not run on input.*'step'"):
        count(Denoiser(), (2, 8))
