"""Our quality metrics beside clean-fid, torch-fidelity, torchmetrics and pytorch-fid, in one run.

    python benchmarks/quality.py
    python benchmarks/quality.py --quick
    python benchmarks/quality.py --only "frechet*"

No download: features are synthetic, with 2,048 dimensions, and the Inception has random weights. Tools that
are not installed are told as absent. Ours and theirs take turns in one process; seconds are medians, and
what counts is their ratio: the last column but one says what it should be. Folders of images are the
slowest by far: `--images 2000`, which is the default, takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from fnmatch import fnmatch

import numpy as np
import quality_images
import quality_memory
import torch
from numpy.typing import NDArray
from side_by_side import OURS, Row, absent, alternate, importable, load_average, show, versions

from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality.frechet import frechet_distance
from benchbench.quality.kernel import kernel_distance

DIMENSIONS = 2048
PEERS = ("clean-fid", "torch-fidelity", "torchmetrics", "pytorch-fid")
THREADS = 2
Features = NDArray[np.float64]


def designed_pair(
    count: int, dimensions: int = DIMENSIONS, seed: int = 0
) -> tuple[Features, Features, float]:
    """Two feature sets [N, D] whose Fréchet distance is known: the second is the first, moved by a map.

    The map is linear and symmetric positive definite, so that it is the optimal transport between the two
    sample Gaussians, whatever their covariances (Dowson and Landau 1982; they do not commute here).
    """
    random = np.random.default_rng(seed)
    spectrum = 0.5 / np.sqrt(np.arange(1, dimensions + 1) / dimensions + 0.01)
    x = random.standard_normal((count, dimensions)) * spectrum + random.random(dimensions)
    axes = np.linalg.qr(random.standard_normal((dimensions, dimensions)))[0]
    stretched = random.uniform(0.7, 1.3, dimensions)
    step = random.random(dimensions) / 4
    # Kept apart from the sum y = x + moved, in which digits are lost.
    moved = (x @ axes) * (stretched - 1) @ axes.T + step
    centred = moved - moved.mean(axis=0)
    distance = np.square(moved.mean(axis=0)).sum() + np.square(centred).sum() / (count - 1)
    # In another order: nothing but the moments may count.
    return x, random.permutation(x + moved), float(distance)


def frechet_peers() -> dict[str, Callable[[Features, Features], float]]:
    """Features -> distance, each as its package does it."""

    def by_clean_fid(x: Features, y: Features) -> float:
        from cleanfid.fid import fid_from_feats

        return float(fid_from_feats(x, y))

    def by_torch_fidelity(x: Features, y: Features) -> float:
        from torch_fidelity import metric_fid

        statistics = [metric_fid.fid_features_to_statistics(torch.from_numpy(each)) for each in (x, y)]
        return float(metric_fid.fid_statistics_to_metric(*statistics, False)[metric_fid.KEY_METRIC_FID])

    def by_torchmetrics(x: Features, y: Features) -> float:
        from torchmetrics.image.fid import _compute_fid

        moments = [(each.mean(dim=0), each.T.cov()) for each in (torch.from_numpy(x), torch.from_numpy(y))]
        return float(_compute_fid(*moments[0], *moments[1]))

    def by_pytorch_fid(x: Features, y: Features) -> float:
        from pytorch_fid.fid_score import calculate_frechet_distance

        moments = [(each.mean(axis=0), np.cov(each, rowvar=False)) for each in (x, y)]
        return float(calculate_frechet_distance(*moments[0], *moments[1]))

    return importable(
        {
            "clean-fid": ("cleanfid.fid", by_clean_fid),
            "torch-fidelity": ("torch_fidelity.metric_fid", by_torch_fidelity),
            "torchmetrics": ("torchmetrics.image.fid", by_torchmetrics),
            "pytorch-fid": ("pytorch_fid.fid_score", by_pytorch_fid),
        }
    )


def kernel_peers() -> dict[str, Callable[[Features, Features], float]]:
    """Features -> KID of 100 subsets of at most 1,000, each as its package does it."""

    def by_clean_fid(x: Features, y: Features) -> float:
        from cleanfid.fid import kernel_distance as theirs

        return theirs(x, y)

    def by_torch_fidelity(x: Features, y: Features) -> float:
        from torch_fidelity import metric_kid

        settings = {"kid_subsets": 100, "kid_subset_size": min(1000, len(x)), "verbose": False}
        found = metric_kid.kid_features_to_metric(torch.from_numpy(x), torch.from_numpy(y), **settings)
        return float(found[metric_kid.KEY_METRIC_KID_MEAN])

    def by_torchmetrics(x: Features, y: Features) -> float:
        from torchmetrics.image.kid import poly_mmd

        sets, size = (torch.from_numpy(x), torch.from_numpy(y)), min(1000, len(x))
        # As KernelInceptionDistance.compute, which wants images.
        values = [poly_mmd(*(each[torch.randperm(len(each))[:size]] for each in sets)) for _ in range(100)]
        return float(torch.stack(values).mean())

    return importable(
        {
            "clean-fid": ("cleanfid.fid", by_clean_fid),
            "torch-fidelity": ("torch_fidelity.metric_kid", by_torch_fidelity),
            "torchmetrics": ("torchmetrics.image.kid", by_torchmetrics),
        }
    )


def frechet(count: int, goal: float, repeats: int) -> list[Row]:
    """The Fréchet step from features, and its error against the closed form."""
    x, y, wanted = designed_pair(count)
    peers = frechet_peers()
    small = designed_pair(40, 16)[:2]
    found = alternate({OURS: frechet_distance, **peers}, (x, y), small, repeats)
    case = f"frechet, N = {count:,}"
    rows = []
    for tool, timed in found.items():
        if timed.failed:
            rows.append(Row(case, tool, note=f"failed: {timed.failed}"))
            continue
        error, ratio = abs(timed.result / wanted - 1), timed.seconds / found[OURS].seconds
        row = Row(case, tool, timed.seconds, ratio, timed.result, error)
        if tool == OURS:
            row = row._replace(goal="error <= 1e-9", met=error <= 1e-9, note=load_average())
        elif tool == "clean-fid":
            row = row._replace(goal=f">= {goal:g} x", met=ratio >= goal)
        rows.append(row)
    return rows + absent(case, PEERS, found)


def identical(count: int, repeats: int) -> list[Row]:
    """What is said of a set and itself."""
    x, _, _ = designed_pair(count)
    small = designed_pair(40, 16)[0]
    found = alternate({OURS: frechet_distance, **frechet_peers()}, (x, x), (small, small), repeats)
    case = f"identical sets, N = {count:,}"
    rows = []
    for tool, timed in found.items():
        row = Row(case, tool, value=timed.result, note=f"failed: {timed.failed}" if timed.failed else "")
        if tool == OURS:
            row = row._replace(goal="0 to 1e-9", met=0 <= timed.result <= 1e-9)
        rows.append(row)
    return rows + absent(case, PEERS, found)


def kernel(count: int, goal: float, repeats: int) -> list[Row]:
    """The exact kernel distance; the others choose subsets at random."""
    random = np.random.default_rng(0)
    # Non-negative and correlated, as an Inception's are, and float32.
    mixing = random.random((64, DIMENSIONS)) / 32
    x, y = (
        np.abs(random.standard_normal((count, 64)) @ mixing + shift).astype(np.float32)
        + np.abs(random.standard_normal((count, DIMENSIONS))).astype(np.float32) / 4
        for shift in (0.2, 0.23)
    )
    wanted = _kernel_plainly(x.astype(np.float64), y.astype(np.float64))
    found = alternate({OURS: kernel_distance, **kernel_peers()}, (x, y), (x[:50], y[:50]), repeats)
    case = f"exact KID, N = {count:,}"
    rows = []
    for tool, timed in found.items():
        ratio = timed.seconds / found[OURS].seconds
        error = abs(timed.result / wanted - 1)
        row = Row(case, tool, timed.seconds, ratio, timed.result, error)
        if tool == OURS:
            row = row._replace(note=load_average())
        elif tool == "clean-fid":
            row = row._replace(goal=f">= {goal:g} x", met=ratio >= goal)
        rows.append(row)
    return rows + absent(case, PEERS[:3], found)


def _kernel_plainly(x: Features, y: Features) -> float:
    n, within = len(x), 0.0
    for each in (x, y):
        values = (each @ each.T / DIMENSIONS + 1) ** 3
        within += (values.sum() - np.trace(values)) / (n * (n - 1))
    return float(within - 2 * ((x @ y.T / DIMENSIONS + 1) ** 3).mean())


def main() -> int:
    """Measure, show; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", help="a glob over the names of rows")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, and 200 images")
    parser.add_argument("--images", type=int, help="in either folder; 2000 unless said")
    parser.add_argument("--repeats", type=int, help="3 unless said")
    parser.add_argument("--json", action="store_true", help="every row, for a program")
    parsed = parser.parse_args()
    _restart_with_threads()
    torch.set_num_threads(THREADS)
    declare_missing_operators()
    repeats = parsed.repeats or (1 if parsed.quick else 3)
    images = parsed.images or (200 if parsed.quick else 2000)
    cases: dict[str, Callable[[], list[Row]]] = {
        "frechet 500": lambda: frechet(500, 200, repeats),
        "frechet 5000": lambda: frechet(5_000, 6, repeats),
        "identical 500": lambda: identical(500, 1),
        "identical 5000": lambda: identical(5_000, 1),
        "kid 1000": lambda: kernel(1_000, 40, repeats),
        "kid 5000": lambda: kernel(5_000, 5, repeats),
        "resize": lambda: quality_images.resizing(10 * repeats),
        "inception": lambda: quality_images.inception(3 * repeats),
        "folder": lambda: quality_images.folders(images),
        "memory": quality_memory.memory,
    }
    told = versions(("torch", "scipy", "numpy", *PEERS))
    print(f"{told}; {THREADS} threads; {load_average()}", file=sys.stderr)
    rows: list[Row] = []
    for name, measure in cases.items():
        if fnmatch(name, parsed.only):
            rows += measure()
            print(f"{name}: done, {load_average()}", file=sys.stderr)
    if parsed.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        show(rows)
    return 1 if any(row.met is False for row in rows) else 0


def _restart_with_threads() -> None:
    """NumPy's and SciPy's products take as many threads as there are cores, unless told before they load."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    if any(os.environ.get(name) != str(THREADS) for name in names):
        os.execve(
            sys.executable, [sys.executable, *sys.argv], {**os.environ, **dict.fromkeys(names, str(THREADS))}
        )


if __name__ == "__main__":
    sys.exit(main())
