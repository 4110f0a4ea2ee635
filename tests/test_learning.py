"""Training through the whole harness: what is made comes nearer to what is real, and the curve says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.core.suite_file import load_suite
from benchbench.runner.run import run

SUITE = """
name: learning
architecture: {name: resnet_generator, width: 16, blocks: 3}
discriminator: {name: patchgan_discriminator, channels: 6, width: 8, size: 32}
data: {source: photo_pairs, size: 32, train: 200, validation: 0, test: 80, held_out: 0.5}
train: {recipe: pix2pix, batch: 4, steps: 400, score_every: 200, samples: 2, device: cpu}
measure:
  - quality:
      metrics: [fd, kd]
      features: {name: rand_conv, dimensions: 64, side: 32}
      reference: data.test
      resamples: 50
"""


@pytest.mark.slow
def test_a_trained_network_is_three_times_nearer_than_an_untrained_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    (result,) = run(load_suite(path), out=tmp_path / "results").results
    assert not result.failures
    for metric in ("fd", "kd"):
        curve = next(each for each in result.curves if each.name == f"score/{metric}[rand-conv-64]")
        assert curve.steps == (0, 200, 400)
        figure = next(each for each in result.measurements if each.name == f"{metric}[rand-conv-64]")
        # The last point is the cell's own figure: one protocol for both.
        assert figure.value == pytest.approx(curve.values[-1], rel=1e-6)
        assert figure.value < curve.values[0] / 3
    assert {"input", "target", "output"} <= {image.role for image in result.images}
