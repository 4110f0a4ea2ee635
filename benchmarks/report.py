"""How long a report takes, the memory it needs, how large it is, and how soon a browser can use it.

    python benchmarks/report.py
    python benchmarks/report.py --browser --many

Every report is made by `benchbench report` in a fresh process; its peak resident memory is the high-water
mark that Linux keeps of that process. Goals: 15 s and 1 GB for 100 cells, 5 MB for 30 cells with galleries,
1 s in Chromium on two cores. The runs are synthetic, and each cell of them has what a suite leaves:

    samples   200 of latency in 4 processes, and 200 of LPIPS, one per test image
    figures   parameters, MACs, latency, speed-up, LPIPS, FD, cold start, training time
    layers    30 in three stages, of which 10 were exchanged; a loss curve of 1,000 steps, scores of 20
    pictures  13 of 256 x 256 pixels: 4 contents and a style that are the same in every cell, and the 4
              outputs at two steps, crops of scikit-image's photographs with the cell's own noise, as PNG
              (`many`: 200 outputs of 96 x 96 pixels instead, each a file of its own)
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data as photographs

from benchbench.core.cell import Cell
from benchbench.core.environment import Environment
from benchbench.core.layer_record import LayerCount, LayerReplacement
from benchbench.core.measurement import (
    CellResult,
    Curve,
    ImageRecord,
    Interval,
    Measurement,
    Protocol,
    RunRecord,
)
from benchbench.core.store import RunStore
from benchbench.core.suite import Suite

Pixels = NDArray[np.uint8]
_PHOTOS: tuple[Pixels, ...] = tuple(
    np.asarray(photo())
    for photo in (photographs.astronaut, photographs.chelsea, photographs.coffee, photographs.rocket)
)
_STAGES = ("encoder", "residual", "decoder")
# What the browser is asked, before the page's own scripts: when the chart and the tables are there, and
# the frame that shows them has been handed over.
_WATCH = """
new MutationObserver((_, watch) => {
  if (!document.documentElement || !document.documentElement.dataset.ready) return;
  watch.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.interactiveMs = performance.now(); }));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""
_SORT = """() => {
  const button = document.querySelector("table.data .sort");
  const started = performance.now();
  button.click();
  document.body.getBoundingClientRect();
  return performance.now() - started;
}"""


@dataclass(frozen=True)
class Case:
    """A run to report on."""

    name: str
    cells: int
    seeds: int
    pictures: int
    side: int


CASES = (
    Case("100 cells, each a variant", 100, 1, 4, 256),
    Case("100 cells: 20 variants, 5 seeds", 100, 5, 4, 256),
    Case("30 cells, each a variant", 30, 1, 4, 256),
)
MANY = Case("100 cells, 200 pictures each", 100, 1, 200, 96)


def main() -> None:
    """Print a row per run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--browser", action="store_true", help="open each report in the system's Chromium")
    parser.add_argument("--many", action="store_true", help="also 200 pictures in each of 100 cells")
    parser.add_argument("--loads", type=int, default=7, help="how often a browser opens each report")
    parser.add_argument("--keep", metavar="DIR", help="leave runs and reports there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(given.keep or temporary)
        print(
            f"{'':34}{'wall':>8}{'peak memory':>14}{'HTML':>10}{'folder':>10}{'interactive':>14}{'sort':>8}"
        )
        for case in (*CASES, *([MANY] if given.many else [])):
            folder = root / case.name.translate({ord(" "): "-", ord(","): None, ord(":"): None})
            shutil.rmtree(folder, ignore_errors=True)
            run = make_run(case, folder / "results")
            wall_s, peak_bytes, html = make_report(run, folder / "reports")
            size = sum(file.stat().st_size for file in html.parent.rglob("*") if file.is_file())
            said = f"{wall_s:6.1f} s{peak_bytes / 1e6:11.0f} MB"
            said += f"{html.stat().st_size / 1e6:7.2f} MB{size / 1e6:7.1f} MB"
            if given.browser:
                soon_ms, sort_ms = open_report(html, given.loads)
                said += f"{soon_ms:11.0f} ms{sort_ms:5.0f} ms"
            print(f"{case.name:34}{said}", flush=True)
    print(f"goals, 100 cells: 15 s, 1000 MB; 30 cells: 5 MB; a browser: 1000 ms   ({os.cpu_count()} cores)")


def make_report(run: Path, out: Path) -> tuple[float, int, Path]:
    """Seconds of the whole process, the high-water mark of its memory, and the HTML file."""
    script = (
        "import sys; from benchbench.cli import main; code = main(sys.argv[1:]); "
        "from benchbench.core.resident import peak_resident_bytes; "
        "print(peak_resident_bytes() or 0); sys.exit(code)"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, "report", str(run), "--out", str(out)],
        check=True,
        capture_output=True,
        text=True,
    )
    wall_s = time.perf_counter() - started
    (html,) = out.rglob("report.html")
    return wall_s, int(done.stdout.split()[-1]), html


def open_report(html: Path, loads: int) -> tuple[float, float]:
    """Milliseconds from navigation until chart and tables can be used, and of the first sorting: medians."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise SystemExit(f"--browser needs one of {', '.join(names)} on PATH")
    soon_ms, sort_ms = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-quic"])
        for _ in range(loads):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(_WATCH)
            page.goto(html.as_uri())
            while (at_ms := page.evaluate("window.interactiveMs || 0")) == 0:
                pass
            soon_ms.append(float(at_ms))
            sort_ms.append(float(page.evaluate(_SORT)))
            page.close()
        browser.close()
    return statistics.median(soon_ms), statistics.median(sort_ms)


