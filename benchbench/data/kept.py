"""Decoded pictures kept in memory, up to a budget."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

import torch


class Kept:
    """Tensors by key: the first that come stay, until the budget is spent.

    Nothing is ever thrown out: training goes through all examples in an order of its own every time, and
    what was used longest ago is what is needed next.

    Args:
        budget_bytes: of all tensors together.
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget, self.used_bytes = budget_bytes, 0
        self._kept: dict[Hashable, torch.Tensor] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[type[Kept], tuple[int]]:
        # Another process has memory of its own: it keeps what it decodes itself.
        return Kept, (self._budget,)

    def __len__(self) -> int:
        return len(self._kept)

    def has_room(self, size_bytes: int) -> bool:
        """Whether one more of that size fits."""
        return self.used_bytes + size_bytes <= self._budget

    def take(self, key: Hashable, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """What is kept under `key`, or what `make` returns, kept from now on if it fits.

        `make` may run twice where two threads ask at once; it must give the same each time.
        """
        found = self._kept.get(key)
        if found is not None:
            return found
        made = make()
        size = made.numel() * made.element_size()
        with self._lock:
            if key not in self._kept and self.used_bytes + size <= self._budget:
                # A part of a larger tensor would keep the whole alive.
                made = made if made.untyped_storage().nbytes() == size else made.clone()
                self._kept[key] = made
                self.used_bytes += size
            return self._kept.get(key, made)
