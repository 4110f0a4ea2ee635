"""The training loop beside a bare one of the same step, and files on disk beside a tensor in memory.

    python benchmarks/training.py
    python benchmarks/training.py --quick
    python benchmarks/training.py --only "loop*"

Recipe `gan`, preset dcgan, 64 x 64, batch 32. One bare step follows every step of the loop, in the same
process and thread, so that whatever else the machine does meets both. The value of a loop is the median
over steps of its time over the bare one's; that of a loader is the same over a tensor's. Every case takes
its turn several times. Reading ahead is waited for before the bare step begins, and counts as the loop's
time. Starting, checkpoints and pictures fall out. The networks of width 4 hardly compute: their row shows
what the loop itself takes, and has no goal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from side_by_side import OURS, Row, load_average, show, versions
from torch.nn import functional as F
from training_images import TensorImages, photo_crops, write_files
from training_pace import Counted, Moment, Paced, Periods

import benchbench as bb
from benchbench.core.contracts import InputSpec
from benchbench.core.examples import ImageSet, Splits
from benchbench.core.model import parse_options
from benchbench.core.registry import RECIPES, SOURCES
from benchbench.core.training import Recipe, TrainingContext, TrainingTask
from benchbench.training.job import Opponents
from benchbench.training.loop import train

BATCH, SIZE, LATENT = 32, 64, 100
# The first steps of a run allocate and warm up.
WARM_UP = 2
LOOP_GOAL, LOADER_GOAL = 1.03, 1.05
LOOP, NARROW = "loop, a tensor", "loop, width 4"


def networks(width: int) -> tuple[torch.nn.Module, torch.nn.Module]:
    """DCGAN's, the same every time."""
    torch.manual_seed(0)
    return bb.build("dcgan", width=width), bb.build("dcgan_discriminator", width=width)


class Bare:
    """What one writes by hand: the recipe's passes, BCE and Adam, on a tensor in memory.

    Args:
        images: uint8 [N, 3, H, W].
    """

    def __init__(self, images: torch.Tensor, width: int, device: torch.device) -> None:
        self._images, self._device = images.to(device), device
        self._generator, self._discriminator = (each.to(device).train() for each in networks(width))
        self._optimizers = [
            torch.optim.Adam(each.parameters(), lr=2e-4, betas=(0.5, 0.999))
            for each in (self._generator, self._discriminator)
        ]

    def step(self) -> None:
        """The discriminator moves, then the generator."""
        generator, discriminator = self._generator, self._discriminator
        of_generator, of_discriminator = self._optimizers
        chosen = torch.randint(len(self._images), (BATCH,), device=self._device)
        real = self._images[chosen].float() / 255 * 2 - 1
        ones, zeros = (torch.full((BATCH,), value, device=self._device) for value in (1.0, 0.0))
        with torch.no_grad():
            fake = generator(torch.randn(BATCH, LATENT, device=self._device))
        of_discriminator.zero_grad()
        told = F.binary_cross_entropy_with_logits(discriminator(real), ones)
        told = told + F.binary_cross_entropy_with_logits(discriminator(fake), zeros)
        told.backward()
        of_discriminator.step()
        discriminator.requires_grad_(False)
        of_generator.zero_grad()
        fooled = discriminator(generator(torch.randn(BATCH, LATENT, device=self._device)))
        F.binary_cross_entropy_with_logits(fooled, ones).backward()
        of_generator.step()
        discriminator.requires_grad_(True)


def run(images: ImageSet, bare: Bare, width: int, steps: int, device: torch.device, into: Periods) -> None:
    """One training of so many steps; its periods are added to `into`."""
    recipe = RECIPES.load("gan")
    given = {
        "preset": "dcgan", "batch": BATCH, "steps": steps + WARM_UP, "device": device.type, "samples": 0,
        "checkpoint_every": steps + WARM_UP, "validate_every": steps + WARM_UP,
    }  # fmt: skip
    options = parse_options("recipe", "gan", recipe.options, given)
    counted = Counted(images)
    last: list[Moment] = []

    def now() -> Moment:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return Moment(time.perf_counter(), time.process_time())

    def pace(step: int) -> None:
        # Two steps ahead are read; what is not yet there must not be read beside the bare step.
        while counted.given < min(step + 2, steps + WARM_UP) * BATCH:
            time.sleep(1e-4)
        ended = now()
        bare.step()
        after = now()
        if step > WARM_UP:
            into.loop.append(ended.since(last[0]))
            into.bare.append(after.since(ended))
        last[:] = [now()]

    def paced(context: TrainingContext, options: Any) -> TrainingTask:
        return Paced(recipe.task(context, options), pace)

    generator, discriminator = networks(width)
    with tempfile.TemporaryDirectory() as folder:
        train(
            generator,
            recipe=Recipe(options=recipe.options, task=paced, fields=recipe.fields),
            options=options,
            images=Splits(counted, images, images, "benchmark"),
            seed=0,
            folder=Path(folder),
            name="a",
            beside=Opponents(inputs=(InputSpec(shape=(1, LATENT)),), discriminator=discriminator),
            say=lambda line: None,
        )
    into.read_s.append(counted.seconds / counted.given * BATCH)


