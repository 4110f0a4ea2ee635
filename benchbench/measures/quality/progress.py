"""Images per second and the time left: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import NoReturn

from tqdm import tqdm

_LINE_EVERY_S = 15.0


def show_progress(
    label: str, say: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None]:
    """What is told (images done, images in all), again and again.

    Args:
        label: what is looked at, for people.
        say: shows one line, where there is no terminal.
        clock: seconds; a test gives its own.
    """
    began = last = clock()
    bar: tqdm[NoReturn] | None = None

    def told(done: int, total: int) -> None:
        nonlocal bar, last
        if sys.stderr.isatty():
            if bar is None:
                bar = tqdm(total=total, desc=label, unit="image", dynamic_ncols=True)
            bar.update(done - bar.n)
            if done >= total:
                bar.close()
            return
        now = clock()
        if now - last < _LINE_EVERY_S or now <= began:
            return
        last = now
        rate = done / (now - began)
        say(f"{label}: {done}/{total} images, {rate:.1f} images/s, {(total - done) / rate:.0f} s left")

    return told
