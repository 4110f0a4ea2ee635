from __future__ import annotations

import collections
import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import MeasureContext, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.examples import Splits
from benchbench.core.measurement import CellResult, OutputRecord
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.output import OutputOptions, measure, record_output
from benchbench.measures.seeded_output import SeededOutput, seeded_output


def made(value: object, *, seed: int = 0) -> SeededOutput:
    return seeded_output(lambda: value, seed=seed)


def subject_of(module: nn.Module) -> Subject:
    generator = torch.Generator().manual_seed(1)
    return Subject("net", module.eval(), (torch.randn(1, 3, 8, 8, generator=generator),))


def no_images() -> Splits:
    raise AssertionError("not asked for")


def test_the_same_network_makes_the_same_record_and_another_weight_another() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(3, 2, 3)
    first = record_output(subject_of(net), seed=0)
    assert record_output(subject_of(net), seed=0) == first
    assert (first.shape, len(first.digest), len(first.probe)) == ((1, 2, 6, 6), 16, 64)
    with torch.no_grad():
        net.weight[0, 0, 0, 0] += 1e-6
    assert record_output(subject_of(net), seed=0).digest != first.digest


def test_what_a_network_draws_is_seeded_and_the_callers_generator_is_left_alone() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.randn_like(x)

    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first = record_output(subject_of(Noisy()), seed=3)
    assert torch.equal(torch.rand(1), expected)
    assert record_output(subject_of(Noisy()), seed=3) == first
    assert record_output(subject_of(Noisy()), seed=4).digest != first.digest


def test_shape_type_and_place_are_a_part_of_the_digest() -> None:
    plain = torch.zeros(2, 3)
    digests = [
        made(value).digest
        for value in (
            plain,
            plain.reshape(3, 2),
            plain.to(torch.float64),
            plain.to(torch.int32),
            (plain,),
            {"a": plain},
            {"b": plain},
            [plain, plain],
        )
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([1, -2, 3], dtype=torch.int64),
        torch.tensor([True, False]),
        torch.tensor(3.5),
        torch.tensor([1.0, 2.0], dtype=torch.bfloat16),
        torch.arange(6.0).reshape(2, 3).T,
        torch.eye(3).to_sparse(),
        torch.zeros(0, 4),
    ],
)
def test_every_kind_of_tensor_has_a_digest(tensor: Tensor) -> None:
    found = made(tensor)
    assert found == made(tensor.clone())
    assert found.shape == tuple(tensor.shape)
    assert found.probe == tuple(tensor.to_dense().flatten().tolist())


def test_complex_numbers_are_probed_as_pairs_also_when_they_are_conjugated_lazily() -> None:
    values = torch.tensor([1 + 2j, 3 - 4j])
    assert made(values).probe == (1.0, 2.0, 3.0, -4.0)
    assert made(values.conj()) == made(torch.tensor([1 - 2j, 3 + 4j]))


def test_the_probe_is_spread_over_all_outputs_and_no_longer_than_64() -> None:
    parts = (torch.arange(100.0), torch.arange(100.0, 200.0))
    probe = made(parts).probe
    assert len(probe) == 64
    assert list(probe) == sorted(probe)
    assert sum(each >= 100 for each in probe) == 32
    assert made(torch.arange(5.0)).probe == (0.0, 1.0, 2.0, 3.0, 4.0)


def test_tuples_dictionaries_and_dataclasses_are_walked() -> None:
    @dataclasses.dataclass
    class Both:
        image: Tensor
        score: float
        note: str = "not looked at"

    named = collections.namedtuple("named", ["x"])(torch.ones(2))
    found = made({"a": (Both(torch.zeros(1, 2), 0.5), None), "b": [named]})
    assert found.shape == (1, 2)
    assert found.probe == (0.0, 0.0, 0.5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("value", "told"), [("text", "holds no tensor"), ((torch.ones(1), object()), "a object at .1")]
)
def test_what_is_no_tensor_is_told(value: object, told: str) -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> object:
            return value

    with pytest.raises(MeasurementError, match=told):
        record_output(subject_of(Odd()), seed=0)


def test_it_says_what_it_was_made_with() -> None:
    said = record_output(subject_of(nn.Identity()), seed=0).made_with
    assert said["torch"] == torch.__version__
    assert said["threads"] == torch.get_num_threads()
    assert (said["device"], said["weights"]) == ("cpu", "seeded")
    assert said["cpu"]


def test_trained_weights_are_told_from_seeded_ones() -> None:
    spec = ArchitectureSpec(name="transformer_net")
    trained = Cell.model_validate({"variant": "v", "architecture": spec, "train": {"recipe": "perceptual"}})
    subject = subject_of(nn.Identity())
    subject.cell, subject.checkpoint = trained, Path("weights.safetensors")
    assert record_output(subject, seed=0).made_with["weights"] == "trained"


def test_the_measure_leaves_a_record_that_is_stored_whole() -> None:
    context = MeasureContext(seed=0, folder=None, images=no_images, say=lambda _: None)
    assert measure.per_cell is not None
    measured = measure.per_cell(subject_of(nn.Conv2d(3, 1, 3)), OutputOptions(), context)
    assert measured.output is not None
    cell = Cell(variant="v", architecture=ArchitectureSpec(name="transformer_net"))
    stored = CellResult(cell=cell, output=measured.output).model_dump_json(by_alias=True)
    assert CellResult.model_validate_json(stored).output == measured.output


def test_a_value_that_is_no_number_survives_the_file() -> None:
    made_it = dataclasses.asdict(made(torch.tensor([float("nan"), float("inf")])))
    record = OutputRecord.model_validate(made_it)
    again = OutputRecord.model_validate(json.loads(record.model_dump_json()))
    assert [str(each) for each in again.probe] == ["nan", "inf"]
