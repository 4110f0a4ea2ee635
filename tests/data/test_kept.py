from __future__ import annotations

import pickle

import pytest
import torch

from benchbench.data.kept import Kept


def test_what_fits_is_made_once_and_the_rest_every_time():
    kept, made = Kept(100), []

    def make(size: int) -> torch.Tensor:
        made.append(size)
        return torch.full((size,), 7, dtype=torch.uint8)

    for _ in range(2):
        for size in (60, 50, 40):
            assert kept.take(size, lambda size=size: make(size)).tolist() == [7] * size
    assert made == [60, 50, 40, 50]
    assert len(kept) == 2
    assert kept.used_bytes == 100
    assert not kept.has_room(1)


def test_a_part_of_a_tensor_does_not_keep_the_whole():
    kept = Kept(1000)
    found = kept.take("part", lambda: torch.zeros(1_000_000, dtype=torch.uint8)[:10])
    assert found.untyped_storage().nbytes() == 10


def test_nothing_is_kept_where_nothing_may_be():
    kept = Kept(0)
    kept.take("a", lambda: torch.zeros(1))
    assert len(kept) == 0


def test_what_fails_is_not_kept():
    kept = Kept(10)
    with pytest.raises(ZeroDivisionError):
        kept.take("a", lambda: torch.zeros(1 // 0))
    assert len(kept) == 0


def test_another_process_starts_with_nothing_and_the_same_budget():
    kept = Kept(10)
    kept.take("a", lambda: torch.zeros(10, dtype=torch.uint8))
    again = pickle.loads(pickle.dumps(kept))
    assert len(again) == 0
    assert again.has_room(10)
    assert not again.has_room(11)
