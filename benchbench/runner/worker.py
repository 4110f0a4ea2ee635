"""The fresh process: reads one job from standard input, answers on a pipe, and ends with its parent.

Started as `python -m benchbench.runner.worker FD`; see runner/isolate.py.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from benchbench.runner.jobs import Answer, Job

_STARTED_S = time.perf_counter()


def _end_with_parent(parent: IO[str]) -> None:
    # A blocked read costs nothing, unlike looking every second whether the parent lives.
    parent.read()
    os._exit(1)


def _take_over_stdin() -> IO[str]:
    """The way from the parent; who asks for input here, in somebody's model, finds none and does not wait."""
    parent = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return parent


def answer_job(text: str) -> str:
    """Do the job that `text` holds as JSON, and give the answer as JSON.

    Raises:
        KeyboardInterrupt: it was interrupted; a training has left a checkpoint.
    """
    from benchbench.core.errors import BenchbenchError
    from benchbench.runner.jobs import Answer, Job, Obstacle

    job = Job.model_validate_json(text)
    # A list, "4,2", is OpenMP's own affair.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdecimal() and int(threads):
        import torch

        torch.set_num_threads(int(threads))
    try:
        answer = _do(job)
    except BenchbenchError as error:
        told = error.problem if error.where is None else f"{error.where}: {error.problem}"
        kind = type(error).__name__
        answer = Answer(
            obstacle=Obstacle(
                error=kind, problem=told, expected=error.expected, fix=error.fix, variant=error.variant
            )
        )
    return answer.model_dump_json(by_alias=True)


def _do(job: Job) -> Answer:
    from benchbench.core.errors import BenchbenchError
    from benchbench.runner.jobs import Answer

    if job.check is not None:
        from pathlib import Path

        from benchbench.runner.subjects import check_cells

        check_cells(job.check.cells, folders=[Path(each) for each in job.check.import_folders])
        return Answer()
    try:
        if job.cell is not None:
            from benchbench.runner.cell_job import execute_cell

            imported_s = time.perf_counter() - _STARTED_S
            return Answer(result=execute_cell(job.cell), imported_s=imported_s)
        if job.static is not None:
            from benchbench.runner.cell_job import execute_cell

            return Answer(results=tuple(execute_cell(each) for each in job.static))
        if job.describe is not None:
            from pathlib import Path

            from benchbench.runner.describe_network import describe_cells

            places = [Path(each) for each in job.describe.import_folders]
            return Answer(described=describe_cells(job.describe.cells, folders=places))
        if job.profile is not None:
            from benchbench.runner.profile_job import execute_profile

            return Answer(profile=execute_profile(job.profile))
        if job.export is not None:
            from benchbench.runner.export_job import execute_export

            return Answer(made=execute_export(job.export))
        if job.roof is not None:
            from benchbench.runner.roof_job import execute_roof

            return Answer(roof=execute_roof(job.roof))
        from benchbench.runner.comparison_job import execute_replicate

        assert job.replicate is not None
        imported_s = time.perf_counter() - _STARTED_S
        return Answer(replicate=execute_replicate(job.replicate), imported_s=imported_s)
    except Exception as error:
        if (job.describe or job.profile or job.export) and isinstance(error, BenchbenchError):
            # Told to whoever asked, as it is; nothing is recorded.
            raise
        from benchbench.measures.failures import explain_failure

        return Answer(failure=explain_failure(error, of=job.of))


def main() -> int:
    """Answer one job; 0 when an answer was written, 130 when interrupted."""
    try:
        parent = _take_over_stdin()
        text = parent.readline()
        threading.Thread(target=_end_with_parent, args=(parent,), daemon=True).start()
        answer = answer_job(text)
        with os.fdopen(int(sys.argv[1]), "w", encoding="utf-8") as pipe:
            pipe.write(answer)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    try:
        status = main()
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        status = 130
    # Not through interpreter shutdown: the watching thread sits in a read that never ends.
    os._exit(status)
