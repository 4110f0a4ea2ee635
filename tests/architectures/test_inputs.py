from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError
from torch import nn

import benchbench as bb
from benchbench.architectures.build import build_architecture
from benchbench.architectures.inputs import check_inputs, declared_inputs, example_inputs
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import ArchitectureError
from benchbench.core.suite import ArchitectureSpec


def test_example_inputs_are_seeded_and_typed() -> None:
    specs = (InputSpec(shape=(2, 3)), InputSpec(shape=(5,), dtype="int64", high=4))
    first, labels = example_inputs(specs, seed=1)
    again, _ = example_inputs(specs, seed=1)
    other, _ = example_inputs(specs, seed=2, dtype=torch.float64)
    assert torch.equal(first, again)
    assert not torch.equal(first, other.float())
    assert other.dtype == torch.float64
    assert labels.dtype == torch.int64
    assert set(labels.tolist()) <= {0, 1, 2, 3}
    assert all(each.is_meta for each in example_inputs(specs, device="meta"))


@pytest.mark.parametrize("shape", [(3, 7), (2, 5, 8, 4)])
def test_a_label_map_is_one_in_one_channel_of_every_position(shape: tuple[int, ...]) -> None:
    spec = InputSpec(shape=shape, values="one_hot")
    (drawn,) = example_inputs([spec], seed=3)
    assert drawn.shape == shape
    assert torch.equal(drawn.sum(1), torch.ones(shape[0], *shape[2:]))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(drawn, example_inputs([spec], seed=3)[0])
    assert not torch.equal(drawn, example_inputs([spec], seed=4)[0])


def test_bool_is_all_true_and_a_default_device_does_not_matter() -> None:
    specs = (InputSpec(shape=(2, 2), dtype="bool"), InputSpec(shape=(2, 3), values="one_hot"))
    with torch.device("meta"):
        mask, labels = example_inputs(specs)
    assert mask.all()
    assert labels.sum() == 2


