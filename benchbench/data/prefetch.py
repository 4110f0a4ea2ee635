"""Images decoded ahead in threads, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from benchbench.core.examples import ImageSet

ReadT = TypeVar("ReadT")


def iterate(
    images: ImageSet, order: Sequence[int], *, workers: int, ahead: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """(index, image) in `order`, decoded before they are asked for.

    Args:
        images: read from several threads at once; Pillow decodes without Python's lock.
        order: indices.
        workers: threads; 0 reads in this one.
        ahead: how many images are decoded or being decoded at most, at least `workers`.

    Raises:
        DataError: whatever an image raises, in its turn; nothing behind it is started any more.
    """
    return read_ahead(images.__getitem__, order, workers=workers, ahead=ahead)


def read_ahead(
    read: Callable[[int], ReadT], order: Sequence[int], *, workers: int, ahead: int
) -> Iterator[tuple[int, ReadT]]:
    """(index, what `read` makes of it) in `order`; the threads end with the iterator, however it ends."""
    if workers == 0:
        for index in order:
            yield index, read(index)
        return
    limit = max(ahead, workers)
    waiting: deque[tuple[int, Future[ReadT]]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="benchbench-read")
    try:
        for index in order:
            if len(waiting) == limit:
                first, future = waiting.popleft()
                yield first, future.result()
            waiting.append((index, pool.submit(read, index)))
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
