from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from benchbench.core.deployment_record import DeploymentRecord
from benchbench.core.errors import LockedError
from benchbench.core.expand import expand
from benchbench.core.measurement import Failure
from benchbench.core.registry import MEASURES
from benchbench.core.store import RunStore
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.measures.latency.opening import as_settings
from benchbench.measures.latency.options import LatencyOptions
from benchbench.runner import comparisons
from benchbench.runner.comparison_plan import PlannedComparison
from benchbench.runner.comparisons import Progress
from benchbench.runner.files import digest_of_files
from benchbench.runner.jobs import Answer
from benchbench.runner.lock import exclusive_latency
from benchbench.runner.run import run


def planned(suite: Suite, *variants: str, group: str = "", **options: Any) -> PlannedComparison:

    comparison = MEASURES.load("latency").comparison
    assert comparison is not None
    cells = tuple(cell for cell in expand(suite) if cell.variant in variants)
    made = LatencyOptions.model_validate({"threads": (1,), **options})
    return PlannedComparison("latency", comparison, made, cells, group)


def test_a_comparison_has_one_id_and_its_samples_one_per_set_of_cells(tiny: Suite) -> None:
    two, three = planned(tiny, "baseline", "v1"), planned(tiny, "baseline", "v1", "v2")
    assert two.id == three.id
    assert two.samples_id != three.samples_id
    assert two.samples_id.startswith(two.id)
    others = [
        planned(tiny, "baseline", "v1", threads=(2,)),
        planned(tiny, "baseline", "v1", group="seed=1"),
        planned(tiny, "baseline", "v1", budget_s=30.0),
    ]
    assert len({two.id, *(each.id for each in others)}) == 4
    assert others[1].label == "latency (cpu, 1 thread, seed=1)"
    deployed, again = (replace(two, digests=(digest,)) for digest in ("v1 aa", "v1 bb"))
    assert deployed.id == two.id
    assert len({two.samples_id, deployed.samples_id, again.samples_id}) == 3


def test_phases_of_one_name_are_one() -> None:
    progress = Progress(say=print)
    progress.add("train", 2.0, inside_s=1.0)
    progress.add("train", 3.0, inside_s=2.5)
    progress.add("prepare", 1.0, inside_s=0.0)
    train, _ = progress.phases()
    assert (train.name, train.seconds, train.inside_s) == ("train", 5.0, 3.5)


def test_the_baseline_comes_first_whatever_its_place(tiny_file: Path, tmp_path: Path, workshop: Any) -> None:
    tiny_file.write_text(tiny_file.read_text() + "baseline: v2\n", encoding="utf-8")
    table = run(load_suite(tiny_file), out=tmp_path)
    assert [cell.variant for cell in workshop.jobs[-1].replicate.cells] == ["v2", "baseline", "v1"]
    assert {each.cell.variant for each in table.results if each.measurement("speedup")} == {"baseline", "v1"}


def test_more_threads_than_there_are_are_skipped_and_the_rest_is_measured(
    tiny_file: Path, tmp_path: Path, workshop: Any
) -> None:
    suite = load_suite(tiny_file, overrides=("measure.latency.threads=[1, 1000]",))
    table = run(suite, out=tmp_path)
    assert workshop.started.count("replicate 0") == 1
    for result in table.results:
        (failure,) = result.failures
        assert (failure.of, failure.kind) == ("latency", "skipped")
        assert "1000 threads" in failure.reason
        assert result.measurement("latency", "cpu, 1 thread") is not None
    workshop.started.clear()
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started == []


