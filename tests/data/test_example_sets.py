from __future__ import annotations

import random

import pytest
import torch

from benchbench.core.examples import ExampleSet
from benchbench.data.example_sets import AlignedSet, Examples, LabelledSet


class Told:
    """Images that show which one was drawn, and tell with which seeds."""

    def __init__(self) -> None:
        self.names = ("a", "b", "c")
        self.seeds: list[str] = []

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.full((3, 2, 2), index, dtype=torch.uint8)

    def draw(self, index: int, seed: str) -> torch.Tensor:
        self.seeds.append(seed)
        return self[index]


def test_what_is_aligned_is_drawn_with_one_seed():
    images, inputs = Told(), Told()
    examples = AlignedSet(images, {"input": inputs}, inputs=inputs)
    assert isinstance(examples, ExampleSet)
    assert (len(examples), examples.names, examples.inputs) == (3, images.names, inputs)
    assert examples[2].equal(images[2])
    example = examples.example(1, 7)
    assert tuple(example) == examples.fields == ("image", "input")
    assert images.seeds == inputs.seeds == ["7/1/view"]


def test_a_layout_is_no_input():
    examples = AlignedSet(Told(), {"layout": Told()})
    assert (examples.fields, examples.inputs) == (("image", "layout"), None)


def test_a_target_is_what_another_image_has():
    images, attributes = Told(), torch.eye(3)
    examples = LabelledSet(images, attributes)
    assert isinstance(examples, ExampleSet)
    example = examples.example(2, 5)
    assert example["attributes"].equal(attributes[2])
    assert example["target"].equal(attributes[random.Random("5/2/target").randrange(3)])
    assert images.seeds == ["5/2/view"]


def test_examples_without_a_way_to_draw_them_are_refused():
    with pytest.raises(TypeError, match="example"):
        Examples(Told())