def make_run(case: Case, out: Path) -> Path:
    """A finished run with its pictures; what it holds stands at the head of this file."""
    names = ["baseline", *(f"v{at}" for at in range(1, case.cells // case.seeds))]
    suite = Suite.model_validate(
        {
            "name": "report_benchmark",
            "title": case.name,
            "architecture": "net",
            "variants": {name: {} for name in names},
            "matrix": {"seed": list(range(case.seeds))},
            "measure": ["parameters", "macs", "latency", "quality"],
        }
    )
    record = RunRecord(
        id="run", command="benchmarks/report.py", started="2026-01-01", finished="2026-01-02", benchbench="0"
    )
    store = RunStore.create(out, suite, record, Environment(cpu_model="synthetic", cpus_usable=2))
    draw = np.random.default_rng(0)
    for at, name in enumerate(names):
        for seed in range(case.seeds):
            images = _pictures(case, store.folder, name, seed, draw)
            store.write_cell(_result(name, seed, 1 - 0.9 * at / len(names), images, draw))
    return store.folder


def _result(
    name: str, seed: int, cost: float, images: tuple[ImageRecord, ...], draw: np.random.Generator
) -> CellResult:
    def figure(of: str, value: float, unit: str = "1", half: float = 0.0, **more: object) -> Measurement:
        made = {"direction": "lower", "protocol": Protocol(name=of, settings={"images": 200}), **more}
        made |= {"interval": Interval(low=value * (1 - half), high=value * (1 + half))} if half else {}
        return Measurement.model_validate({"name": of, "value": value, "unit": unit, **made})

    cpu = {"setting": "cpu, 2 threads"}
    latency = [sorted(0.2 * cost * draw.gamma(400, 1 / 400, 50)) for _ in range(4)]
    lpips = 0.1 + 0.3 * (1 - cost) * draw.beta(8, 8, 200)
    figures = [
        figure("parameters", float(round(1_700_000 * cost))),
        figure("macs", float(round(10_000_000_000 * cost)), "MAC"),
        figure("latency", float(np.median(latency)), "s", samples=latency, **cpu),
        figure("cold_start", 0.4 + 0.2 * cost, "s", **cpu),
        figure("lpips", float(lpips.mean()), half=0.02, samples=[lpips.tolist()]),
        figure("fd[rand-conv-64]", 5 + 20 * (1 - cost) + draw.normal(), half=0.05),
        figure("training_time", 100 + 500 * cost, "s"),
        figure("training_10k_steps", 1000 + 5000 * cost, "s"),
    ]
    if name != "baseline":
        speedup = 1 / math.sqrt(cost)
        figures.append(figure("speedup", speedup, half=0.015, direction="higher", baseline="baseline", **cpu))
    layers = [
        LayerCount(
            path=f"{stage}.{at}", kind="Conv2d", stage=stage, parameters=int(5e4 * cost), macs=int(3e8 * cost)
        )
        for stage in _STAGES
        for at in range(10)
    ]
    exchanged = [
        LayerReplacement(path=each.path, stage="residual", before="Conv2d(128, 128, 3)",
                         after="depthwise 3x3 | pointwise 128 -> 128", parameters_before=147584,
                         parameters_after=17792)
        for each in layers[10:20]
    ]  # fmt: skip
    steps = np.arange(1, 1001)
    loss = (2 + 3 * np.exp(-steps / 200)) * draw.gamma(200, 1 / 200, 1000)
    return CellResult(
        cell=Cell.model_validate(
            {"variant": name, "seed": seed, "architecture": {"name": "net", "cost": cost}}
        ),
        measurements=tuple(figures),
        layers=tuple(layers),
        replacements=tuple(exchanged),
        curves=(
            Curve(name="train/loss", steps=tuple(steps.tolist()), values=tuple(loss.tolist())),
            Curve(name="score/fd[rand-conv-64]", steps=tuple(range(50, 1001, 50)),
                  values=tuple((30 * np.exp(-np.arange(20) / 6) + 5 * draw.random(20)).tolist())),
        ),
        images=images,
    )  # fmt: skip


def _pictures(
    case: Case, folder: Path, name: str, seed: int, draw: np.random.Generator
) -> tuple[ImageRecord, ...]:
    place = f"samples/{name}-{seed}"
    (folder / place).mkdir(parents=True)
    records = []

    def leave(file: str, pixels: Pixels, **of: object) -> None:
        Image.fromarray(pixels).save(folder / place / file, compress_level=1)
        records.append(ImageRecord.model_validate({"path": f"{place}/{file}", **of}))

    if case.pictures <= 8:
        leave("style.png", _crop(0, case.side), role="style")
    for index in range(case.pictures):
        clean = _crop(index, case.side)
        if case.pictures <= 8:
            leave(f"content-{index}.png", clean, role="content", index=index)
        for step, sigma in ((100, 24), (1000, 6)) if case.pictures <= 8 else ((1000, 6),):
            noise = draw.normal(0, sigma, (case.side // 4, case.side // 4, 3)).repeat(4, 0).repeat(4, 1)
            made = np.clip(clean + noise, 0, 255).astype(np.uint8)
            leave(f"output-{index}-{step}.png", made, role="output", index=index, step=step)
    return tuple(records)


def _crop(index: int, side: int) -> Pixels:
    photo = _PHOTOS[index % len(_PHOTOS)]
    top, left = ((37 * index) % (edge - side) for edge in photo.shape[:2])
    return photo[top : top + side, left : left + side]


if __name__ == "__main__":
    main()
