"""Batches read ahead in a thread of their own, so that a step does not wait for files."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from benchbench.core.examples import Batch
from benchbench.training.batches import Batches

_AHEAD = 2


class Feed:
    """The batches of the steps after `start`, in order.

    Args:
        batches: where they come from.
        start: finished steps.
        total: the last step.
    """

    def __init__(self, batches: Batches, *, start: int, total: int) -> None:
        self._batches, self._total = batches, total
        self._next = start + 1
        self._coming: dict[int, Future[Batch]] = {}
        # One: the order of a pass is kept between steps.
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")

    def load(self, step: int) -> Batch:
        """The batch of the next step.

        Raises:
            DataError: an image cannot be read.
        """
        while self._next <= min(step + _AHEAD, self._total):
            self._coming[self._next] = self._reader.submit(self._batches.load, self._next)
            self._next += 1
        return self._coming.pop(step).result()

    def __enter__(self) -> Feed:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._reader.shutdown(wait=True, cancel_futures=True)
