"""What a training leaves in the result of its cell."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchbench.core.expand import expand
from benchbench.core.measurement import CellResult
from benchbench.core.suite_file import load_suite
from benchbench.runner.cell_job import execute_cell
from benchbench.runner.jobs import CellJob

SUITE = """
name: levels
architecture: {name: dcgan, size: 32, width: 2, latent: 4}
discriminator: {name: dcgan_discriminator, size: 32, width: 2}
data: {source: photos, size: 32, train: 64, validation: 0, test: 0}
train:
  {recipe: gan, preset: dcgan, batch: 4, steps: 2, score_every: 2, samples: 1, device: cpu,
   levels: {LEVELS}}
variants: {baseline: {}}
measure:
  - quality:
      {metrics: [fd], features: {name: rand_conv, dimensions: 64}, reference: data.train,
       images: 64, resamples: 0}
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))


def executed(folder: Path, levels: str) -> CellResult:
    path = folder / "levels.yaml"
    path.write_text(SUITE.replace("{LEVELS}", levels))
    suite = load_suite(path)
    (cell,) = expand(suite)
    return execute_cell(CellJob(cell=cell, measures=suite.measure, folder=str(folder)))


def test_a_level_is_a_figure_or_a_reason_of_the_cell(tmp_path: Path) -> None:
    torch.manual_seed(0)
    result = executed(tmp_path, '{"fd[rand-conv-64]": [1.0e-9, 1.0e+9]}')
    steps = result.measurement("steps_to_level")
    assert steps is not None
    assert (steps.setting, steps.value) == ("fd[rand-conv-64] <= 1000000000", 0.0)
    assert steps.flags == ("met by the untrained network",)
    # What was never met ends nothing: the measures follow.
    assert result.failure is None
    assert result.measurement("fd[rand-conv-64]") is not None
    (failure,) = result.failures
    assert (failure.of, failure.kind) == ("level: fd[rand-conv-64] <= 1e-09", "skipped")
    assert failure.reason.startswith("not met in 2 steps of seed 0: the best was ")


def test_a_level_of_no_score_fails_the_cell_before_the_first_step(tmp_path: Path) -> None:
    (failure,) = executed(tmp_path, "{kd: 1}").failures
    assert (failure.of, failure.kind) == ("cell", "invalid")
    assert failure.reason.startswith("levels: kd is no score of this training")
    assert "fd[rand-conv-64]" in failure.reason
    assert not list(tmp_path.rglob("*.state.pt"))
