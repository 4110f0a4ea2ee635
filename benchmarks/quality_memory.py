"""The part of quality.py that measures memory, of a process of its own for each number of images."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from side_by_side import OURS, Row

from benchbench.quality.cache import FeatureCache
from benchbench.quality.frechet import frechet_distance

DIMENSIONS = 2048
BLOCK = 1000


def memory() -> list[Row]:
    """Peak resident memory above that of the imports; features are drawn, no image is read."""
    rows = []
    grown: list[float] = []
    for count in (5_000, 50_000):
        command = [sys.executable, __file__, str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=900, check=True)
        said = json.loads(done.stdout.splitlines()[-1])
        grown.append(said["bytes"] / 1e6)
        note = f"{grown[-1]:.0f} MB above what is imported; features drawn, not extracted"
        rows.append(Row(f"memory, N = {count:,}", OURS, said["seconds"], note=note))
    met = grown[1] <= 400 and grown[1] <= 1.1 * grown[0]
    rows[-1] = rows[-1]._replace(goal="<= 400 MB, whatever N", met=met)
    return rows


def serve_memory(count: int) -> dict[str, float]:
    """Writes `count` rows to a cache, and takes their distance to 5,000 others."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _peak_bytes()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        cache = FeatureCache(Path(folder))
        tables = []
        for seed, rows in enumerate((5_000, count)):
            source = {"seed": seed}
            with cache.writing(source, label="drawn", count=rows) as writer:
                for places, features in _drawn(seed, rows):
                    writer.write(places, features, None)
            table = cache.find(source)
            assert table is not None
            tables.append(table.rows())
        frechet_distance(*tables)
    return {"bytes": _peak_bytes() - before, "seconds": time.perf_counter() - started}


def _drawn(seed: int, count: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    random = np.random.default_rng(seed)
    for start in range(0, count, BLOCK):
        places = np.arange(start, min(start + BLOCK, count))
        yield places, random.standard_normal((len(places), 1, DIMENSIONS), dtype=np.float32)


def _peak_bytes() -> int:
    # Of this process alone: getrusage also counts what its parent was before it.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    raise SystemExit("/proc/self/status has no VmHWM: memory is measured on Linux alone")


if __name__ == "__main__":
    print(json.dumps(serve_memory(int(sys.argv[1]))))
