from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from benchbench.core.errors import DataError
from benchbench.data.pairing import pair_up


class Named:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> torch.Tensor:
        raise AssertionError("pairs are made without reading an image")


def pairs(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int]]:
    return pair_up(Named(first), Named(second))


def test_names_pair_without_their_suffix():
    assert pairs(["a/1.png", "a/2.png", "b/1.png"], ["b/1.jpg", "a/1.jpg", "a/2.webp"]) == [
        (0, 1),
        (1, 2),
        (2, 0),
    ]


def test_a_dot_in_a_name_is_no_suffix_of_its_fellows():
    assert pairs(["v1.0.png", "v1.1.png"], ["v1.1.jpg", "v1.0.jpg"]) == [(0, 1), (1, 0)]


def test_those_without_a_partner_are_named():
    with pytest.raises(DataError, match=r"a/1, a/2, a/3 and 1 more of the first; b of the second"):
        pairs(["a/1.png", "a/2.png", "a/3.png", "a/4.png", "c.png"], ["b.png", "c.png"])


def test_the_same_name_in_another_folder_is_another():
    with pytest.raises(DataError, match="partner"):
        pairs(["a/1.png"], ["b/1.png"])


def test_one_name_for_two_is_refused():
    with pytest.raises(DataError, match=r"two images are called a: a\.jpg and a\.png"):
        pairs(["a.jpg", "a.png"], ["a.jpg", "b.png"])


def test_without_names_places_pair():
    assert pairs(["0", "1", "2"], ["0", "1", "2"]) == [(0, 0), (1, 1), (2, 2)]
    assert pairs(["cat.png", "dog.png"], ["0", "1"]) == [(0, 0), (1, 1)]


def test_numbers_count_before_places():
    assert pairs(
        ["0.png", "1.png", "10.png", "2.png", *(f"{n}.png" for n in range(3, 10))], list(map(str, range(11)))
    )[:4] == [(0, 0), (1, 1), (2, 10), (3, 2)]


def test_names_that_sort_as_text_do_not_pair_by_place():
    with pytest.raises(DataError, match=r"img_10\.png comes before img_2\.png"):
        pairs(["img_1.png", "img_10.png", "img_2.png"], ["0", "1", "2"])


def test_numbers_may_begin_anew_in_each_folder():
    assert pairs(["a/8.png", "a/9.png", "b/1.png"], ["0", "1", "2"]) == [(0, 0), (1, 1), (2, 2)]


def test_places_need_as_many_on_either_side():
    with pytest.raises(DataError, match="2 and 3 images do not pair up"):
        pairs(["cat.png", "dog.png"], ["0", "1", "2"])


def test_a_part_of_an_array_does_not_pair_by_place():
    with pytest.raises(DataError, match="partner"):
        pairs(["3", "5"], ["2", "5"])
