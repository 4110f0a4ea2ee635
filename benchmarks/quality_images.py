"""The part of quality.py that looks at images: resizing, the network, and folders from end to end."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from side_by_side import OURS, Row, absent, alternate, importable, load_average
from torch import Tensor, nn

from benchbench.data.images import to_picture
from benchbench.data.photos import PhotosOptions, open_photos
from benchbench.measures.quality.evaluate import Evaluation
from benchbench.measures.quality.options import QualityOptions
from benchbench.quality.cache import FeatureCache
from benchbench.quality.fuse import FusedNetwork
from benchbench.quality.inception import SIDE
from benchbench.quality.inception_pytorch import build_network, in_order
from benchbench.quality.resize import resize
from benchbench.quality.statistics import statistics_of
from benchbench.runner.quality import open_side, score

BATCH = 32
STUB = "inception-2015-12-05.pt"  # clean-fid looks for this name
Network = Callable[[Tensor], Tensor]


def photos(count: int, seed: int) -> Tensor:
    """uint8 [count, 3, 256, 256]: overlapping crops of photographs."""
    crops = open_photos(PhotosOptions(size=256, train=count, validation=0, test=0), seed).train
    return torch.stack([crops[index] for index in range(count)])


def stubs() -> ModuleType:
    """tests/quality/inception_stubs.py."""
    path = Path(__file__).parents[1] / "tests" / "quality" / "inception_stubs.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def resizing(repeats: int) -> list[Row]:
    """A batch of 256 x 256 to 299 x 299, `clean`."""

    def ours(images: Tensor) -> Tensor:
        return resize(images, side=SIDE, how="clean")

    def by_clean_fid(images: Tensor) -> Tensor:
        from cleanfid.resize import build_resizer

        resizer = build_resizer("clean")
        return torch.stack(
            [
                torch.from_numpy(resizer(each.permute(1, 2, 0).numpy()).transpose(2, 0, 1).copy())
                for each in images
            ]
        )

    peers = importable({"clean-fid": ("cleanfid.resize", by_clean_fid)})
    batch = photos(BATCH, seed=0)
    found = alternate({OURS: ours, **peers}, (batch,), (batch,), repeats)
    case = f"clean resize 256 to 299, {BATCH} images"
    rows = [Row(case, OURS, found[OURS].seconds, 1.0, note=load_average())]
    if "clean-fid" in peers:
        theirs = found["clean-fid"]
        ratio = theirs.seconds / found[OURS].seconds
        error = float((theirs.result - found[OURS].result).abs().max())
        rows[0] = rows[0]._replace(
            error=error, goal="differ <= 1e-4", met=error <= 1e-4, note=f"of 0..255; {load_average()}"
        )
        rows.append(Row(case, "clean-fid", theirs.seconds, ratio, goal=">= 1.6 x", met=ratio >= 1.6))
    return rows + absent(case, ("clean-fid",), peers)


def inception(repeats: int) -> list[Row]:
    """Random-weights Inceptions, as they are and in our form: torchvision's own start, and livelier ones."""
    made = stubs()
    torch.manual_seed(0)
    rows = _network_rows("Inception, torchvision's start", in_order(build_network()), repeats)
    lively = build_network()
    made.draw_weights(lively, 0)
    rows += _network_rows("Inception, lively weights", in_order(lively), repeats)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / STUB
        made.write_torchscript_stub(path)
        script = torch.jit.load(str(path)).eval().layers
        rows += _network_rows("Inception, TorchScript, lively", script, repeats)
    return rows


def _network_rows(case: str, network: nn.Module, repeats: int) -> list[Row]:
    pictures = resize(photos(16, seed=0), side=SIDE, how="clean") / 127.5 - 1
    fused = FusedNetwork(network, pictures[:1])
    with warnings.catch_warnings():
        # Of copying a network that wants no gradients.
        warnings.simplefilter("ignore")
        precise = copy.deepcopy(network).double()

    def plainly(call: Network) -> Network:
        def called(images: Tensor) -> Tensor:
            with torch.inference_mode():
                return call(images)

        return called

    found = alternate({OURS: plainly(fused), "eager": plainly(network)}, (pictures,), (pictures,), repeats)
    ours, eager = found[OURS], found["eager"]
    exact = plainly(precise)(pictures[:4].double())
    error = _relative(ours.result, eager.result)
    ratio = eager.seconds / ours.seconds
    off = [f"{_relative(each.result[:4], exact):.1e} off float64" for each in (ours, eager)]
    rates = [f"{len(pictures) / each.seconds:.1f} images/s" for each in (ours, eager)]
    return [
        Row(case, OURS, ours.seconds, 1.0, error=error, note=f"{rates[0]}, {off[0]}; {load_average()}",
            goal="error <= 5e-6", met=error <= 5e-6),
        Row(case, "eager", eager.seconds, ratio, note=f"{rates[1]}, {off[1]}",
            goal=">= 1.7 x", met=ratio >= 1.7),
    ]  # fmt: skip


def _relative(found: Tensor, wanted: Tensor) -> float:
    return float((found.double() - wanted.double()).norm() / wanted.double().norm())


class Run(NamedTuple):
    """One evaluation of two folders."""

    seconds: float
    value: float
    evaluation: Evaluation | None = None