IMAGE, STYLE, STEP = (1, 3, 8, 8), (1, 5), {"shape": (1,), "dtype": "int64", "high": 9}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 3, 8, 8], [("", IMAGE)]),
        ([[1, 3, 8, 8], [1, 5]], [("", IMAGE), ("", STYLE)]),
        ({"shape": [1, 5]}, [("", STYLE)]),
        ([[1, 3, 8, 8], STEP], [("", IMAGE), ("", (1,))]),
        ({"x": [1, 3, 8, 8], "t": STEP}, [("x", IMAGE), ("t", (1,))]),
        ([{"image": [1, 3, 8, 8], "t": STEP}, [1, 5]], [(".image", IMAGE), (".t", (1,)), ("", STYLE)]),
        (
            {"batch": {"image": [1, 3, 8, 8], "style": [1, 5]}},
            [("batch.image", IMAGE), ("batch.style", STYLE)],
        ),
    ],
)
def test_declared_inputs_are_flat_and_survive_a_round_trip(
    given: object, expected: list[tuple[str, tuple[int, ...]]]
) -> None:
    spec = ArchitectureSpec.model_validate({"import": "a:b", "input": given})
    assert spec.input is not None
    flat = declared_inputs(spec.input)
    assert [(each.place, each.shape) for each in flat] == expected
    assert all((each.dtype, each.high) == ("int64", 9) for each in flat if each.shape == (1,))
    assert ArchitectureSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert ArchitectureSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_shape_is_declared_in_the_form_that_ids_are_made_from() -> None:
    for given in ([1, 3, 8, 8], [[1, 3, 8, 8]]):
        spec = ArchitectureSpec.model_validate({"import": "a:b", "input": given})
        assert spec.model_dump(mode="json") == {"import": "a:b", "input": [[1, 3, 8, 8]]}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "one input or more"),
        ({}, "one entry or more"),
        (3, "a shape such as"),
        ([1, 0], "greater than 0"),
        ([1, 3.5], "valid integer"),
        ([[1, 3], 4], "a shape such as"),
        ({"shape": [1, 36], "values": "onehot"}, "'normal' or 'one_hot'"),
        ({"shape": [36], "values": "one_hot"}, "classes in dimension 1, and the shape is [36]"),
        ({"shape": [1, 36], "values": "one_hot", "dtype": "int64", "high": 3}, "remove 'dtype'"),
        ({"shape": [1], "dtype": "int64"}, "need 'high'"),
        ({"shape": [1], "high": 3}, "remove one of them"),
        ({"shape": [1], "dtpye": "int64"}, "did you mean 'dtype'?"),
        ({"shpae": [1], "dtype": "int64"}, "did you mean 'shape'?"),
        ({"x": {"y": {"z": [1]}}}, "shape"),
        ({"a.b": [1, 3]}, "a name without a point"),
        ({"x": {}}, "one entry or more"),
        ([{"x": [1]}, {"y": [1]}], "no two dictionaries in a row"),
    ],
)
def test_a_wrong_input_is_told(given: object, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ArchitectureSpec.model_validate({"import": "a:b", "input": given})
    assert words in str(caught.value)


def sized(name: str, *shapes: list[int], **options: object) -> ArchitectureSpec:
    return ArchitectureSpec.model_validate({"name": name, "input": list(shapes), **options})


def test_a_registered_architecture_keeps_the_kind_of_its_inputs() -> None:
    with torch.device("meta"):
        built = build_architecture(sized("spade_generator", [2, 36, 128, 256], width=4))
    assert built.inputs == (InputSpec(shape=(2, 36, 128, 256), values="one_hot", field="layout"),)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (
            sized("transformer_net", [1, 4, 64, 64], width=2),
            (
                "'transformer_net' was given the input [1, 4, 64, 64]: 4 channels, not 3\n"
                "  expected: for example [1, 3, 64, 64]\n"
                "  to do: correct 'input', or leave it out"
            ),
        ),
        (
            sized("transformer_net", [1, 3, 63, 65], width=2),
            (
                "'transformer_net' was given the input [1, 3, 63, 65]: "
                "a height or width that is no multiple of 4\n"
                "  expected: for example [1, 3, 64, 64]\n"
                "  to do: correct 'input', or leave it out"
            ),
        ),
        (
            sized("transformer_net", [3, 64, 64], width=2),
            (
                "'transformer_net' was given the input [3, 64, 64]: 3 dimensions, not 4\n"
                "  expected: for example [1, 3, 256, 256]\n"
                "  to do: correct 'input', or leave it out"
            ),
        ),
        (
            sized("transformer_net", [1, 3, 64, 64], [1, 5], width=2),
            (
                "'transformer_net' was given 2 inputs: [1, 3, 64, 64], [1, 5]\n"
                "  expected: 1 input, for example [1, 3, 256, 256]\n"
                "  to do: correct 'input', or leave it out"
            ),
        ),
        (
            sized("dcgan_discriminator", [1, 3, 60, 60]),
            (
                "'dcgan_discriminator' was given the input [1, 3, 60, 60]: "
                "another size than it is built for\n"
                "  expected: for example [1, 3, 64, 64]\n"
                "  to do: correct 'input', or give the size as an option of the architecture, if it has one"
            ),
        ),
    ],
)
def test_a_size_that_a_registered_architecture_does_not_take_is_told(
    spec: ArchitectureSpec, told: str
) -> None:
    with torch.device("meta"), pytest.raises(ArchitectureError) as caught:
        build_architecture(spec)
    assert str(caught.value) == told


def test_a_registered_architecture_takes_shapes_alone() -> None:
    with pytest.raises(ValidationError, match="one shape per argument"):
        ArchitectureSpec.model_validate({"name": "transformer_net", "input": {"image": [1, 3, 64, 64]}})


def test_another_size_is_counted() -> None:
    spec = sized("transformer_net", [1, 3, 64, 64], width=2)
    with torch.device("meta"):
        small = bb.count(build_architecture(spec).module)
        assert bb.count(bb.build("transformer_net", width=2)).macs == 16 * small.macs


def tried(act) -> tuple[nn.Module, list[str]]:
    """A network that does `act` with its input, and the devices that it was run on."""
    devices: list[str] = []

    class Tried(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # Not in the network, whose state a trial puts back.
            devices.append(x.device.type)
            act(x)
            return super().forward(x)

    return Tried(3, 4, 3), devices


@pytest.mark.parametrize(
    "needs_values",
    [lambda x: float(x.max()), lambda x: x.numpy(), lambda x: x.tolist(), lambda x: bool(x.sum() > 0)],
)
def test_a_network_that_needs_values_is_run_for_real(needs_values) -> None:
    network, devices = tried(needs_values)
    check_inputs(network, [InputSpec(shape=(1, 3, 8, 8))], name="tried")
    assert devices == ["meta", "cpu"]


def test_a_fault_that_is_not_of_meta_is_told_at_once() -> None:
    network, devices = tried(lambda x: {}["missing"])
    with pytest.raises(ArchitectureError, match=r"'tried' does not take input.*missing"):
        check_inputs(network, [InputSpec(shape=(1, 3, 8, 8))], name="tried")
    assert devices == ["meta"]
