from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchbench.cli import main
from benchbench.cli.summary import has_failed
from benchbench.core.environment import Environment
from benchbench.core.errors import CheckpointError, LockedError, StoreError
from benchbench.core.expand import expand
from benchbench.core.measurement import Failure, Phase, ResultTable, RunRecord
from benchbench.core.store import RunStore, find_run, read_run
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner import run as run_module
from benchbench.runner.jobs import Answer
from benchbench.runner.lock import exclusive_run
from benchbench.runner.run import run

ALL = ["baseline", "v1", "v2", "replicate 0", "replicate 1"]


def speedups(table: ResultTable) -> set[str]:
    return {each.cell.variant for each in table.results if each.measurement("speedup")}


def of_cell(table: ResultTable, variant: str) -> Failure | None:
    return next(each.failure for each in table.results if each.cell.variant == variant)


def test_a_run_does_every_cell_then_every_replicate(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    table = run(tiny, out=tmp_path / "out", command="benchbench run tiny.yaml")
    assert workshop.started == ALL
    assert speedups(table) == {"v1", "v2"}
    assert not has_failed(table)
    assert table.run.command == "benchbench run tiny.yaml"
    assert table.run.finished is not None
    assert find_run(tmp_path / "out" / "tiny").name == table.run.id
    replicate = workshop.jobs[-1].replicate
    assert replicate.cells[0].variant == "baseline"
    assert all(Path(path).is_file() for path in replicate.checkpoints.values())


def test_resume_of_a_complete_run_starts_nothing(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    first = run(tiny, out=tmp_path)
    workshop.started.clear()
    said: list[str] = []
    assert run(tiny, out=tmp_path, mode="resume", say=said.append) == first
    assert workshop.started == []
    assert "nothing left to do" in said[0]


def test_a_run_killed_at_any_point_goes_on_where_it_was(
    tiny: Suite, tmp_path: Path, workshop: Any, helpers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process started or ended, and each file before and after it is put in place, is a point."""
    monkeypatch.setattr(run_module, "check_cells", lambda *_, **__: None)
    whole = helpers.content(run(tiny, out=tmp_path / "whole"))
    replace = os.replace
    points: list[str] = []

    def at_point(stop_at: int | None) -> Callable[[str], None]:
        def note(what: str) -> None:
            points.append(what)
            if stop_at is not None and len(points) == stop_at + 1:
                raise workshop.killed

        return note

    def noted_replace(note: Callable[[str], None]) -> Callable[[Any, Any], None]:
        def put(source: Any, target: Any) -> None:
            note(f"before {Path(target).name}")
            replace(source, target)
            note(f"after {Path(target).name}")

        return put

    def attempt(out: Path, stop_at: int | None, **settings: Any) -> ResultTable:
        points.clear()
        workshop.started.clear()
        workshop.event = at_point(stop_at)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", noted_replace(workshop.event))
            return run(tiny, out=out, **settings)

    attempt(tmp_path / "counted", None)
    seen = list(points)
    assert len(seen) > 25
    assert {"v1 starts", "replicate 1 starts", "before run.json", "after latest"} <= set(seen)
    for stop_at, point in enumerate(seen):
        out = tmp_path / str(stop_at)
        with pytest.raises(workshop.killed):
            attempt(out, stop_at)
        runs = list((out / "tiny").glob("2*/run.json"))
        before = helpers.files_below(runs[0].parent) if runs else {}
        table = attempt(out, None, mode="resume")
        after = helpers.files_below(Path(table.folder or ""))
        kept = {path: what for path, what in before.items() if not path.startswith("checkpoints")}
        assert {path: after[path] for path in kept} == kept, point
        finished = {
            name
            for name, path in (
                *((name, f"cells/{name}-") for name in ("baseline", "v1", "v2")),
                *((f"replicate {index}", f"replicate-{index}.json") for index in (0, 1)),
            )
            if any(path in each for each in before)
        }
        assert workshop.started == [name for name in ALL if name not in finished], point
        assert helpers.content(table) == whole, point
        assert table.run.finished is not None
        assert helpers.content(read_run(out / "tiny")) == whole, point


@pytest.mark.parametrize("kind", ["crashed", "timed_out", "out_of_memory", "invalid"])
def test_a_cell_that_failed_is_tried_again_on_resume(
    tiny: Suite, tmp_path: Path, workshop: Any, kind: str
) -> None:
    workshop.fails("v1", kind)
    table = run(tiny, out=tmp_path)
    assert workshop.started == ALL
    assert of_cell(table, "v1") == Failure(of="cell", kind=kind, reason=f"made to be {kind}")
    assert has_failed(table)
    assert speedups(table) == {"v2"}
    workshop.acts.clear()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    # The samples without v1 are of another comparison.
    assert workshop.started == ["v1", "replicate 0", "replicate 1"]
    assert speedups(table) == {"v1", "v2"}
    assert not has_failed(table)


@pytest.mark.parametrize("kind", ["diverged", "unsupported"])
def test_a_cell_that_would_fail_again_is_not_tried_again(
    tiny: Suite, tmp_path: Path, workshop: Any, kind: str
) -> None:
    workshop.fails("v1", kind)
    run(tiny, out=tmp_path)
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == []
    assert has_failed(table)


def test_a_failed_measure_of_a_cell_is_tried_again(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    cells = {cell.variant: cell for cell in expand(tiny)}
    failure = Failure(of="perceptual_loss", kind="invalid", reason="no weights at vgg.pth")
    whole = workshop._do

    def without_weights(job: Any) -> Answer:
        answer = whole(job)
        if job.cell is None or job.cell.cell != cells["v2"]:
            return answer
        return Answer(result=answer.result.model_copy(update={"failures": (failure,)}))

    workshop._do = without_weights
    assert has_failed(run(tiny, out=tmp_path))
    workshop._do = whole
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["v2"]
    assert not has_failed(table)


def test_a_failed_baseline_leaves_nothing_to_compare_with(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    workshop.fails("baseline", "crashed")
    table = run(tiny, out=tmp_path)
    assert workshop.started == ["baseline", "v1", "v2"]
    (found,) = [each for each in table.results if each.cell.variant == "v1"]
    (failure,) = found.failures
    assert (failure.of, failure.kind) == ("latency", "skipped")
    assert failure.reason == "the baseline 'baseline' has no result to compare with"
    assert found.measurement("parameters") is not None
    workshop.acts.clear()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["baseline", "replicate 0", "replicate 1"]
    assert not any(each.failures for each in table.results)


def test_a_failed_replicate_is_taken_again_and_the_others_are_kept(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    workshop.fails("replicate 1", "timed_out", of="latency")
    table = run(tiny, out=tmp_path)
    assert has_failed(table)
    assert {failure.kind for each in table.results for failure in each.failures} == {"timed_out"}
    workshop.acts.clear()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["replicate 1"]
    assert not has_failed(table)


def test_what_only_left_out_is_done_by_a_full_resume(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    part = run(tiny, out=tmp_path, only="[bv][a1]*")
    assert workshop.started == ["baseline", "v1", "replicate 0", "replicate 1"]
    assert speedups(part) == {"v1"}
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["v2", "replicate 0", "replicate 1"]
    assert len(workshop.jobs[-1].replicate.cells) == 3
    assert speedups(table) == {"v1", "v2"}
    assert len([each for each in table.results[1].measurements if each.name == "speedup"]) == 1
    # Both sets of samples are kept, each with its own cells.
    folders = [path for path in (Path(table.folder or "") / "comparisons").iterdir() if path.is_dir()]
    assert len(folders) == 2


def test_a_run_says_what_was_asked_of_it_and_that_it_goes_on(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    assert run(tiny, out=tmp_path, only="v1").run.only == ("v1",)
    wider = run(tiny, out=tmp_path, mode="resume", only="[bv][a1]*").run
    assert (wider.only, wider.finished is None) == (("v1", "[bv][a1]*"), False)
    workshop.dies("v2")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path, mode="resume")
    killed = read_run(find_run(tmp_path / "tiny")).run
    assert (killed.only, killed.finished) == (None, None)
    workshop.acts.clear()
    assert run(tiny, out=tmp_path, mode="resume", only="v2").run.only is None


def test_only_on_resume_compares_with_what_was_finished_before(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    workshop.fails("v2", "crashed")
    run(tiny, out=tmp_path)
    workshop.acts.clear()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume", only="v2")
    assert workshop.started == ["v2", "replicate 0", "replicate 1"]
    assert speedups(table) == {"v1", "v2"}


def test_a_cell_whose_checkpoint_is_gone_is_trained_again(
    tiny: Suite, tmp_path: Path, workshop: Any, helpers: Any
) -> None:
    workshop.dies("replicate 0")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path)
    (path,) = tmp_path.glob("tiny/2*/checkpoints/v1-*")
    path.unlink()
    workshop.acts.clear()
    workshop.started.clear()
    said: list[str] = []
    table = run(tiny, out=tmp_path, mode="resume", say=said.append)
    assert workshop.started == ["v1", "replicate 0", "replicate 1"]
    assert "[2/3] v1: its checkpoint is gone, so it is trained again" in said
    assert not has_failed(table)


@pytest.mark.parametrize(
    ("pattern", "again"),
    [
        ("cells/v1-*.json", ["v1"]),
        # What is left of a comparison is enough to make it anew.
        ("comparisons/*.json", []),
        ("comparisons/*/replicate-1.json", []),
    ],
)
def test_a_half_written_file_is_told_kept_aside_and_measured_anew(
    tiny: Suite, tmp_path: Path, workshop: Any, helpers: Any, pattern: str, again: list[str]
) -> None:
    whole = run(tiny, out=tmp_path)
    (path,) = Path(whole.folder or "").glob(pattern)
    half = path.read_bytes()[:200]
    path.write_bytes(half)
    workshop.started.clear()
    said: list[str] = []
    table = run(tiny, out=tmp_path, mode="resume", say=said.append)
    aside = path.with_name(f"{path.name}.damaged")
    assert (
        f"warning: {path} is damaged: it is kept as {aside.name}, and what is missing is measured anew"
        in said
    )
    assert aside.read_bytes() == half
    assert workshop.started == again
    assert helpers.content(table) == helpers.content(whole)
    workshop.started.clear()
    assert helpers.content(run(tiny, out=tmp_path, mode="resume")) == helpers.content(whole)
    assert workshop.started == []


def test_a_half_written_replicate_is_taken_again_where_its_comparison_is_not_made(
    tiny: Suite, tmp_path: Path, workshop: Any, helpers: Any
) -> None:
    whole = run(tiny, out=tmp_path)
    folder = Path(whole.folder or "")
    (path,) = folder.glob("comparisons/*/replicate-1.json")
    path.write_text("{")
    (made,) = folder.glob("comparisons/*.json")
    made.unlink()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume", only="*")
    assert workshop.started == ["replicate 1"]
    assert helpers.content(table) == helpers.content(whole)


def test_a_cell_of_a_newer_benchbench_is_refused_and_left_alone(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    folder = Path(run(tiny, out=tmp_path).folder or "")
    (path,) = folder.glob("cells/v1-*.json")
    newer = path.read_text().replace('"schema_version": 1', '"schema_version": 99')
    path.write_text(newer)
    workshop.started.clear()
    with pytest.raises(StoreError, match="has schema version 99"):
        run(tiny, out=tmp_path, mode="resume")
    assert path.read_text() == newer
    assert workshop.started == []


def test_another_suite_does_not_go_on_with_a_run(
    tiny: Suite, tiny_file: Path, tmp_path: Path, workshop: Any, helpers: Any
) -> None:
    workshop.dies("v1")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path)
    workshop.acts.clear()
    other = load_suite(tiny_file, overrides=("train.steps=7",))
    with pytest.raises(StoreError, match="'train' differs"):
        run(other, out=tmp_path, mode="resume")
    assert run(other, out=tmp_path).run.finished is not None


def test_two_processes_do_not_work_on_one_run(
    tiny: Suite, tmp_path: Path, workshop: Any, helpers: Any
) -> None:
    workshop.dies("v1")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path)
    workshop.acts.clear()
    with (
        exclusive_run(find_run(tmp_path / "tiny")),
        pytest.raises(LockedError, match="another process works on") as caught,
    ):
        run(tiny, out=tmp_path, mode="resume")
    assert caught.value.exit_code == 1
    assert not has_failed(run(tiny, out=tmp_path, mode="resume"))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_disk_that_takes_no_more_is_one_clear_error_and_loses_nothing(
    tiny: Suite, tmp_path: Path, workshop: Any, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    workshop.acts["v1"] = lambda: monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StoreError, match=f"cannot write .*v1-.*: {os.strerror(code)}") as caught:
        run(tiny, out=tmp_path / "out")
    assert caught.value.fix
    monkeypatch.undo()
    folder = find_run(tmp_path / "out" / "tiny")
    assert [each.cell.variant for each in read_run(folder).results] == ["baseline"]
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"]


def test_a_full_disk_in_a_worker_ends_the_run_and_not_each_cell(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    def full() -> None:
        raise StoreError("cannot write v1.safetensors: No space left on device")

    workshop.acts["v1"] = full
    with pytest.raises(StoreError, match="No space left"):
        run(tiny, out=tmp_path)
    assert workshop.started == ["baseline", "v1"]
    workshop.acts.clear()
    workshop.started.clear()
    assert not has_failed(run(tiny, out=tmp_path, mode="resume"))
    assert workshop.started == ALL[1:]


@pytest.mark.parametrize("mode", ["new", "resume"])
def test_a_file_where_results_should_go_is_a_clear_error(
    tiny: Suite, tmp_path: Path, workshop: Any, mode: Any
) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot write") as caught:
        run(tiny, out=tmp_path / "out", mode=mode)
    assert "--out" in str(caught.value)
    assert workshop.started == []


def test_groups_of_a_sweep_are_compared_each_within_itself(
    tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    tiny_file.write_text(tiny_file.read_text() + "matrix: {seed: [0, 1]}\n", encoding="utf-8")
    table = run(load_suite(tiny_file), out=tmp_path)
    assert len(workshop.started) == 6 + 4
    groups = [[cell.seed for cell in job.replicate.cells] for job in workshop.jobs if job.replicate]
    assert groups == [[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]]
    assert [job.replicate.seed for job in workshop.jobs if job.replicate] == [0, 0, 1, 1]
    assert len(table.results) == 6
    for result in table.results:
        names = [each.name for each in result.measurements]
        assert names.count("latency") == 1
        assert names.count("speedup") == (result.cell.variant != "baseline")


def test_a_sweep_of_variants_alone_stays_one_group(tiny_file: Path, tmp_path: Path, workshop: Any) -> None:
    sweep = "matrix: {'variant.replace.with.norm': [none, instance]}\n"
    text = tiny_file.read_text().replace("with: depthwise_separable", "with: {name: depthwise_separable}")
    tiny_file.write_text(text + sweep, encoding="utf-8")
    run(load_suite(tiny_file), out=tmp_path)
    (first, _) = (job.replicate for job in workshop.jobs if job.replicate)
    assert [cell.variant for cell in first.cells] == ["baseline", "v1", "v1", "v2", "v2"]
    assert len({cell.id for cell in first.cells}) == 5


def test_phases_add_up_to_the_wall_time(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    whole = workshop._do

    def with_phases(job: Any) -> Answer:
        answer = whole(job)
        if answer.result is None:
            return answer
        phases = (Phase(name="train", seconds=0.0, inside_s=0.0),)
        return Answer(result=answer.result.model_copy(update={"phases": phases}))

    workshop._do = with_phases
    clock = iter(range(10_000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module.time, "perf_counter", lambda: float(next(clock)))
        table = run(tiny, out=tmp_path)
    phases = {phase.name: phase for phase in table.run.phases}
    assert {"prepare", "train", "start processes", "latency", "save and plan"} == set(phases)
    assert all(0 <= phase.inside_s <= phase.seconds for phase in phases.values())
    # Every reading of the clock is a second; the last one is that of the closing record.
    assert sum(phase.seconds for phase in phases.values()) == next(clock) - 1


def test_phases_of_a_resumed_run_are_added(tiny: Suite, tmp_path: Path, workshop: Any) -> None:
    workshop.fails("v1", "crashed")
    first = {phase.name: phase.seconds for phase in run(tiny, out=tmp_path).run.phases}
    workshop.acts.clear()
    second = {phase.name: phase.seconds for phase in run(tiny, out=tmp_path, mode="resume").run.phases}
    assert all(second[name] > first[name] for name in ("prepare", "start processes", "latency"))


def test_a_wrong_request_is_told_before_anything_is_trained(
    tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    text = tiny_file.read_text().partition("train:\n")[0]
    text += "train: {load: 'weights/{variant}.pt'}\nmeasure: [parameters]\n"
    tiny_file.write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"no checkpoint at weights/baseline\.pt"):
        run(load_suite(tiny_file), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert workshop.started == []


MODULE = """
from torch import nn


def build(width: int = 3) -> nn.Module:
    return nn.Conv2d(3, width, 3)
"""


@pytest.mark.parametrize("place", ["beside the suite", "in the working directory"])
def test_a_users_own_module_is_found(
    tmp_path: Path, workshop: Any, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "suites").mkdir()
    (tmp_path / "work").mkdir()
    folder = tmp_path / ("suites" if place == "beside the suite" else "work")
    name = f"own_{folder.name}"
    (folder / f"{name}.py").write_text(MODULE)
    suite_file = tmp_path / "suites" / "own.yaml"
    suite_file.write_text(
        f"name: own\narchitecture: {{import: '{name}:build', input: [1, 3, 8, 8]}}\nmeasure: [parameters]\n"
    )
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert main(["run", "../suites/own.yaml"]) == 0
    assert workshop.jobs[0].cell.import_folders == (str(tmp_path / "suites"), str(tmp_path / "work"))


def test_an_unwritable_link_is_a_store_error(
    tiny: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    record = RunRecord(id="r", command="c", started="now", benchbench="0")
    with pytest.raises(StoreError, match=r"cannot write .*latest"):
        RunStore.create(tmp_path, tiny, record, Environment())


def test_a_run_is_not_resumed_on_another_machine(
    tiny: Suite, tmp_path: Path, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.dies("v1")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path)
    here = run_module.probe_environment()
    elsewhere = here.model_copy(update={"cpu_model": "another CPU"})
    monkeypatch.setattr(run_module, "probe_environment", lambda: elsewhere)
    with pytest.raises(StoreError, match=r"begun on another machine .cpu_model: .*another CPU") as caught:
        run(tiny, out=tmp_path, mode="resume")
    assert caught.value.fix == "resume it there, or run without --resume to start anew"