def folders(count: int) -> list[Row]:
    """PNG to Fréchet distance; ours before and after theirs, then again with the reference known."""
    with tempfile.TemporaryDirectory() as named:
        folder = Path(named)
        reference, generated = folder / "reference", folder / "generated"
        _write(reference, photos(count, seed=0))
        # Darker, so that there is something to be measured.
        _write(generated, (photos(count, seed=1) * 0.8).round().to(torch.uint8))
        digest = stubs().write_torchscript_stub(folder / STUB)
        options = QualityOptions.model_validate(
            {
                "metrics": ["fd"],
                "features": [{"name": "inception", "weights": str(folder / STUB), "sha256": digest}],
                "resamples": 0,
                "batch": BATCH,
            }
        )
        peers = importable({"clean-fid": ("cleanfid.fid", _by_clean_fid)})
        workers, told = _best_workers(folder, count) if peers else (0, "")
        first = _by_benchbench(folder, options, folder / "first")
        theirs = _by_clean_fid(folder, reference, generated, workers) if peers else None
        second = _by_benchbench(folder, options, folder / "second")
        seconds = (first.seconds + second.seconds) / 2
        case = f"2 folders of {count:,} PNG 256 x 256"
        loads = load_average()
        rows = [Row(case, OURS, seconds, 1.0, first.value, note=f"{_parts(second)}; {loads}")]
        if theirs is not None:
            error, ratio = abs(first.value / theirs.value - 1), theirs.seconds / seconds
            rows[0] = rows[0]._replace(error=error, goal="error <= 1e-3", met=error <= 1e-3)
            rows.append(
                Row(case, "clean-fid", theirs.seconds, ratio, theirs.value, note=told,
                    goal=">= 1.7 x", met=ratio >= 1.7)
            )  # fmt: skip
        rows += absent(case, ("clean-fid",), peers)
        return [*rows, *_again(folder, options), _intervals(folder, options)]


def _again(folder: Path, options: QualityOptions) -> list[Row]:
    """The same with the reference's features known, and other images generated: theirs are forgotten."""
    cache = folder / "first"
    known = open_side(folder / "reference", options, limit=None).images.digest
    for meta in (cache / "features").glob("*/meta.json"):
        if json.loads(meta.read_text())["source"]["images"] != known:
            shutil.rmtree(meta.parent)
    found = _by_benchbench(folder, options, cache)
    # What the reference costs in it, once more alone.
    started = time.perf_counter()
    assert open_side(folder / "reference", options, limit=None).images.digest == known
    entries = [json.loads(meta.read_text())["source"] for meta in (cache / "features").glob("*/meta.json")]
    table = FeatureCache(cache).find(next(each for each in entries if each["images"] == known))
    assert table is not None
    statistics_of(table.rows())
    seconds = time.perf_counter() - started
    share = seconds / found.seconds
    note = f"reference {seconds * 1e3:.0f} ms = {share:.2%}: hashed, found, read, summed up"
    return [
        Row("the same, reference cached", OURS, found.seconds, value=found.value, note=note,
            goal="reference < 1 %", met=share < 0.01)
    ]  # fmt: skip


def _intervals(folder: Path, options: QualityOptions) -> Row:
    """All features known: what is left are the scores, with an interval."""
    found = _by_benchbench(folder, options.model_copy(update={"resamples": 1000}), folder / "first")
    return Row(
        "the same, all cached, with interval", OURS, found.seconds, value=found.value, note=_parts(found)
    )


def _parts(run: Run) -> str:
    assert run.evaluation is not None
    return ", ".join(f"{name} {each.seconds:.1f} s" for name, each in run.evaluation.times.items())


def _write(folder: Path, images: Tensor) -> None:
    folder.mkdir()
    for index, image in enumerate(images):
        to_picture(image).save(folder / f"{index:05}.png")


def _by_benchbench(folder: Path, options: QualityOptions, cache: Path) -> Run:
    started = time.perf_counter()
    found = score(folder / "reference", folder / "generated", options, cache=cache, say=lambda _: None)
    assert not found.refused, found.refused
    return Run(time.perf_counter() - started, found.measurements[0].value, found)


def _by_clean_fid(folder: Path, reference: Path, generated: Path, workers: int) -> Run:
    from cleanfid.fid import compare_folders
    from cleanfid.inception_torchscript import InceptionV3W

    started = time.perf_counter()
    network = InceptionV3W(str(folder), download=False).eval()
    with warnings.catch_warnings():
        # Of its matrix square root, where there are fewer images than dimensions.
        warnings.simplefilter("ignore")
        value = compare_folders(
            str(reference),
            str(generated),
            network,
            mode="clean",
            num_workers=workers,
            batch_size=BATCH,
            device=torch.device("cpu"),
            verbose=False,
        )
    return Run(time.perf_counter() - started, float(value))


def _best_workers(folder: Path, count: int) -> tuple[int, str]:
    """Reading processes that clean-fid is fastest with, none or two, by a part of the images."""
    part = folder / "part"
    part.mkdir()
    for path in sorted((folder / "reference").iterdir())[: max(2 * BATCH, count // 10)]:
        shutil.copy(path, part)
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    network = InceptionV3W(str(folder), download=False).eval()
    seconds = {}
    for workers in (0, 2, 0, 2):
        started = time.perf_counter()
        get_folder_features(
            str(part),
            network,
            num_workers=workers,
            batch_size=BATCH,
            device=torch.device("cpu"),
            verbose=False,
        )
        # The first of each also compiles.
        seconds[workers] = time.perf_counter() - started
    best = min(seconds, key=lambda each: seconds[each])
    rate = len(list(part.iterdir())) / np.array([seconds[0], seconds[2]])
    return best, f"num_workers={best} ({rate[0]:.1f} images/s with 0, {rate[1]:.1f} with 2)"