def test_while_another_process_measures_a_run_waits_and_may_give_up(
    tiny: Suite, tmp_path: Path, workshop: Any, private_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def briefly(what: str, *, say: Any) -> Any:
        return exclusive_latency(what, say=say, wait_s=0.05, poll_s=0.01)

    said: list[str] = []
    with monkeypatch.context() as patch, FileLock(private_lock):
        patch.setattr(comparisons, "exclusive_latency", briefly)
        with pytest.raises(LockedError, match="has measured latency on this machine"):
            run(tiny, out=tmp_path, say=said.append)
    assert "waiting: another process measures latency on this machine" in said
    assert workshop.started == ["baseline", "v1", "v2"]
    workshop.started.clear()
    run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["replicate 0", "replicate 1"]


def test_processes_follow_until_the_ratios_are_known(
    tiny_file: Path, tmp_path: Path, workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = load_suite(tiny_file, overrides=("measure.latency.max_processes=5",))
    seen: list[int] = []

    def known_after_four(replicates: Any, *_: Any) -> bool:
        seen.append(len(replicates))
        return len(replicates) == 4

    made = MEASURES.load("latency")
    assert made.comparison is not None
    comparison = replace(made.comparison, converged=known_after_four)
    load = MEASURES.load
    patched = replace(made, comparison=comparison)
    monkeypatch.setattr(MEASURES, "load", lambda name: patched if name == "latency" else load(name))
    workshop.dies("replicate 3")
    with pytest.raises(workshop.killed):
        run(suite, out=tmp_path)
    assert seen == [2, 3]
    workshop.acts.clear()
    workshop.started.clear()
    run(suite, out=tmp_path, mode="resume")
    assert workshop.started == ["replicate 3"]


@pytest.mark.parametrize(("kind", "retaken"), [("invalid", True), ("crashed", True), ("skipped", False)])
def test_a_session_that_did_not_open_is_tried_again_in_the_processes_where_it_did_not(
    tiny: Suite, tmp_path: Path, workshop: Any, kind: Any, retaken: bool
) -> None:
    (_, v1, _) = expand(tiny)
    failure = Failure(of="latency", kind=kind, reason="it does not open", fix="mend it")

    def without_v1() -> Answer:
        whole = workshop._do(workshop.jobs[-1]).replicate
        samples = {name: values for name, values in whole.samples.items() if name != v1.id}
        settings = {**whole.settings, **as_settings({v1.id: failure})}
        return Answer(replicate=whole.model_copy(update={"samples": samples, "settings": settings}))

    workshop.acts["replicate 1"] = without_v1
    table = run(tiny, out=tmp_path)
    assert [bool(each.measurement("latency")) for each in table.results] == [True, False, True]
    (told,) = table.results[1].failures
    assert (told.kind, told.fix) == (kind, "mend it")
    workshop.acts.clear()
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == (["replicate 1"] if retaken else [])
    assert bool(table.results[1].measurement("latency")) == retaken
    assert bool(table.results[1].failures) != retaken


def test_what_was_deployed_again_as_another_file_is_timed_again(
    tiny: Suite, tmp_path: Path, workshop: Any
) -> None:
    written = iter([b"one", b"other"])

    def deployed() -> Answer:
        job = workshop.jobs[-1]
        made = workshop._do(job).result
        file = Path(job.cell.folder) / "artefacts" / made.cell.id / "model.toy"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(next(written))
        artefact = str(file.relative_to(job.cell.folder))
        record = DeploymentRecord(artefact=artefact, digest=digest_of_files([file]))
        return Answer(result=made.model_copy(update={"deployment": record}))

    workshop.acts["v1"] = deployed
    table = run(tiny, out=tmp_path)
    assert table.folder is not None
    (file,) = Path(table.folder).glob("artefacts/*/model.toy")
    (before,) = Path(table.folder).glob("comparisons/*.json")
    workshop.started.clear()
    assert run(tiny, out=tmp_path, mode="resume") == table
    file.unlink()
    workshop.dies("replicate 1")
    with pytest.raises(workshop.killed):
        run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["v1", "replicate 0", "replicate 1"]
    # The figures of the file that is gone are gone with it.
    assert not before.exists()
    assert not any(each.measurement("latency") for each in RunStore(Path(table.folder)).read_table().results)
    del workshop.acts["replicate 1"]
    workshop.started.clear()
    table = run(tiny, out=tmp_path, mode="resume")
    assert workshop.started == ["replicate 1"]
    assert all(each.measurement("latency") for each in table.results)
