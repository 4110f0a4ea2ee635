from __future__ import annotations

import torch

from benchbench.data.domains import flipped

STARGAN = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")


def test_hair_is_set_and_the_rest_flipped():
    targets = flipped(torch.tensor([0.0, 1, 0, 1, 0]), STARGAN)
    assert targets.tolist() == [
        [1, 0, 0, 1, 0],
        [0, 1, 0, 1, 0],
        [0, 0, 1, 1, 0],
        [0, 1, 0, 0, 0],
        [0, 1, 0, 1, 1],
    ]


def test_what_is_given_is_left_alone():
    given = torch.tensor([1.0, 0])
    assert flipped(given, ("Male", "Young")).tolist() == [[0, 0], [1, 1]]
    assert given.tolist() == [1, 0]
