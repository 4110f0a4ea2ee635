from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchbench.core import result_file
from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate
from benchbench.core.environment import Environment
from benchbench.core.errors import StoreError
from benchbench.core.measurement import (
    SCHEMA_VERSION,
    CellResult,
    Measurement,
    Protocol,
    RunRecord,
)
from benchbench.core.store import RunStore, cannot_write, find_run, read_run, write_atomically
from benchbench.core.suite import ArchitectureSpec, Suite

RUN_V1 = Path(__file__).parents[1] / "data" / "run-v1"
SUITE = Suite.model_validate({"name": "s", "architecture": "net", "measure": ["parameters"]})
CELL = Cell(variant="baseline", architecture=ArchitectureSpec(name="net"))


def record(name: str = "20260101-000000") -> RunRecord:
    return RunRecord(id=name, command="benchbench run s.yaml", started="now", benchbench="0.1.0")


def figure(value: float, name: str = "parameters") -> Measurement:
    return Measurement(name=name, unit="1", direction="lower", value=value, protocol=Protocol(name="p"))


@pytest.fixture
def made(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path, SUITE, record(), Environment())


@pytest.fixture
def old_run(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RUN_V1, tmp_path / "old" / "20261121-025701"))


def test_a_run_of_version_1_is_read_for_ever() -> None:
    table = read_run(RUN_V1)
    assert [result.cell.variant for result in table.results] == ["baseline", "v1", "v2"]
    baseline, v1, v2 = table.results
    assert [each.name for each in baseline.measurements[:2]] == ["training_time", "peak_resident"]
    assert baseline.measurement("parameters") == figure(9651.0).model_copy(
        update={
            "protocol": baseline.measurements[2].protocol,
            "provenance": baseline.measurements[2].provenance,
        }
    )
    speedup = v1.measurement("speedup", "cpu, 2 threads")
    assert speedup is not None
    assert speedup.interval is not None
    assert (speedup.baseline, speedup.value in speedup.interval) == (baseline.cell.id, True)
    assert v1.replacements[0].after is not None
    assert v2.failure is not None
    assert (v2.failure.kind, v2.failure.step) == ("diverged", 3)
    assert table.environment.cpus_online == 2
    assert table.run.phases
    (samples,) = RUN_V1.glob("comparisons/*/replicate-0.json")
    replicate = RunStore(RUN_V1).read_replicate(samples.parent.name, 0)
    assert replicate is not None
    assert len(replicate.samples) == 3


def test_every_older_version_has_a_migration() -> None:
    assert set(result_file.MIGRATIONS) == set(range(1, SCHEMA_VERSION))


def test_an_older_run_is_migrated_file_by_file(old_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def rename(kind: str, document: dict[str, Any]) -> dict[str, Any]:
        seen.append(kind)
        if kind == "CellResult" and document.get("failures"):
            document["failures"][0]["reason"] += ", as version 2 says it"
        return document

    # Twice: what comes out of the first is what goes into the second.
    monkeypatch.setattr(result_file, "MIGRATIONS", {1: rename, 2: rename})
    monkeypatch.setattr(result_file, "SCHEMA_VERSION", 3)
    run_store = RunStore(old_run)
    table = run_store.read_table()
    assert sorted(seen) == sorted(2 * ["ResultTable", "CellResult", "CellResult", "CellResult", "Addenda"])
    assert table.results[2].failures[0].reason.endswith("step 3, as version 2 says it, as version 2 says it")
    # A run that the older version began is finished by this one: new files stand beside old ones.
    seen.clear()
    run_store.write_cell(table.results[2])
    run_store.write_header(table.suite, table.run, table.environment)
    assert run_store.read_table() == table
    assert seen.count("CellResult") == 4
    assert "ResultTable" not in seen
    (samples,) = old_run.glob("comparisons/*/replicate-0.json")
    seen.clear()
    assert run_store.read_replicate(samples.parent.name, 0) is not None
    assert seen == ["Replicate", "Replicate"]


@pytest.mark.parametrize("name", ["run.json", "cells/v1-*.json", "comparisons/*.json"])
def test_a_newer_version_is_refused(old_run: Path, name: str) -> None:
    (path,) = old_run.glob(name)
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match=f"schema version {SCHEMA_VERSION + 1}") as caught:
        read_run(old_run)
    assert str(path) in caught.value.problem
    assert caught.value.fix == "update benchbench"


