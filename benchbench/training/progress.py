"""One training's progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from tqdm import tqdm

_LINE_EVERY_S = 15.0


def say_on_stderr(line: str) -> None:
    """The default way to show a line."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class Progress:
    """Shows step, loss and time left.

    Args:
        label: what is trained, for people.
        total: steps in all.
        start: steps that an earlier process finished.
        say: shows one line; used where there is no terminal.
        clock: seconds; a test gives its own.
    """

    def __init__(
        self,
        label: str,
        *,
        total: int,
        start: int = 0,
        say: Callable[[str], None] = say_on_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label, self._total, self._start = label, total, start
        self._say, self._clock = say, clock
        self._began = self._last = clock()
        self._bar: tqdm[NoReturn] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total, initial=start, desc=label, unit="step", dynamic_ncols=True)

    def update(self, step: int, losses: Mapping[str, float]) -> None:
        """Told after every finished step; losses by name."""
        told = ", ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in losses.items())
        if self._bar is not None:
            self._bar.set_postfix_str(told, refresh=False)
            self._bar.update(step - self._bar.n)
            return
        now = self._clock()
        if now - self._last < _LINE_EVERY_S:
            return
        self._last = now
        left = (now - self._began) / max(1, step - self._start) * (self._total - step)
        self._say(f"{self._label}: step {step}/{self._total}, {told}, {_short(left)} left")

    def close(self) -> None:
        """Leaves the last state of the bar on the terminal."""
        if self._bar is not None:
            self._bar.close()


def _short(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
