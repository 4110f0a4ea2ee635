from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchbench.core.cell import Cell
from benchbench.core.errors import (
    BenchbenchError,
    MeasurementError,
    OptionError,
    StoreError,
    UnknownNameError,
)
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.measurement import Failure
from benchbench.core.profile_reading import RecordedRoof
from benchbench.core.suite import ArchitectureSpec, Suite
from benchbench.core.suite_file import load_suite
from benchbench.measures.counting import count
from benchbench.runner import profile as profile_module
from benchbench.runner.jobs import Answer, Job, ProfileJob
from benchbench.runner.lock import holder
from benchbench.runner.profile import ProfileOptions, profile_cells, select_cells
from benchbench.runner.profile_job import execute_profile
from benchbench.runner.roof import roof_file
from benchbench.runner.subjects import build_subject
from benchbench.runner.worker import answer_job

SUITE = """
name: tiny
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
matrix: {seed: [0, 1], architecture.width: [4, 8]}
measure: [parameters]
"""
CELL = Cell(
    variant="tiny",
    architecture=ArchitectureSpec.model_validate(
        {"name": "transformer_net", "width": 4, "blocks": 1, "input": [1, 3, 16, 16]}
    ),
)


def quiet(_: str) -> None:
    """Hears progress and says nothing."""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return load_suite(path)


Isolated = Callable[[Callable[[ProfileJob], Answer]], list[dict[str, Any]]]


@pytest.fixture
def isolated(monkeypatch: pytest.MonkeyPatch, private_lock: Path) -> Isolated:
    """In the fresh process' place: what it would answer."""
    del private_lock

    def install(answer: Callable[[ProfileJob], Answer]) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def run(job: Job, **options: Any) -> Answer:
            assert job.profile is not None
            asked.append(options)
            return answer(job.profile)

        monkeypatch.setattr(profile_module, "run_isolated", run)
        return asked

    return install


def here(job: ProfileJob) -> Answer:
    return Answer(profile=execute_profile(job))


def test_cells_of_one_network_are_profiled_once(suite: Suite) -> None:
    said: list[str] = []
    cells = select_cells(suite, variant=None, only=None, say=said.append)
    assert [cell.variant for cell in cells] == ["baseline", "v1"] * 2
    assert {cell.seed for cell in cells} == {0}
    assert said == ["4 of 8 cells have a network that another has too, and are not profiled again"]


def test_a_variant_and_a_glob_choose_cells(suite: Suite) -> None:
    cells = select_cells(suite, variant="v1", only="*width=8*", say=quiet)
    assert [(cell.variant, cell.architecture.options["width"]) for cell in cells] == [("v1", 8)]
    with pytest.raises(UnknownNameError, match="unknown variant 'v9'"):
        select_cells(suite, variant="v9", only=None, say=quiet)
    with pytest.raises(UnknownNameError, match="among these cells"):
        select_cells(suite, variant="v1", only="baseline*", say=quiet)
    with pytest.raises(UnknownNameError, match="no cell matches"):
        select_cells(suite, variant=None, only="nothing", say=quiet)


def test_every_cell_has_its_process_trace_and_record(
    suite: Suite, isolated: Isolated, tmp_path: Path
) -> None:
    asked = isolated(here)
    cells = select_cells(suite, variant=None, only="*width=4*", say=quiet)
    out = tmp_path / "out"
    said: list[str] = []
    done = profile_cells(cells, ProfileOptions(out, device="cpu", steps=2, warmup=1), say=said.append)
    assert len(asked) == len(cells) == 2
    assert all(options["limit_s"] > 0 for options in asked)
    for each in done:
        assert each.profile is not None
        assert each.folder == out / each.cell.id
        assert {path.name for path in each.folder.iterdir()} == {
            each.profile.trace,
            "flame.svg",
            "profile.json",
            "roof.json",
        }
        expected = count(build_subject(each.cell).module)
        assert sum(row.macs for row in each.profile.layers) == expected.macs
    summary = (out / "profile.md").read_text()
    assert all(f"({each.cell.id}/flame.svg)" in summary for each in done)
    assert said[0] == f"[1/2] {cells[0].label}: profiling on cpu ..."


def test_the_roof_that_was_known_stands_beside_each_profile(
    isolated: Isolated, tmp_path: Path, load_module: Callable[[str], Any]
) -> None:
    isolated(here)
    out, cache = tmp_path / "out", tmp_path / "cache"

    def recorded(cache: Path | None) -> RecordedRoof:
        options = ProfileOptions(out, device="cpu", steps=1, warmup=1, cache=cache)
        (done,) = profile_cells([CELL], options, say=quiet)
        return RecordedRoof.model_validate_json((done.folder / "roof.json").read_bytes())

    first = recorded(cache)
    assert (first.roof, first.why) == (None, first.found.why)
    assert "no roof was measured yet" in str(first.why)
    roof = load_module("profile_factory.py").make_roof(first.machine)
    path = roof_file(cache, first.machine)
    path.parent.mkdir(parents=True)
    path.write_text(roof.model_dump_json())
    second = recorded(cache)
    assert (second.roof, second.why, second.machine) == (roof, None, first.machine)
    assert recorded(None).why == "it was not looked for"


def test_a_profile_that_fails_leaves_no_roof_of_an_earlier_one(isolated: Isolated, tmp_path: Path) -> None:
    isolated(lambda _: Answer(failure=Failure(of="cell", kind="crashed", reason="ended by SIGSEGV")))
    stale = tmp_path / CELL.id / "roof.json"
    stale.parent.mkdir()
    stale.write_text("{}")
    profile_cells([CELL], ProfileOptions(tmp_path, device="cpu"), say=quiet)
    assert not stale.exists()