def test_every_file_says_its_version(made: RunStore) -> None:
    made.write_cell(CellResult(cell=CELL))
    made.write_comparison("latency-1", [CellResult(cell=CELL)])
    made.write_replicate("latency-1-a", 0, Replicate(samples={"a": (1.0,)}))
    files = list(made.folder.rglob("*.json"))
    assert len(files) == 4
    assert {json.loads(path.read_text())["schema_version"] for path in files} == {SCHEMA_VERSION}
    assert "results" not in json.loads((made.folder / "run.json").read_text())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"schema_version": "1"}',
        '{"schema_version": 0}',
        '{"surprise": 1}',
        "\udcff",
    ],
)
@pytest.mark.parametrize("name", ["run.json", "cells/v1-*.json", "comparisons/*.json"])
def test_a_damaged_file_is_named_with_what_to_do(old_run: Path, name: str, text: str) -> None:
    (path,) = old_run.glob(name)
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(StoreError, match="damaged result file") as caught:
        read_run(old_run)
    assert str(path) in str(caught.value)
    assert ("--resume: what it held" in (caught.value.fix or "")) == (name != "run.json")


def test_a_damaged_replicate_is_named(made: RunStore) -> None:
    path = made.replicate_file("latency-1", 0)
    path.parent.mkdir(parents=True)
    path.write_text('{"samples": {"a": ["fast"]}}')
    with pytest.raises(StoreError, match=r"replicate-0\.json: samples\.a\.0: damaged"):
        made.read_replicate("latency-1", 0)
    assert made.read_replicate("latency-1", 1) is None


def test_what_is_written_is_read_back(made: RunStore) -> None:
    odd = CellResult(cell=CELL, measurements=(figure(float("inf")), figure(-0.1 + 0.3, "Gr\u00f6\u00dfe")))
    made.write_cell(odd)
    assert made.read_cell(CELL.id) == odd
    assert made.read_cell("other") is None
    made.write_cell(CellResult(cell=CELL, measurements=(figure(float("nan")),)))
    again = made.read_cell(CELL.id)
    assert again is not None
    assert again.measurements[0].value != again.measurements[0].value
    replicate = Replicate(samples={"a": (1e-9, 2.5)}, settings={"torch": "2", "on": True, "load": None})
    made.write_replicate("latency-1", 0, replicate)
    assert made.read_replicate("latency-1", 0) == replicate


def test_a_comparison_adds_to_its_cells(made: RunStore) -> None:
    made.write_cell(CellResult(cell=CELL, measurements=(figure(1.0),), checkpoint="c"))
    made.write_comparison("latency-1", [CellResult(cell=CELL, measurements=(figure(2.0, "latency"),))])
    (result,) = made.read_table().results
    assert [each.name for each in result.measurements] == ["parameters", "latency"]
    assert result.checkpoint == "c"


def test_latest_is_the_newest_run(tmp_path: Path) -> None:
    for name in ("20260101-000000", "20260102-000000"):
        RunStore.create(tmp_path, SUITE, record(name), Environment())
    folder = tmp_path / "s"
    for path in (folder, folder / "latest", folder / "latest" / "run.json"):
        assert find_run(path).name == "20260102-000000"
    assert find_run(folder / "20260101-000000").name == "20260101-000000"
    (folder / "latest").unlink()
    for path in (folder, folder / "latest"):
        assert find_run(path).name == "20260102-000000"
    # A run that was killed before its first file.
    (folder / "20260103-000000").mkdir()
    (folder / "latest").symlink_to("20260103-000000")
    for path in (folder, folder / "latest"):
        assert find_run(path).name == "20260102-000000"


def test_no_run_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no run at") as caught:
        find_run(tmp_path)
    assert "benchbench run" in (caught.value.fix or "")
    with pytest.raises(StoreError, match="no run at"):
        RunStore(tmp_path).read_table()


def test_a_run_is_not_begun_twice(made: RunStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="exists already"):
        RunStore.create(tmp_path, SUITE, record(), Environment())


@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    path = tmp_path / "kept.json"
    write_atomically(path, "old")

    def refuse(*_: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(StoreError, match=f"cannot write {path}: {os.strerror(code)}") as caught:
        write_atomically(path, "new")
    assert caught.value.fix
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept.json", "old")]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StoreError, match="cannot write"):
        RunStore.create(tmp_path / "out", SUITE, record(), Environment())


def test_an_unheard_of_cause_is_told_as_it_came() -> None:
    error = cannot_write(Path("x"), OSError("PytorchStreamWriter failed"))
    assert error.problem == "cannot write x: PytorchStreamWriter failed"
    assert "disk space" in (error.fix or "")
