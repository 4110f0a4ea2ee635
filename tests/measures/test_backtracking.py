from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import InputSpec, MeasureContext, Subject
from benchbench.core.errors import CheckpointError, DataError, MeasurementError, OptionError
from benchbench.core.examples import Splits
from benchbench.core.model import parse_options
from benchbench.core.registry import MEASURES
from benchbench.core.suite import ArchitectureSpec
from benchbench.data.images import read_image
from benchbench.measures.backtracking import BacktrackingOptions, measure

LATENT, SIZE = 3, 8


class Colours(nn.Module):
    """One colour from three numbers: every even picture can be made exactly."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.size, self.scale = size, nn.Parameter(torch.ones(()))
        self.norm = nn.BatchNorm1d(LATENT)

    def forward(self, z):
        made = (self.norm(z) * self.scale).tanh()
        return made[:, :, None, None].expand(-1, -1, self.size, self.size)


class Pictures(list[torch.Tensor]):
    @property
    def names(self):
        return tuple(f"picture {index}" for index in range(len(self)))


def pictures(count: int, size: int = SIZE, *, speckle: bool = False) -> Pictures:
    """Even colours, and for `speckle` one pixel of each that none can reach."""
    made = Pictures()
    for index in range(count):
        colour = torch.tensor([60 + 20 * index, 128, 200 - 20 * index], dtype=torch.uint8)
        made.append(colour.view(3, 1, 1).repeat(1, size, size))
        if speckle:
            made[index][:, 0, 0] = 255
    return made


def splits(*, count: int = 5, **given: object) -> Splits:
    return Splits(pictures(4), pictures(2), pictures(count, **given), "digest")


def subject(module: nn.Module | None = None, **given: object) -> Subject:
    cell = Cell(variant="v", architecture=ArchitectureSpec.model_validate("dcgan"))
    made = Subject(
        "v", module or Colours(), (torch.zeros(1, LATENT),), specs=(InputSpec(shape=(1, LATENT)),), cell=cell
    )
    return replace(made, **given)


def take(one: Subject, data: Splits | None = None, folder=None, **given: object):
    given = {"steps": 150, "lr": 0.05, "device": "cpu", **given}
    options = parse_options("measure", "backtracking", BacktrackingOptions, given)
    context = MeasureContext(seed=0, folder=folder, images=lambda: data or splits(), say=str)
    assert measure.per_cell is not None
    return measure.per_cell(one, options, context)


def test_the_defaults_are_the_papers_where_it_says_them():
    assert MEASURES.load("backtracking") is measure
    assert measure.names == ("backtracking_l2", "backtracking_lpips")
    assert BacktrackingOptions().steps == 1000


def test_what_can_be_made_is_found():
    (found,) = take(subject()).measurements
    assert (found.name, found.unit, found.direction, found.flags) == ("backtracking_l2", "1", "lower", ())
    assert len(found.samples[0]) == 5
    assert max(found.samples[0]) < 1e-4
    assert found.value == pytest.approx(sum(found.samples[0]) / 5)
    assert found.value in found.interval


def test_what_no_latent_makes_leaves_the_distance_of_the_nearest():
    images = splits(speckle=True)
    (found,) = take(subject(), images, steps=400).measurements
    for index, told in enumerate(found.samples[0]):
        wanted = images.test[index].float() / 255
        # Of even colours the mean is the nearest by L2.
        nearest = wanted.mean(dim=(1, 2), keepdim=True)
        assert told == pytest.approx(float((wanted - nearest).square().mean()), rel=1e-3)


def test_more_updates_come_closer():
    values = [take(subject(), steps=steps).measurements[0].value for steps in (1, 20, 150)]
    assert values == sorted(values, reverse=True)


def test_images_do_not_touch_each_other():
    whole = take(subject(), batch=5).measurements[0].samples[0]
    assert take(subject(), batch=2).measurements[0].samples[0] == pytest.approx(whole, rel=1e-4, abs=1e-9)
    assert take(subject(), images=2, batch=1).measurements[0].samples[0] == pytest.approx(whole[:2], abs=1e-9)


def test_what_was_found_is_kept_beside_what_was_looked_for(tmp_path):
    found = take(subject(), folder=tmp_path, samples=2, batch=1)
    assert [(each.role, each.index, each.step) for each in found.images] == [
        ("reference", 1, None), ("output", 1, None), ("reference", 2, None), ("output", 2, None),
    ]  # fmt: skip
    assert found.images[1].caption == "picture 0, back-tracked by l2"
    pictures = [read_image(tmp_path / each.path) for each in found.images]
    assert torch.equal(pictures[2], splits().test[1])
    assert (pictures[3].int() - pictures[2].int()).abs().max() <= 4
    assert take(subject(), samples=0, folder=tmp_path).images == ()
    assert take(subject()).images == ()


@pytest.mark.parametrize("training", [True, False])
def test_the_network_is_left_as_it_was(training):
    module = Colours().train(training)
    module.scale.requires_grad_(training)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    random = torch.random.get_rng_state()
    take(subject(module), steps=3)
    assert module.training is training
    assert module.scale.requires_grad is training
    assert module.norm.weight.requires_grad
    assert all(each.grad is None for each in module.parameters())
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), random)


def test_a_range_of_0_to_1_is_not_stretched():
    class Unit(Colours):
        def forward(self, z):
            return (super().forward(z) + 1) / 2

    assert take(subject(Unit()), range="unit").measurements[0].value < 1e-4
    with pytest.raises(OptionError, match="does not say the range of its pixels"):
        take(subject(cell=None))


def test_lpips_is_minimised_and_told_under_its_name():
    images = splits(size=32, count=2)
    lpips = {"net": "alex", "weights": "random"}
    few, many = (
        take(subject(Colours(32)), images, steps=steps, distance="lpips", lpips=lpips).measurements[0]
        for steps in (1, 40)
    )
    assert (many.name, many.setting) == ("backtracking_lpips", "lpips[random-alex]")
    assert many.flags == ("lpips[random-alex]: not comparable to the literature",)
    assert many.value < few.value / 2


def test_the_protocol_tells_apart_what_cannot_be_compared():
    def hash_of(**given: object) -> str:
        return take(subject(), **{"steps": 2, **given}).measurements[0].protocol.hash

    assert hash_of() == hash_of(batch=2, samples=1, resamples=500)
    others = [hash_of(steps=3), hash_of(lr=0.1), hash_of(seed=1), hash_of(images=3)]
    assert len({hash_of(), *others}) == 5


def test_networks_of_something_else_are_not_measured():
    picture = subject(nn.Identity(), inputs=(torch.zeros(1, 3, 8, 8),), specs=())
    assert take(picture).failures[0].kind == "unsupported"
    labelled = subject(specs=(InputSpec(shape=(1, LATENT), field="target"),))
    assert take(labelled).failures[0].kind == "unsupported"


def test_a_suite_without_data():
    def none() -> Splits:
        raise DataError("the suite declares no data", fix="add 'data'")

    context = MeasureContext(seed=0, folder=None, images=none, say=str)
    assert measure.per_cell is not None
    (failure,) = measure.per_cell(subject(), BacktrackingOptions(), context).failures
    assert (failure.kind, failure.reason) == ("unsupported", "the suite declares no data")


@pytest.mark.parametrize("given", [{"images": 6}, {}])
def test_too_few_test_images(given):
    with pytest.raises(DataError, match=r"backtracking: \d images, and the data have \d test images"):
        take(subject(), splits(count=5 if given else 1), **given)


def test_images_of_another_size():
    with pytest.raises(DataError, match=r"makes \[3, 8, 8\], and the test images are \[3, 16, 16\]"):
        take(subject(), splits(size=16), steps=1)


def test_a_search_that_leaves_the_numbers():
    class Broken(Colours):
        def forward(self, z):
            return super().forward(z) * float("nan")

    with pytest.raises(MeasurementError, match="a distance is no number after 2 steps"):
        take(subject(Broken()), steps=2)


def test_weights_of_lpips_that_are_not_here(tmp_path):
    with pytest.raises(CheckpointError, match="LPIPS"):
        take(subject(), distance="lpips", lpips={"weights": str(tmp_path / "none.pth")})
