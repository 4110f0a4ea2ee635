"""A training small enough for tests: the identity through dropout, on ten pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from benchbench.core.examples import Splits
from benchbench.core.measurement import ImageRecord
from benchbench.core.model import parse_options
from benchbench.core.training import Recipe, TrainingTask
from benchbench.training.loop import train
from benchbench.training.options import LoopOptions


@dataclass
class Pictures:
    count: int

    @property
    def names(self):
        return tuple(str(index) for index in range(self.count))

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.randint(
            0, 256, (3, 8, 8), generator=torch.Generator().manual_seed(index), dtype=torch.uint8
        )


IMAGES = Splits(Pictures(10), Pictures(2), Pictures(2), "digest")


class Options(LoopOptions):
    lr: float = 1e-2
    poison: int | None = None


class Task:
    """Learns the identity through dropout, which draws from torch's generator."""

    def __init__(self, context, options):
        self.networks = {"net": context.module}
        self.kept, self.result = {}, context.module
        adam = torch.optim.Adam(context.module.parameters(), lr=options.lr)
        self.optimizers = {"net": adam}
        self.schedulers = {"net": torch.optim.lr_scheduler.ReduceLROnPlateau(adam, patience=0, threshold=0.5)}
        self.options, self.images, self.modes = options, context.images, []

    def losses(self, batch, step):
        batch = batch["image"]
        assert self.networks["net"].training
        loss = (self.networks["net"](batch) - batch).square().mean()
        if step == self.options.poison:
            loss = loss * float("nan")
        yield "net", {"error": loss, "total": loss}

    def validate(self):
        assert not self.networks["net"].training
        assert not torch.is_grad_enabled()
        batch = torch.stack([self.images.validation[i] for i in range(2)]).float() / 255
        return {"loss": float((self.networks["net"](batch) - batch).square().mean())}

    def samples(self, *, final):
        image = self.images.test[0].float() / 255
        yield ImageRecord(path="", role="content"), image
        yield ImageRecord(path="", role="output"), self.networks["net"](image[None])[0]


RECIPE = Recipe(options=Options, task=Task)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(6, 3, 1)
    )


def plain() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 3, 1))


def run(
    folder: Path, module: nn.Module, *, images: Splits = IMAGES, recipe: Recipe = RECIPE, say=str, **given
):
    options = parse_options("recipe", "test", recipe.options, {"steps": 12, "device": "cpu", **given})
    return train(
        module, recipe=recipe, options=options, images=images, seed=3, folder=folder, name="a", say=say
    )


@contextmanager
def interrupted_at(step: int, task: type[TrainingTask]) -> Iterator[None]:
    """The training in the block, which is of such a task, is interrupted at a step, and must end by that."""
    original = task.losses

    def losses(self, batch, number):
        if number == step:
            signal.raise_signal(signal.SIGINT)
        return original(self, batch, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "losses", losses)
        with pytest.raises(KeyboardInterrupt):
            yield


def interrupted(folder: Path, step: int, **given: object) -> None:
    with interrupted_at(step, Task):
        run(folder, net(), **given)


def run_script(folder: Path, code: str, *arguments: str) -> str:
    """What a program that can import these toys prints; it is given the folder, then the arguments."""
    script = folder / "script.py"
    toys = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    script.write_text(toys + textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *arguments],
        capture_output=True, text=True, check=False, timeout=110, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


class TwoPlayers(Task):
    """A second network whose loss is computed after the first has moved."""

    def __init__(self, context, options):
        super().__init__(context, options)
        self.networks["critic"] = nn.Conv2d(3, 1, 3)
        self.optimizers["critic"] = torch.optim.SGD(self.networks["critic"].parameters(), lr=0.1)
        self.schedulers = {}

    def losses(self, batch, step):
        batch = batch["image"]
        before = self.networks["critic"].weight.clone()
        critic = self.networks["critic"](self.networks["net"](batch).detach()).square().mean()
        yield "critic", {"total": critic}
        assert not torch.equal(before, self.networks["critic"].weight)
        fooled = -self.networks["critic"](self.networks["net"](batch)).mean()
        yield "net", {"fooled": fooled, "total": fooled}
