from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import InputSpec, Subject
from benchbench.core.deployment import Deployment
from benchbench.core.errors import CalibrationError, DataError, UnsupportedDeploymentError
from benchbench.core.examples import Splits
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.input_sets import calibration_inputs, comparison_inputs


@dataclass
class Pictures:
    count: int
    side: int = 8
    first: int = 0

    @property
    def names(self) -> list[str]:
        return [str(index) for index in range(self.count)]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((3, self.side, self.side), self.first + index, dtype=torch.uint8)


def splits(train: int = 20, test: int = 6, side: int = 8) -> Any:
    return lambda: Splits(Pictures(train, side), Pictures(0), Pictures(test, side, first=100), digest="d1")


def no_data() -> Splits:
    raise DataError("the suite declares no data")


def subject(batch: int = 1, *, architecture: Any = None, field: str = "input", **deploy: Any) -> Subject:
    spec = architecture or {"name": "transformer_net"}
    cell = Cell(
        variant="v",
        architecture=ArchitectureSpec.model_validate(spec),
        deploy=Deployment.model_validate({"backend": "openvino", **deploy}),
    )
    shape = (batch, 3, 8, 8) if field else (batch, 5)
    return Subject(
        "v",
        nn.Identity(),
        (torch.zeros(shape),),
        specs=(InputSpec(shape=shape, field=field),),
        cell=cell,
    )


def test_outputs_are_compared_on_held_out_pictures_in_the_networks_range() -> None:
    found = comparison_inputs(subject(), splits(), count=4, seed=0)
    assert found.origin == "4 of the test split"
    assert found.digest == "d1"
    # transformer_net takes 0..1; test pictures are 100, 101, ...
    assert [round(float(each[0].mean()) * 255) for each in found.sets] == [100, 101, 102, 103]
    signed = comparison_inputs(subject(architecture={"name": "stargan"}), splits(), count=1, seed=0)
    assert float(signed.sets[0][0].mean()) == pytest.approx(100 / 255 * 2 - 1)


def test_batches_take_pictures_that_no_other_took() -> None:
    found = comparison_inputs(subject(batch=2), splits(test=5), count=4, seed=0)
    assert found.origin == "2 of the test split"
    values = [(each[0] * 255).round()[:, 0, 0, 0].tolist() for each in found.sets]
    assert values == [[100.0, 101.0], [102.0, 103.0]]


def test_open_shapes_are_compared_at_other_sizes_too() -> None:
    found = comparison_inputs(subject(shapes="dynamic"), splits(), count=4, seed=0)
    assert [tuple(each[0].shape) for each in found.sets[4:]] == [(2, 3, 8, 8), (1, 3, 16, 16)]
    assert found.origin == (
        "4 of the test split, and a batch of twice the size and one of twice the height and width"
    )
    latents = comparison_inputs(subject(field="", shapes="dynamic"), no_data, count=3, seed=7)
    assert [tuple(each[0].shape) for each in latents.sets] == [(1, 5), (1, 5), (1, 5), (2, 5)]


def test_a_network_that_takes_one_size_alone_has_no_open_shapes() -> None:
    fixed = subject(shapes="dynamic")
    fixed.module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    with pytest.raises(UnsupportedDeploymentError, match="does not take one of twice the height") as caught:
        comparison_inputs(fixed, splits(), count=4, seed=0)
    assert "\n" not in caught.value.problem
    assert caught.value.fix == "declare `shapes: static`"


@pytest.mark.parametrize(("images", "told"), [(no_data, "declares no data"), (splits(side=16), "16")])
def test_without_pictures_that_fit_the_seeded_input_is_taken_and_it_says_why(images: Any, told: str) -> None:
    found = comparison_inputs(subject(), images, count=4, seed=0)
    assert len(found.sets) == 1
    assert found.origin.startswith("the example input, seeded noise (")
    assert told in found.origin
    assert found.digest is None


