from __future__ import annotations

import pytest
import torch
from torch import distributed

from benchbench.training.image_pool import ImagePool


def numbered(first: int, count: int) -> torch.Tensor:
    """Images that are one number each."""
    return torch.arange(first, first + count).float().view(-1, 1, 1, 1).requires_grad_()


def pool(size: int = 3, **given: int) -> ImagePool:
    return ImagePool(size, (1, 1, 1), seed=5, name="made", **given)


def numbers(images: torch.Tensor) -> list[int]:
    return [int(each) for each in images.flatten()]


def test_until_it_is_full_images_are_kept_and_handed_on():
    ours = pool()
    assert numbers(ours.exchange(numbered(1, 2), step=1)) == [1, 2]
    assert int(ours.filled) == 2
    assert numbers(ours.exchange(numbered(3, 1), step=2)) == [3]
    assert numbers(ours.images) == [1, 2, 3]


def test_a_full_one_hands_on_or_exchanges_at_even_odds():
    ours = pool()
    ours.exchange(numbered(0, 3), step=1)
    exchanged = 0
    for step in range(2, 402):
        before = numbers(ours.images)
        seen = ours.exchange(numbered(step + 100, 1), step=step)
        assert not seen.requires_grad
        after = numbers(ours.images)
        if numbers(seen) == [step + 100]:
            assert after == before
        else:
            exchanged += 1
            place = before.index(numbers(seen)[0])
            assert after == [*before[:place], step + 100, *before[place + 1 :]]
    assert 160 < exchanged < 240


def test_none_is_kept_without_room():
    seen = pool(0).exchange(numbered(4, 2), step=1)
    assert numbers(seen) == [4, 5]
    assert not seen.requires_grad


def test_what_it_hands_out_is_not_changed_by_later_exchanges():
    ours = pool(1)
    ours.exchange(numbered(0, 1), step=1)
    handed = [(step, ours.exchange(numbered(step, 1), step=step)) for step in range(2, 30)]
    again = pool(1)
    again.exchange(numbered(0, 1), step=1)
    for step, seen in handed:
        assert numbers(seen) == numbers(again.exchange(numbered(step, 1), step=step))


def test_it_goes_on_from_its_state():
    whole, cut = pool(), pool()
    for step in range(1, 6):
        whole.exchange(numbered(2 * step, 2), step=step)
        cut.exchange(numbered(2 * step, 2), step=step)
    resumed = pool()
    resumed.load_state_dict(cut.state_dict())
    for step in range(6, 20):
        made = numbered(2 * step, 2)
        assert torch.equal(whole.exchange(made, step=step), resumed.exchange(made, step=step))


def test_two_processes_hold_and_hand_out_what_one_does(monkeypatch: pytest.MonkeyPatch):
    alone = pool()
    parts = [pool(rank=rank, world=2) for rank in range(2)]
    batch = numbered(0, 4)

    def gather(into: list[torch.Tensor], mine: torch.Tensor) -> None:
        for rank, each in enumerate(into):
            each.copy_(batch[rank::2])

    monkeypatch.setattr(distributed, "all_gather", gather)
    for step in range(1, 12):
        batch = numbered(4 * step, 4).detach()
        expected = alone.exchange(batch, step=step)
        for rank, part in enumerate(parts):
            assert torch.equal(part.exchange(batch[rank::2], step=step), expected[rank::2])
            assert torch.equal(part.images, alone.images)
