"""The figures are clean-fid's own, on the same network: the whole path from files to numbers."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchbench.core.errors import FeatureError
from benchbench.core.imports import find_object
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.data.open import open_images
from benchbench.measures.quality.evaluate import Evaluation, Means, evaluate
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.sides import Side

SEED, SUBSETS, SIZE = 7, 60, 12
MODES = pytest.mark.parametrize(("resize", "mode"), [("clean", "clean"), ("legacy", "legacy_pytorch")])


@pytest.fixture
def folders(tmp_path: Path, write_pictures: Callable[..., Path]) -> tuple[Path, Path]:
    """26 and 24 pictures of several sizes, smaller and larger than 299 pixels on a side."""
    return (
        write_pictures(tmp_path / "real", 26, seed=1, sizes=(40, 64, 90, 310)),
        write_pictures(tmp_path / "fake", 24, seed=2, noise=60, sizes=(64, 70, 330)),
    )


def clean_fids(real: Path, fake: Path, model: Callable[[Tensor], Tensor], mode: str) -> dict[str, float]:
    """clean-fid's FID; its KID over subsets with their deviation, and over all pairs by the definition."""
    declare_missing_operators()
    from cleanfid import fid

    x, y = (
        fid.get_folder_features(
            str(folder),
            model,
            num_workers=0,
            batch_size=8,
            device=torch.device("cpu"),
            mode=mode,
            verbose=False,
        ).astype(float)
        for folder in (real, fake)
    )
    # Its rows are in the order of names, ours in that of contents: the drawn subsets depend on it.
    x, y = x[by_content(real)], y[by_content(fake)]
    random = np.random.get_state()
    try:
        np.random.seed(SEED)
        single = [fid.kernel_distance(x, y, num_subsets=1, max_subset_size=SIZE) for _ in range(SUBSETS)]
        np.random.seed(SEED)
        mean = fid.kernel_distance(x, y, num_subsets=SUBSETS, max_subset_size=SIZE)
    finally:
        np.random.set_state(random)
    with warnings.catch_warnings():
        # Of its square root, with fewer images than dimensions.
        warnings.filterwarnings("ignore", message="Matrix is singular")
        distance = float(fid.fid_from_feats(x, y))
    return {
        "fd": distance,
        "kd_subsets": mean,
        "deviation": float(np.std(single)),
        "kd": all_pairs(x, y),
    }


def by_content(folder: Path) -> list[int]:
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]
    return sorted(range(len(digests)), key=digests.__getitem__)


def all_pairs(x: Any, y: Any) -> float:
    def kernel(a: Any, b: Any) -> Any:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def own(a: Any) -> float:
        found = kernel(a, a)
        return float(found.sum() - np.trace(found)) / (len(a) * (len(a) - 1))

    return own(x) + own(y) - 2 * float(kernel(x, y).mean())


def ours(folders: tuple[Path, Path], features: dict[str, Any], means: Means) -> dict[str, float]:
    options = QualityOptions.model_validate(
        {
            "metrics": ["fd", "kd", "kd_subsets"],
            "features": features,
            "subsets": SUBSETS,
            "subset_size": SIZE,
            "seed": SEED,
            "resamples": 0,
            "batch": 8,
        }
    )
    real, fake = (Side(open_images(folder), str(folder)) for folder in folders)
    found: Evaluation = evaluate(real, fake, options, means)
    assert not found.refused, found.refused[0].error
    return {each.name.partition("[")[0]: each.value for each in found.measurements}


def check(found: dict[str, float], wanted: dict[str, float], *, rel: float) -> None:
    assert wanted["fd"] > 0
    assert found["fd"] == pytest.approx(wanted["fd"], rel=rel)
    assert found["kd_subsets"] == pytest.approx(wanted["kd_subsets"], rel=rel)
    assert found["kd"] == pytest.approx(wanted["kd"], rel=rel)
    # All pairs are what the subsets estimate.
    assert abs(found["kd"] - wanted["kd_subsets"]) < 4 * wanted["deviation"] / SUBSETS**0.5


@MODES
def test_a_small_network_gives_clean_fids_figures(
    folders: tuple[Path, Path], means: Means, small_extractor: str, resize: str, mode: str
) -> None:
    network = find_object(small_extractor, (), error=FeatureError)()
    wanted = clean_fids(*folders, network, mode)
    found = ours(folders, {"name": small_extractor, "side": 299, "resize": resize}, means)
    check(found, wanted, rel=1e-4)


def test_the_two_resizes_give_different_figures(
    folders: tuple[Path, Path], means: Means, small_extractor: str
) -> None:
    clean, legacy = (
        ours(folders, {"name": small_extractor, "side": 64, "resize": resize}, means)["fd"]
        for resize in ("clean", "legacy")
    )
    assert abs(clean - legacy) > 1e-3 * clean


@pytest.mark.slow
@MODES
def test_inception_gives_clean_fids_figures(
    folders: tuple[Path, Path], means: Means, tmp_path: Path, stubs: ModuleType, resize: str, mode: str
) -> None:
    path = tmp_path / "inception-2015-12-05.pt"
    digest = stubs.write_torchscript_stub(path, width=0.25)
    declare_missing_operators()
    from cleanfid.inception_torchscript import InceptionV3W

    # Its own way of building this loads from a fixed place.
    wanted = clean_fids(*folders, InceptionV3W(str(tmp_path), download=False), mode)
    features = {"name": "inception", "weights": str(path), "sha256": digest, "resize": resize}
    check(ours(folders, features, means), wanted, rel=1e-3)