def test_latents_are_drawn_and_differ() -> None:
    found = comparison_inputs(subject(field=""), no_data, count=3, seed=7)
    assert found.origin == "3 drawn with seed 7"
    first, second, third = (each[0] for each in found.sets)
    assert not torch.equal(first, second)
    assert not torch.equal(second, third)
    again = calibration_inputs(subject(field=""), no_data, count=3, seed=7)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(found.sets, again.sets, strict=True))


def test_calibration_is_on_training_pictures() -> None:
    found = calibration_inputs(subject(), splits(), count=10, seed=3)
    assert (found.origin, found.digest) == ("10 of the train split, seed 3", "d1")
    chosen = [round(float(each[0].mean()) * 255) for each in found.sets]
    assert len(set(chosen)) == 10
    assert set(chosen) <= set(range(20))
    again, other = (
        [round(float(each[0].mean()) * 255) for each in drawn.sets]
        for drawn in (calibration_inputs(subject(), splits(), count=10, seed=seed) for seed in (3, 4))
    )
    assert again == chosen != other
    assert not any(each[0].is_inference() for each in found.sets)


@pytest.mark.parametrize(
    ("images", "told", "fix"),
    [
        (splits(train=9), "too small: 9 examples in the train split, 10 asked", "images: 9"),
        (splits(train=3), "too small: 3 examples", "more data"),
        (no_data, "calibrated on images, and there are none", "calibration: {data"),
        (splits(side=16), r"\[1, 3, 16, 16\], and the network's input is \[1, 3, 8, 8\]", "shapes: dynamic"),
    ],
)
def test_a_calibration_that_cannot_be_made_says_what_to_do(images: Any, told: str, fix: str) -> None:
    with pytest.raises(CalibrationError, match=told) as caught:
        calibration_inputs(subject(), images, count=10, seed=0)
    assert fix in str(caught.value.fix)


def test_without_data_the_advice_is_what_this_network_can_take() -> None:
    own = {"import": "pkg.mod:build", "input": [1, 3, 8, 8]}
    for spec, range_said in ((None, False), (own, True)):
        with pytest.raises(CalibrationError, match="there are none") as caught:
            calibration_inputs(subject(architecture=spec), no_data, count=10, seed=0)
        assert "source: photos, size: 8" in str(caught.value.fix)
        assert ("range: unit" in str(caught.value.fix)) == range_said


def test_other_sizes_go_where_shapes_are_dynamic() -> None:
    found = calibration_inputs(subject(shapes="dynamic"), splits(side=16), count=2, seed=0)
    assert found.sets[0][0].shape == (1, 3, 16, 16)


def test_a_calibration_counts_pictures_whatever_the_batch() -> None:
    found = calibration_inputs(subject(batch=4), splits(train=20), count=10, seed=0)
    values = [(each[0] * 255).round()[:, 0, 0, 0].tolist() for each in found.sets]
    assert [len(each) for each in values] == [4, 4, 4]
    # The last two places are the first two pictures once more.
    assert len({value for each in values for value in each}) == 10
    assert values[2][2:] == values[0][:2]
    assert found.origin == "10 of the train split, seed 0"
    drawn = calibration_inputs(subject(batch=4, field=""), no_data, count=10, seed=0)
    assert (len(drawn.sets), drawn.origin) == (3, "12 drawn with seed 0")


def test_an_imported_network_has_to_say_its_range() -> None:
    own = {"import": "pkg.mod:build", "input": [1, 3, 8, 8]}
    found = comparison_inputs(subject(architecture=own, field=""), splits(), count=1, seed=0)
    assert "seed 0" in found.origin
    silent = comparison_inputs(subject(architecture=own), splits(), count=1, seed=0)
    assert "does not say the range of its pixels" in silent.origin
    with pytest.raises(CalibrationError, match="range of its pixels"):
        calibration_inputs(subject(architecture=own), splits(), count=1, seed=0)
    said = comparison_inputs(subject(architecture=own, range="signed"), splits(), count=1, seed=0)
    assert float(said.sets[0][0].mean()) == pytest.approx(100 / 255 * 2 - 1)
