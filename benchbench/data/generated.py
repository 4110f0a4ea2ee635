"""Images that a callable makes, batch by batch, from a seed and a count."""

from __future__ import annotations

import hashlib
import tempfile
import threading
import weakref
from collections.abc import Callable

import torch

from benchbench.core.errors import BenchbenchError, DataError
from benchbench.data.collection import HashedByPixels
from benchbench.data.conversion import Conversion, to_bytes

Make = Callable[[int, torch.Generator], torch.Tensor]
"""(how many, a seeded generator on the CPU) -> images [n, 3, H, W], uint8 or floats of the declared range."""


class GeneratedImages(HashedByPixels):
    """`count` images of `make`, each made once and kept as bytes in a temporary file.

    A batch is made when the first of its images is asked for, with a generator seeded from (seed, number
    of the batch), and always whole: image i depends on (seed, batch, i) alone, not on what was read
    before and not on `count`. What `make` draws from elsewhere than its generator is beyond this.

    Args:
        make: see `Make`; called in inference mode, by one thread at a time.
        count: how many images.
        seed: of all that is drawn.
        batch: images per call.
        conversion: range and quantisation of floats.
        what: for messages.

    Raises:
        DataError: later, when `make` fails, or what it makes are no images or of a size that changes.
    """

    def __init__(
        self,
        make: Make,
        *,
        count: int,
        seed: int,
        batch: int,
        conversion: Conversion,
        what: str = "generated images",
    ) -> None:
        if count < 1 or batch < 1:
            raise DataError(f"{what}: {count} in batches of {batch}", expected="at least 1, in batches of 1")
        self.what, self.conversion = what, conversion
        self.names = tuple(map(str, range(count)))
        self.labels = None
        self._make, self._seed, self._batch = make, seed, batch
        self._lock = threading.Lock()
        self._made: set[int] = set()
        self._shape: tuple[int, ...] | None = None
        self._file = tempfile.TemporaryFile(prefix="benchbench-generated-")  # noqa: SIM115  closed below
        weakref.finalize(self, self._file.close)

    def __getitem__(self, index: int) -> torch.Tensor:
        number = range(len(self))[index]
        with self._lock:
            if number // self._batch not in self._made:
                self._keep(number // self._batch)
            assert self._shape is not None
            bytes_each = self._shape[0] * self._shape[1] * self._shape[2]
            self._file.seek(number * bytes_each)
            content = bytearray(self._file.read(bytes_each))
        return torch.frombuffer(content, dtype=torch.uint8).reshape(self._shape)

    def _keep(self, batch: int) -> None:
        start = batch * self._batch
        images = self._draw(batch)
        shape = tuple(images.shape[1:])
        if self._shape is not None and shape != self._shape:
            raise DataError(
                f"{self.what}: images of {list(shape)} after {list(self._shape)}", expected="one size for all"
            )
        self._shape = shape
        whole = [
            to_bytes(image, self.conversion, name=f"{self.what}[{start + place}]")
            for place, image in enumerate(images[: len(self) - start])
        ]
        try:
            self._file.seek(start * whole[0].numel())
            self._file.write(torch.stack(whole).contiguous().numpy().data)
        except OSError as error:
            raise DataError(
                f"{self.what}: {len(self)} images do not fit into {tempfile.gettempdir()} ({error.strerror})",
                fix="make room there, or name another folder with TMPDIR",
            ) from None
        self._made.add(batch)

    def _draw(self, batch: int) -> torch.Tensor:
        digits = hashlib.sha256(f"{self._seed}/{batch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digits[:7], "big"))
        try:
            with torch.inference_mode():
                made = self._make(self._batch, generator)
        except BenchbenchError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.what}: batch {batch} failed, {type(error).__name__}: {error}",
                expected=f"a tensor [{self._batch}, 3, height, width]",
                fix="look at the callable that makes them",
            ) from error
        if not isinstance(made, torch.Tensor) or made.dim() != 4 or made.shape[:2] != (self._batch, 3):
            told = list(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
            raise DataError(
                f"{self.what}: {told} came, asked for {self._batch} images",
                expected=f"a tensor [{self._batch}, 3, height, width]",
                fix="look at the callable that makes them",
            )
        return made.detach().cpu()