def test_no_latency_is_measured_meanwhile_and_the_profiler_is_quiet(
    isolated: Isolated, tmp_path: Path
) -> None:
    held: list[str | None] = []

    def answer(job: ProfileJob) -> Answer:
        held.append(holder())
        return here(job)

    asked = isolated(answer)
    profile_cells([CELL], ProfileOptions(tmp_path / "out", device="cpu", steps=1), say=quiet)
    assert held[0] is not None
    assert "profile in" in held[0]
    assert holder() is None
    assert asked[0]["environment"] == {**KEEP_MEMORY, "KINETO_LOG_LEVEL": "99"}


def test_the_batch_is_the_one_that_was_asked_for(isolated: Isolated, tmp_path: Path) -> None:
    isolated(here)
    (done,) = profile_cells(
        [CELL], ProfileOptions(tmp_path, device="cpu", steps=1, warmup=1, batch=3), say=quiet
    )
    assert done.profile is not None
    assert (done.profile.batch, done.profile.input_shapes) == (3, ((3, 3, 16, 16),))
    assert done.profile.macs == 3 * count(build_subject(CELL).module).macs


def test_spectral_norm_is_folded_as_it_is_when_timed(tmp_path: Path) -> None:
    cell = Cell(variant="d", architecture=ArchitectureSpec.model_validate({"name": "dcgan_discriminator"}))
    plain = execute_profile(
        ProfileJob(cell=cell, folder=str(tmp_path / "a"), device="cpu", steps=1, warmup=1)
    )
    assert plain.notes == ()
    cell = Cell(
        variant="s",
        architecture=ArchitectureSpec.model_validate(
            {"name": "multiscale_discriminator", "input": [1, 39, 32, 32]}
        ),
    )
    folded = execute_profile(
        ProfileJob(cell=cell, folder=str(tmp_path / "b"), device="cpu", steps=1, warmup=1)
    )
    assert folded.notes[0].startswith("spectral norm folded into ")
    assert not any("parametrizations" in row.path for row in folded.layers)


def test_one_cell_that_fails_does_not_stop_the_others(
    suite: Suite, isolated: Isolated, tmp_path: Path
) -> None:
    cells = select_cells(suite, variant=None, only="*width=4*", say=quiet)

    def answer(job: ProfileJob) -> Answer:
        if job.cell.variant == "baseline":
            return Answer(failure=Failure(of="cell", kind="crashed", reason="ended by SIGSEGV\nmore"))
        return here(job)

    isolated(answer)
    options = ProfileOptions(tmp_path / "out", device="cpu", steps=1, warmup=1)
    first, second = profile_cells(cells, options, say=quiet)
    assert isinstance(first.error, MeasurementError)
    assert first.error.problem == f"no profile of '{cells[0].label}': ended by SIGSEGV"
    assert second.profile is not None


def test_a_typed_error_comes_back_and_a_full_disk_ends_it(isolated: Isolated, tmp_path: Path) -> None:
    def fails(error: BenchbenchError) -> Callable[[ProfileJob], Answer]:
        def answer(job: ProfileJob) -> Answer:
            raise error

        return answer

    isolated(fails(MeasurementError("its forward pass fails")))
    (done,) = profile_cells([CELL], ProfileOptions(tmp_path, device="cpu"), say=quiet)
    assert str(done.error) == "its forward pass fails"
    assert not (tmp_path / "profile.md").exists()
    isolated(fails(StoreError("the disk is full")))
    with pytest.raises(StoreError, match="full"):
        profile_cells([CELL], ProfileOptions(tmp_path, device="cpu"), say=quiet)


def test_a_gpu_that_is_not_there_is_told_before_anything_starts(
    isolated: Isolated, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = isolated(here)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match="no usable GPU") as error:
        profile_cells([CELL], ProfileOptions(tmp_path / "out", device="cuda"), say=quiet)
    assert error.value.fix == "--device cpu"
    assert (asked, (tmp_path / "out").exists()) == ([], False)


def test_a_folder_that_cannot_be_written_is_told_before_anything_starts(
    isolated: Isolated, tmp_path: Path
) -> None:
    asked = isolated(here)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        profile_cells([CELL], ProfileOptions(tmp_path / "file", device="cpu"), say=quiet)
    assert asked == []


def test_the_worker_answers_with_a_profile_or_the_errors_type(tmp_path: Path) -> None:
    job = ProfileJob(cell=CELL, folder=str(tmp_path / "cell"), device="cpu", steps=1, warmup=1)
    answer = Answer.model_validate_json(answer_job(Job(profile=job).model_dump_json(by_alias=True)))
    assert answer.profile is not None
    assert answer.profile.cell == CELL
    (tmp_path / "file").write_text("")
    blocked = job.model_copy(update={"folder": str(tmp_path / "file/cell")})
    answer = Answer.model_validate_json(answer_job(Job(profile=blocked).model_dump_json(by_alias=True)))
    assert answer.obstacle is not None
    assert answer.obstacle.error == "StoreError"


def test_what_was_finished_before_an_interruption_has_its_roof(
    isolated: Isolated, suite: Suite, tmp_path: Path
) -> None:
    jobs = []

    def once(job: Job) -> Answer:
        jobs.append(job)
        if len(jobs) > 1:
            raise KeyboardInterrupt
        return here(job)

    isolated(once)
    cells = select_cells(suite, variant=None, only=None, say=quiet)
    options = ProfileOptions(tmp_path, device="cpu", steps=1, warmup=1, cache=tmp_path / "cache")
    with pytest.raises(KeyboardInterrupt):
        profile_cells(cells, options, say=quiet)
    assert sorted(each.parent.name for each in tmp_path.rglob("roof.json")) == [cells[0].id]
