"""What post-training quantisation takes its ranges from, checked, and a quiet place for it to run in."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchbench.core.backends import Network
from benchbench.core.errors import CalibrationError

LEAST = 8


def calibration_arrays(network: Network, *, is_open: bool = False) -> list[tuple[Any, ...]]:
    """The calibration inputs as numpy arrays, in their order.

    Args:
        is_open: whether batch, height and width may be others than those of the network's inputs.

    Raises:
        CalibrationError: fewer than 8 examples, or of other shapes than the network's inputs.
    """
    sets = list(network.calibration)
    count = sum(values[0].shape[0] if values and values[0].dim() else 1 for values in sets)
    if count < LEAST:
        raise CalibrationError(
            f"int8 was given {count} examples to calibrate on",
            expected=f"{LEAST} or more",
            fix="declare `calibration: {images: 64}`, and data that has as many",
        )
    wanted = [list(each.shape) for each in network.inputs]
    for index, values in enumerate(sets):
        found = [list(each.shape) for each in values]
        fits = partial(_fits, is_open=is_open)
        if len(found) != len(wanted) or not all(map(fits, found, wanted)):
            raise CalibrationError(
                f"set {index} of the calibration inputs has "
                + (f"the shapes {', '.join(map(str, found))}" if found else "no tensors"),
                expected=f"those of the network's inputs: {', '.join(map(str, wanted))}",
                fix="calibrate on data of the network's `input` size",
            )
    return [tuple(each.detach().cpu().numpy() for each in values) for values in sets]


def _fits(found: list[int], wanted: list[int], *, is_open: bool) -> bool:
    if not is_open or len(found) != len(wanted):
        return found == wanted
    fixed = [index for index in range(1, len(wanted)) if len(wanted) != 4 or index == 1]
    return all(found[index] == wanted[index] for index in fixed)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Nothing that a library prints or logs below an error, progress bars among it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def onnx_reader(sets: Sequence[tuple[Any, ...]], names: Sequence[str]) -> Any:
    """The sets as ONNX Runtime's `quantize_static` reads them: one feed after the other, by input name."""
    from onnxruntime.quantization import CalibrationDataReader

    class _Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(sets)

        def get_next(self) -> dict[str, Any] | None:
            values = next(self._left, None)
            return None if values is None else dict(zip(names, values, strict=True))

    return _Reader()