def files(folder: Path, memory_gib: float) -> ImageSet:
    """All of a folder, by source `folder`."""
    source = SOURCES.load("folder")
    given = {"path": str(folder), "size": SIZE, "validation": 0, "test": 0, "memory_gib": memory_gib}
    splits: Splits = source.open(parse_options("data source", "folder", source.options, given), 0)
    return splits.train


def rows_of(found: Mapping[str, Periods]) -> list[Row]:
    """Loops over bare, and files over a tensor: medians, with the span of the middle half of the steps."""
    rows = []
    ratios = {name: median(each.ratios) for name, each in found.items()}
    for name, each in found.items():
        low, _, high = quantiles(each.ratios, n=4)
        bare_ms, read_ms = median(bare.wall_s for bare in each.bare) * 1e3, median(each.read_s) * 1e3
        note = (
            f"{ratios[name]:.4f} x bare; of {len(each.ratios)} steps, half in {low:.3f} to {high:.3f}; "
            f"CPU time {median(each.cpu_ratios):.4f}; bare {bare_ms:.3g} ms; batches read in {read_ms:.2g} ms"
        )
        row = Row(name, OURS, median(loop.wall_s for loop in each.loop), value=ratios[name], note=note)
        if name == LOOP:
            row = row._replace(goal=f"<= {LOOP_GOAL} x bare", met=ratios[name] <= LOOP_GOAL)
        elif name.startswith("loader"):
            value = ratios[name] / ratios[LOOP]
            row = row._replace(value=value, goal=f"<= {LOADER_GOAL} x tensor", met=value <= LOADER_GOAL)
        rows.append(row)
    return rows


def main() -> int:
    """Measure, show; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", default="*", help="a glob over the names of cases; a tensor is always there"
    )
    parser.add_argument("--quick", action="store_true", help="fewer files, steps and turns")
    parser.add_argument("--steps", type=int, help="of each turn; 10 unless said")
    parser.add_argument("--repeats", type=int, help="turns of each case; 5 unless said")
    parser.add_argument("--width", type=int, default=64, help="of both networks")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--json", action="store_true", help="every row, for a program")
    parsed = parser.parse_args()
    steps = parsed.steps or (4 if parsed.quick else 10)
    repeats = parsed.repeats or (2 if parsed.quick else 5)
    device = torch.device(parsed.device)
    print(
        f"{versions(('torch', 'lightning-fabric', 'pillow'))}; {torch.get_num_threads()} threads; "
        f"{load_average()}",
        file=sys.stderr,
    )
    with tempfile.TemporaryDirectory() as folder:
        number = 200 if parsed.quick else 2000
        small, large = (photo_crops(number, size) for size in (SIZE, 256))
        png = write_files(Path(folder) / "png", small, "png")
        jpeg = write_files(Path(folder) / "jpeg", large, "jpg")
        cases: dict[str, Callable[[], ImageSet]] = {
            LOOP: lambda: TensorImages(small),
            NARROW: lambda: TensorImages(small),
            "loader, PNG 64": lambda: files(png, 1.0),
            "loader, PNG 64, decoded every time": lambda: files(png, 0.0),
            "loader, JPEG 256": lambda: files(jpeg, 1.0),
            "loader, JPEG 256, decoded every time": lambda: files(jpeg, 0.0),
        }
        wanted = [name for name in cases if name == LOOP or fnmatch(name, parsed.only)]
        images = {name: cases[name]() for name in wanted}
        widths = {name: 4 if name == NARROW else parsed.width for name in wanted}
        bares = {width: Bare(small, width, device) for width in set(widths.values())}
        found = {name: Periods() for name in wanted}
        for turn in range(repeats):
            for name in wanted:
                run(images[name], bares[widths[name]], widths[name], steps, device, found[name])
            told = ", ".join(f"{name} {median(each.ratios):.4f}" for name, each in found.items())
            print(f"turn {turn + 1} of {repeats}: {told} x bare; {load_average()}", file=sys.stderr)
    rows = rows_of(found)
    if parsed.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        show(rows)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
