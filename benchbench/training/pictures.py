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
    """Writes and records them, each once, whatever process made it first."""

    def __init__(self, job: Job, progressed: Progressed) -> None:
        self._job, self._progressed = job, progressed

    def take(self, made: Iterable[tuple[ImageRecord, torch.Tensor]], *, writes: bool) -> None:
        """Keep those that are not kept yet; only the process that `writes` has files to write."""
        done, job = self._progressed, self._job
        known = {(image.role, image.index, image.step) for image in done.images}
        for record, picture in made:
            step = done.step if record.role in _BY_STEP else None
            if (record.role, record.index, step) in known:
                continue
            suffix = "" if step is None else f"-step{step}"
            path = f"samples/{job.name}/{record.role}-{record.index}{suffix}.png"
            done.images.append(record.model_copy(update={"path": path, "step": step}))
            if writes:
                write_png(job.folder / path, picture)
