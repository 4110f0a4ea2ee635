"""The fresh process: reads one job from standard input, answers on a pipe, and ends with its parent.

Started as `python -m benchbench.runner.worker FD`; see runner/isolate.py.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

_STARTED_S = time.perf_counter()


def _end_with_parent() -> None:
    # A blocked read costs nothing, unlike looking every second whether the parent lives.
    sys.stdin.read()
    os._exit(1)


def main() -> int:
    """Do the job; 0 when an answer was written, 130 when interrupted."""
    from benchbench.runner.jobs import Answer, Job, explain_failure

    answer_to = int(sys.argv[1])
    job = Job.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    folders = (job.cell or job.replicate or _none()).import_folders
    for folder in reversed(folders):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    import torch

    threads = int(os.environ.get("OMP_NUM_THREADS", "0"))
    if threads:
        torch.set_num_threads(threads)
    try:
        if job.cell is not None:
            from benchbench.runner.cell_job import execute_cell

            imported_s = time.perf_counter() - _STARTED_S
            answer = Answer(result=execute_cell(job.cell), imported_s=imported_s)
        else:
            from benchbench.runner.comparison_job import execute_replicate

            assert job.replicate is not None
            imported_s = time.perf_counter() - _STARTED_S
            answer = Answer(replicate=execute_replicate(job.replicate), imported_s=imported_s)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        answer = Answer(failure=explain_failure(error, of="cell" if job.cell else _measure_of(job)))
    with os.fdopen(answer_to, "w", encoding="utf-8") as pipe:
        pipe.write(answer.model_dump_json(by_alias=True))
    return 0


def _none() -> object:
    raise ValueError("a job is a cell or a replicate")


def _measure_of(job: object) -> str:
    return str(getattr(getattr(job, "replicate", None), "measure", "cell"))


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Not through interpreter shutdown: the watching thread sits in a read that never ends.
    os._exit(status)
