"""Cells of which only the structure is measured, groups of variants, and discriminators."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchbench.core.expand import expand
from benchbench.core.store import read_run
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner.cell_job import execute_cell, needs_structure_alone
from benchbench.runner.jobs import CellJob
from benchbench.runner.run import run
from benchbench.runner.subjects import build_discriminator, build_subject


@pytest.fixture
def static(tiny_file: Path) -> Suite:
    return load_suite(tiny_file, profile="latency")


@pytest.fixture
def grouped(tmp_path: Path) -> Suite:
    path = tmp_path / "grouped.yaml"
    path.write_text(
        """
name: grouped
architecture: {name: transformer_net, width: 4, blocks: 1}
discriminator: {name: transformer_net, width: 2, blocks: 1}
variants:
  small: {group: small}
  small_light: {group: small, replace: {stages: residual, with: depthwise_separable}}
  large: {group: large, architecture: {width: 8}}
  large_light:
    group: large
    architecture: {width: 8}
    replace: {network: discriminator, stages: residual, with: depthwise_separable}
measure:
  - parameters
  - latency: {threads: 1, processes: 2, max_processes: 2, min_rounds: 5, min_seconds: 0.0, budget_s: 1.0}
"""
    )
    return load_suite(path)


def test_they_are_counted_together_then_compared(static: Suite, tmp_path: Path, workshop: Any) -> None:
    said: list[str] = []
    run(static, out=tmp_path, say=said.append)
    assert workshop.started == ["counts of baseline, v1, v2", "replicate 0", "replicate 1"]
    assert any("counting 3 cells" in line for line in said)
    workshop.started.clear()
    run(static, out=tmp_path, mode="resume")
    assert workshop.started == []


def test_when_they_do_not_come_back_each_gets_a_process_of_its_own(
    static: Suite, tmp_path: Path, workshop: Any
) -> None:
    workshop.fails("counts of baseline, v1, v2", "crashed")
    run(static, out=tmp_path)
    assert workshop.started[1:4] == ["baseline", "v1", "v2"]


def test_a_cell_that_trains_is_not_among_them(tiny: Suite, static: Suite) -> None:
    assert not needs_structure_alone(expand(tiny)[0], tiny.measure)
    assert needs_structure_alone(expand(static)[0], static.measure)


def test_a_structure_is_measured_without_weights_as_with_them(static: Suite, tmp_path: Path) -> None:
    cell = expand(static)[1]
    job = CellJob(cell=cell, measures=static.measure, folder=str(tmp_path))
    result = execute_cell(job)
    assert not result.failures
    figure = result.measurement("parameters")
    assert figure is not None
    real = build_subject(cell)
    assert figure.value == sum(each.numel() for each in real.module.parameters())
    assert result.replacements == real.replacements


def test_every_group_is_compared_with_its_own_baseline(grouped: Suite, tmp_path: Path, workshop: Any) -> None:
    table = run(grouped, out=tmp_path)
    firsts = [job.replicate.cells[0].variant for job in workshop.jobs if job.replicate]
    assert firsts == ["small", "small", "large", "large"]
    ratios = {each.cell.variant: each.measurement("speedup") for each in table.results}
    assert ratios["small_light"].baseline is not None
    assert ratios["small"] is None
    assert ratios["large"] is None
    again = read_run(tmp_path / "grouped")
    assert [each.cell.variant for each in again.results] == ["small", "small_light", "large", "large_light"]


def test_a_discriminator_is_built_and_changed_apart(grouped: Suite) -> None:
    cells = {cell.variant: cell for cell in expand(grouped)}
    plain = build_discriminator(cells["large"], device="meta")
    light = build_discriminator(cells["large_light"], device="meta")
    assert plain is not None
    assert light is not None
    assert sum(p.numel() for p in light.module.parameters()) < sum(
        p.numel() for p in plain.module.parameters()
    )
    assert light.replacements
    assert not build_subject(cells["large_light"], device="meta").replacements


def test_the_discriminators_layers_are_told_apart_in_the_result(grouped: Suite, tmp_path: Path) -> None:
    cell = next(cell for cell in expand(grouped) if cell.variant == "large_light")
    measures = tuple(spec for spec in grouped.measure if spec.name == "parameters")
    result = execute_cell(CellJob(cell=cell, measures=measures, folder=str(tmp_path)))
    assert result.replacements
    assert all(each.path.startswith("discriminator: ") for each in result.replacements)
