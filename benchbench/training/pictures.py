"""Pictures of what a network makes while it is trained."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from benchbench.core.measurement import ImageRecord
from benchbench.data.images import write_png
from benchbench.training.job import Job
from benchbench.training.state import Progressed

# What is shown at several steps; everything else is written once.
_BY_STEP = ("output", "grid")


class Pictures:
    """Records them in every process, each once, and writes them."""

    def __init__(self, job: Job, progressed: Progressed) -> None:
        self._job, self._progressed = job, progressed

    def record(self, made: Iterable[tuple[ImageRecord, torch.Tensor]]) -> list[tuple[str, torch.Tensor]]:
        """Paths and pictures of those that are not kept yet."""
        done, fresh = self._progressed, []
        known = {(image.role, image.index, image.step) for image in done.images}
        for record, picture in made:
            step = done.step if record.role in _BY_STEP else None
            if (record.role, record.index, step) in known:
                continue
            suffix = "" if step is None else f"-step{step}"
            path = f"samples/{self._job.name}/{record.role}-{record.index}{suffix}.png"
            done.images.append(record.model_copy(update={"path": path, "step": step}))
            fresh.append((path, picture))
        return fresh

    def write(self, fresh: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Write pictures below the run's folder.

        Raises:
            StoreError: it cannot be done.
        """
        for path, picture in fresh:
            write_png(self._job.folder / path, picture)
