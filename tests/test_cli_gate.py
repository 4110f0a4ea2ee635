"""`benchbench gate`: its ways, what it refuses, and what it leaves."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from benchbench.cli import main
from benchbench.core.errors import GateError, LockedError
from benchbench.core.measurement import ResultTable
from benchbench.core.store import cannot_write
from benchbench.core.suite import Suite
from benchbench.runner import gate_run, gate_sets
from benchbench.runner.gate_sets import RevisionsMeasured

Refused = Callable[[Sequence[str], str], None]
SUITE = """\
name: toy
architecture: transformer_net
variants: {baseline: {}, v1: {replace: {stages: residual, with: depthwise_separable}}}
measure: [parameters, macs, latency, memory]
"""


@pytest.fixture(scope="session")
def runs(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("gate/gate_runs.py")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def suite_file(tmp_path: Path) -> str:
    (tmp_path / "toy.yaml").write_text(SUITE)
    return "toy.yaml"


@pytest.fixture
def written(runs: ModuleType, tmp_path: Path) -> Callable[..., str]:
    """(table) -> the folder of the run on disk."""
    count = 0

    def write(table: ResultTable) -> str:
        nonlocal count
        count += 1
        return str(runs.write_run(table, tmp_path / f"run{count}"))

    return write


@pytest.fixture
def baseline(runs: ModuleType, written: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> str:
    """A baseline file of the run that `runs.run()` is."""
    command = ["gate", written(runs.run()), "--baseline", "base.json", "--update", "--reason", "the first"]
    assert main(command) == 0
    assert "baseline: base.json, 2 cells" in capsys.readouterr().out
    return "base.json"


class FakeMeasure:
    """Stands for running a suite: answers with the tables it was given, one after another."""

    def __init__(self, *tables: ResultTable) -> None:
        self.tables = list(tables)
        self.suites: list[Suite] = []
        self.confirmed: list[str] = []

    def run(self, suite: Suite, **asked: Any) -> ResultTable:
        self.suites.append(suite)
        asked["say"]("measuring")
        return self.tables.pop(0)

    def again(self, table: ResultTable, cells: Sequence[Any], **asked: Any) -> ResultTable:
        self.confirmed += [cell.label for cell in cells]
        return self.tables.pop(0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakeMeasure]:
    def fake(*tables: ResultTable) -> FakeMeasure:
        made = FakeMeasure(*tables)
        monkeypatch.setattr(gate_run, "run", made.run)
        monkeypatch.setattr(gate_run, "measure_again", made.again)
        return made

    return fake


def test_two_runs(runs: ModuleType, written: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    base, head = written(runs.run(1.4)), written(runs.run(1.0, seed=50))
    assert main(["gate", base, base]) == 0
    assert "green: " in capsys.readouterr().out
    assert main(["gate", base, head]) == 1
    out = capsys.readouterr().out
    assert "fail: v1 speedup (cpu, 2 threads): 4" in out
    assert f"again: benchbench gate {base} {head} --only v1" in out
    assert main(["gate", base, head, "--only", "baseline"]) == 0
    assert not Path("results").exists()


def test_a_baseline_file_and_a_run(
    runs: ModuleType, written: Callable[..., str], baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = written(runs.run(1.0, seed=50))
    before = Path(baseline).read_bytes()
    assert main(["gate", baseline, head]) == 1
    assert main(["gate", head, "--baseline", baseline]) == 1
    assert Path(baseline).read_bytes() == before
    capsys.readouterr()
    assert main(["gate", head, "--baseline", baseline, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["exit_code"] == 1
    assert {each["status"] for each in told["verdicts"]} == {"pass", "note", "fail"}
    assert "timings" not in told


def test_an_update_accepts_what_fails_and_keeps_the_reasons(
    runs: ModuleType, written: Callable[..., str], baseline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    head = written(runs.run(1.0, seed=50))
    command = ["gate", head, "--baseline", baseline]
    assert main([*command, "--update", "--reason", "v1 is wider"]) == 0
    assert "red: " in capsys.readouterr().out
    reasons = [each["reason"] for each in json.loads(Path(baseline).read_text())["reasons"]]
    assert reasons == ["the first", "v1 is wider"]
    assert main(command) == 0


def test_a_suite_by_its_baseline_measures_what_rules_need(
    runs: ModuleType, suite_file: str, baseline: str, measured: Callable[..., FakeMeasure]
) -> None:
    fake = measured(runs.run(1.4, seed=50))
    assert main(["gate", suite_file, "--baseline", baseline]) == 0
    names = [spec.name for spec in fake.suites[0].measure]
    assert names[:3] == ["parameters", "macs", "latency"]
    assert "memory" not in names
    assert fake.confirmed == []
    (record,) = Path("results/toy/gate").iterdir()
    assert main(["gate", "--replay", str(record)]) == 0
    Path("strict.yaml").write_text("vanished: warn\ncells: {v1: {parameters: ignore}}\n")
    assert main(["gate", "--replay", str(record), "--rules", "strict.yaml", "--json"]) == 0


def test_a_slower_suite_is_measured_again_before_it_fails(
    runs: ModuleType, suite_file: str, baseline: str, measured: Callable[..., FakeMeasure]
) -> None:
    command = ["gate", suite_file, "--baseline", baseline]
    fake = measured(runs.run(1.0, seed=50), runs.run(1.0, seed=90))
    assert main(command) == 1
    assert fake.confirmed == ["v1"]
    fake = measured(runs.run(1.0, seed=50), runs.run(1.4, seed=90))
    assert main(command) == 0
    fake = measured(runs.run(1.0, seed=50))
    assert main([*command, "--update", "--reason", "as wanted"]) == 0
    assert fake.confirmed == []


def test_only_takes_the_baseline_variant_along(
    runs: ModuleType, suite_file: str, baseline: str, measured: Callable[..., FakeMeasure]
) -> None:
    fake = measured(runs.run(1.4, seed=50))
    assert main(["gate", suite_file, "--baseline", baseline, "--only", "v1"]) == 0
    assert list(fake.suites[0].variants) == ["baseline", "v1"]
    fake = measured(runs.run(1.4, seed=50))
    assert main(["gate", suite_file, "--baseline", baseline, "--only", "baseline"]) == 0
    assert list(fake.suites[0].variants) == ["baseline"]


@pytest.fixture
def revisions(runs: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    def fake(ratio: float) -> dict[str, Any]:
        asked: dict[str, Any] = {}

        def measure(path: str, **given: Any) -> RevisionsMeasured:
            asked.update(given, path=path, tolerance=given["tolerance_of"]("v1"))
            return RevisionsMeasured(
                suite=runs.suite(),
                base="main (1a2b3c4)",
                head="the working tree",
                pairs=(runs.sets(ratio),) if "measure=[parameters, macs]" not in given["overrides"] else (),
                sides=((runs.side(), runs.side()),),
                cautions=("from measuring",),
            )

        monkeypatch.setattr(gate_sets, "measure_revisions", measure)
        return asked

    return fake


def test_against_a_revision(
    suite_file: str, revisions: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    asked = revisions(1.3)
    assert main(["gate", suite_file, "--against", "main", "--only", "v1", "--profile", "latency"]) == 1
    out = capsys.readouterr().out
    assert (asked["against"], asked["only"], asked["profile"]) == ("main", "v1", "latency")
    assert asked["tolerance"] == 0.1
    assert "toy: the working tree against main (1a2b3c4)" in out
    assert "again: benchbench gate toy.yaml --against main --profile latency --only v1" in out
    assert "Mind: from measuring." in out
    (record,) = Path("results/toy/gate").iterdir()
    Path("gate.yaml").write_text("measures: {latency: 50 %}\n")
    assert main(["gate", "--replay", str(record), "--rules", "gate.yaml"]) == 0
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "command": "benchbench gate toy.yaml --against 'a b'"}))
    capsys.readouterr()
    assert main(["gate", "--replay", str(record)]) == 1
    assert "again: benchbench gate toy.yaml --against 'a b' --only v1" in capsys.readouterr().out


def test_a_replay_of_revisions_is_said_again_by_its_own_rules_and_leaves_no_files(
    suite_file: str,
    revisions: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["gate", suite_file, "--against", "main", "--only", "v*", "--out", "o", "--junit", "j.xml"]
    words += ["--markdown", "m.md", "--json", "--summary", "--set", "timeout_s=9"]
    monkeypatch.setattr("sys.argv", ["benchbench", *words])
    revisions(1.3)
    assert main(words) == 1
    (record,) = Path("o/toy/gate").iterdir()
    capsys.readouterr()
    again = "again: benchbench gate toy.yaml --against main"
    assert main(["gate", "--replay", str(record)]) == 1
    assert f"{again} --set timeout_s=9 --only v1\n" in capsys.readouterr().out
    Path("strict.yaml").write_text("measures: {latency: 4 %}\n")
    assert main(["gate", "--replay", str(record), "--rules", "strict.yaml"]) == 1
    assert f"{again} --rules strict.yaml --set timeout_s=9 --only v1\n" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_a_record_whose_command_asks_for_help_is_judged_all_the_same(
    suite_file: str, revisions: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str], word: str
) -> None:
    revisions(1.3)
    assert main(["gate", suite_file, "--against", "main"]) == 1
    (record,) = Path("results/toy/gate").iterdir()
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "command": f"benchbench gate toy.yaml {word}"}))
    capsys.readouterr()
    assert main(["gate", "--replay", str(record)]) == 1
    out = capsys.readouterr().out
    assert f"again: benchbench gate --replay {record}" in out
    assert "usage:" not in out


def test_a_cell_whose_times_no_rule_judges_has_no_tolerance(
    suite_file: str, revisions: Callable[..., dict[str, Any]]
) -> None:
    asked = revisions(1.3)
    Path("gate.yaml").write_text("cells: {v1: {latency: ignore}}\n")
    assert main(["gate", suite_file, "--against", "main", "--rules", "gate.yaml"]) == 0
    assert (asked["overrides"], asked["tolerance"]) == ([], None)


def test_no_time_is_asked_to_be_equal(
    suite_file: str, revisions: Callable[..., dict[str, Any]], assert_refused: Refused
) -> None:
    asked = revisions(1.3)
    Path("gate.yaml").write_text("measures: {latency: 0 %}\n")
    assert_refused(
        ["gate", suite_file, "--against", "main", "--rules", "gate.yaml"], "no two times are equal"
    )
    assert asked == {}


def test_times_that_no_rule_judges_are_not_taken(
    suite_file: str, revisions: Callable[..., dict[str, Any]]
) -> None:
    asked = revisions(1.3)
    Path("gate.yaml").write_text("measures: {latency: ignore}\n")
    assert main(["gate", suite_file, "--against", "main", "--rules", "gate.yaml"]) == 0
    assert asked["overrides"] == ["measure=[parameters, macs]"]


def test_markdown_junit_summary_and_annotations(
    runs: ModuleType,
    written: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, head = written(runs.run(1.4)), written(runs.run(1.0, seed=50))
    command = ["gate", base, head]
    assert main([*command, "--markdown", "out/m.md", "--junit", "out/j.xml", "--summary"]) == 1
    out, err = capsys.readouterr()
    assert Path("out/m.md").read_text().startswith("## Gate of toy: red")
    assert ElementTree.parse("out/j.xml").getroot().get("failures") == "1"
    assert "$GITHUB_STEP_SUMMARY is not set" in err
    assert "::error" not in out + err
    Path("summary.md").write_text("what an earlier step said\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert main([*command, "--summary", "--markdown", "-"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("## Gate of toy: red")
    assert Path("summary.md").read_text().startswith("what an earlier step said\n## Gate of toy")
    assert (
        len([line for line in err.splitlines() if line.startswith("::error title=gate toy%3A fail::v1")]) == 1
    )
    assert main([*command, "--annotations", "none"]) == 1
    assert "::error" not in capsys.readouterr().err


def test_an_empty_summary_is_none(
    runs: ModuleType,
    written: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    run = written(runs.run())
    assert main(["gate", run, run, "--summary"]) == 0
    assert "$GITHUB_STEP_SUMMARY is not set here" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--summary", "--out"])
@pytest.mark.parametrize("place", ["file/below", "folder"])
def test_a_file_that_cannot_be_is_told_before_anything_is_measured(
    suite_file: str,
    baseline: str,
    measured: Callable[..., FakeMeasure],
    assert_refused: Refused,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    place: str,
) -> None:
    Path("file").write_text("")
    Path("folder").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", place)
    fake = measured()
    words = [] if option == "--summary" else [place]
    if (option, place) == ("--out", "folder"):
        words = ["file"]
    command = ["gate", suite_file, "--baseline", baseline, option, *words]
    assert_refused(command, f"{option} {(words or [place])[0]} cannot be written: ")
    assert fake.suites == []


@pytest.mark.parametrize("option", ["--junit", "--markdown", "--summary", "--out"])
def test_a_file_that_cannot_be_written_hides_no_verdict(
    runs: ModuleType,
    written: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    option: str,
) -> None:
    def full(path: Path, *_: Any) -> None:
        raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    base, head = written(runs.run(1.4)), written(runs.run(1.0, seed=50))
    monkeypatch.setattr("benchbench.core.store.write_atomically", full)
    monkeypatch.setattr("benchbench.gate.record.write_atomically", full)
    monkeypatch.setattr("benchbench.cli.gate_files._append", full)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "s.md")
    words = [option] if option == "--summary" else [option, "there"]
    assert main(["gate", base, head, *words]) == 1
    out, err = capsys.readouterr()
    assert "fail: v1 speedup" in out
    name = "$GITHUB_STEP_SUMMARY" if option == "--summary" else option
    assert "No space left on device" in err
    assert f"give another place with {name}; the verdict stands all the same" in err
    assert "--resume" not in err


def test_a_protocol_that_the_suite_declares_otherwise_is_told_before_anything_is_measured(
    runs: ModuleType, suite_file: str, measured: Callable[..., FakeMeasure], assert_refused: Refused
) -> None:
    from benchbench.gate.baseline import updated, write_baseline

    protocol = runs.TIMING.model_copy(update={"settings": {"threads": 1, "processes": 2, "old": True}})

    def changed(one: Any) -> Any:
        return one.model_copy(update={"setting": one.setting and "cpu, 1 thread", "protocol": protocol})

    table = runs.run()
    results = tuple(
        each.model_copy(update={"measurements": tuple(map(changed, each.measurements))})
        for each in table.results
    )
    write_baseline("base.json", updated(None, table.model_copy(update={"results": results}), reason="r"))
    Path(suite_file).write_text(SUITE.replace("latency,", "latency: {threads: 1, processes: 1},"))
    fake = measured()
    command = ["gate", suite_file, "--baseline", "base.json"]
    assert_refused(command, "latency of baseline: processes 2 in the base and 1 in the head")
    assert fake.suites == []


@pytest.mark.parametrize("content", ["{", '{"reasons": []}', '{"reasons": [], "schema_version": 1}'])
def test_a_damaged_baseline_is_removed_before_it_is_written_anew(
    runs: ModuleType, written: Callable[..., str], capsys: pytest.CaptureFixture[str], content: str
) -> None:
    Path("base.json").write_text(content)
    command = ["gate", written(runs.run()), "--baseline", "base.json", "--update", "--reason", "r"]
    assert main(command) == 2
    assert "to do: remove the file, then: `benchbench gate SUITE --baseline FILE" in capsys.readouterr().err
    assert Path("base.json").read_text() == content


WRONG = {
    "nothing": ([], "got 0 arguments"),
    "a suite among results": (["RUN", "toy.yaml"], "a suite is no result"),
    "one run": (["RUN"], "got 1 arguments"),
    "two ways": (["toy.yaml", "--baseline", "b.json", "--against", "main"], "are two ways"),
    "a replay of something": (["RUN", "--replay", "r.json"], "got 1 arguments with --replay"),
    "an update without a file": (["RUN", "RUN", "--update", "--reason", "r"], "--update without --baseline"),
    "an update without a reason": (["RUN", "--baseline", "b.json", "--update"], "without a reason"),
    "a reason without an update": (
        ["RUN", "--baseline", "b.json", "--reason", "r"],
        "--reason without --update",
    ),
    "an update of a part": (
        ["RUN", "--baseline", "b.json", "--update", "--reason", "r", "--only", "v1"],
        "would leave the other cells out",
    ),
    "a profile of a run": (["RUN", "RUN", "--profile", "static"], "--profile needs a suite"),
    "a setting of a run": (["RUN", "--baseline", "b.json", "--set", "a=1"], "--set needs a suite"),
    "a run against a revision": (["RUN", "--against", "main"], "is no suite"),
    "no such run": (["RUN", "nowhere"], "no run at nowhere"),
    "no such baseline": (["RUN", "--baseline", "nowhere.json"], "there is no baseline at nowhere.json"),
    "no such record": (["--replay", "nowhere.json"], "there is no record of a gate at nowhere.json"),
    "no such rules": (["RUN", "RUN", "--rules", "nowhere.yaml"], "there is no such file"),
    "no such suite": (["nowhere.yaml", "--against", "main"], "there is no such file"),
    "no such cell": (["RUN", "RUN", "--only", "v9"], "unknown cell 'v9'"),
}


@pytest.mark.parametrize(("words", "problem"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_request_is_told_and_ends_with_2(
    runs: ModuleType,
    written: Callable[..., str],
    suite_file: str,
    assert_refused: Refused,
    words: list[str],
    problem: str,
) -> None:
    run = written(runs.run())
    assert_refused(["gate", *(run if word == "RUN" else word for word in words)], problem)
    assert not Path("b.json").exists()


def without_samples(table: ResultTable) -> ResultTable:
    bare = tuple(
        each.model_copy(
            update={
                "measurements": tuple(one.model_copy(update={"samples": ()}) for one in each.measurements)
            }
        )
        for each in table.results
    )
    return table.model_copy(update={"results": bare})


def with_other_protocol(table: ResultTable) -> ResultTable:
    def changed(one: Any) -> Any:
        settings = {**one.protocol.settings, "transposed": "output size"}
        return one.model_copy(update={"protocol": one.protocol.model_copy(update={"settings": settings})})

    other = tuple(
        each.model_copy(update={"measurements": tuple(changed(one) for one in each.measurements)})
        for each in table.results
    )
    return table.model_copy(update={"results": other})


BAD_BASES: dict[str, tuple[Callable[[ResultTable], ResultTable], str]] = {
    "another suite": (
        lambda table: table.model_copy(update={"suite": table.suite.model_copy(update={"name": "other"})}),
        "the base is of the suite 'other', the head of 'toy'",
    ),
    "another protocol": (with_other_protocol, "transposed output size in the base and not told in the head"),
    "no samples": (without_samples, "the base has no samples of speedup of v1"),
}


@pytest.mark.parametrize(("spoil", "problem"), BAD_BASES.values(), ids=BAD_BASES.keys())
@pytest.mark.parametrize("update", [(), ("--update", "--reason", "r")], ids=["judged", "updated"])
def test_a_baseline_that_cannot_judge_is_refused_and_left_as_it_is(
    runs: ModuleType,
    written: Callable[..., str],
    suite_file: str,
    measured: Callable[..., FakeMeasure],
    assert_refused: Refused,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[ResultTable], ResultTable],
    problem: str,
    update: Sequence[str],
) -> None:
    from benchbench.gate.baseline import updated, write_baseline

    write_baseline("base.json", updated(None, spoil(runs.run()), reason="spoilt"))
    before = Path("base.json").read_bytes()
    assert_refused(["gate", written(runs.run(seed=50)), "--baseline", "base.json", *update], problem)
    measured(runs.run(1.4, seed=50))
    assert main(["gate", suite_file, "--baseline", "base.json", *update]) == 2
    assert problem in capsys.readouterr().err
    assert Path("base.json").read_bytes() == before


def test_a_baseline_of_another_schema_is_refused(
    runs: ModuleType, written: Callable[..., str], baseline: str, assert_refused: Refused
) -> None:
    document = json.loads(Path(baseline).read_text())
    Path(baseline).write_text(json.dumps({**document, "schema_version": 7}))
    before = Path(baseline).read_bytes()
    command = ["gate", written(runs.run()), "--baseline", baseline, "--update", "--reason", "r"]
    assert_refused(command, "base.json has schema version 7")
    assert Path(baseline).read_bytes() == before


def test_a_failed_run_does_not_become_the_baseline(
    runs: ModuleType, suite_file: str, baseline: str, measured: Callable[..., FakeMeasure]
) -> None:
    from benchbench.core.measurement import Failure

    head = runs.run(seed=50)
    broken = head.results[1].model_copy(
        update={"failures": (Failure(of="latency", kind="crashed", reason="r"),)}
    )
    measured(head.model_copy(update={"results": (head.results[0], broken)}))
    before = Path(baseline).read_bytes()
    assert main(["gate", suite_file, "--baseline", baseline, "--update", "--reason", "r"]) == 2
    assert Path(baseline).read_bytes() == before


def test_a_cell_that_vanished_fails_and_one_that_appeared_warns(
    runs: ModuleType, written: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    base = written(runs.table(runs.result("baseline"), runs.result("v1")))
    head = written(runs.table(runs.result("baseline"), runs.result("v2")))
    assert main(["gate", base, head]) == 1
    out = capsys.readouterr().out
    assert (
        f"fail: v1 cell: it vanished: the head has no such cell\n  again: benchbench gate {base} {head}\n"
        in out
    )
    assert "warning: v2 cell: it appeared" in out
    Path("gate.yaml").write_text("vanished: warn\nappeared: fail\n")
    assert main(["gate", head, head, "--rules", "gate.yaml"]) == 0
    assert main(["gate", base, head, "--rules", "gate.yaml"]) == 1


def test_a_revision_that_does_not_build_ends_with_2(
    suite_file: str, monkeypatch: pytest.MonkeyPatch, assert_refused: Refused
) -> None:
    def measure(path: str, **given: Any) -> RevisionsMeasured:
        raise GateError("main (1a2b3c4) does not build: no module named 'gone'", fix="mend it")

    monkeypatch.setattr(gate_sets, "measure_revisions", measure)
    assert_refused(["gate", suite_file, "--against", "main"], "does not build: no module named 'gone'")
    assert not Path("results").exists()


@pytest.mark.parametrize("error", [LockedError("busy"), RuntimeError("a bug")])
def test_what_could_not_be_judged_is_not_red(
    suite_file: str, baseline: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.delenv("BENCHBENCH_TRACEBACK", raising=False)
    monkeypatch.setattr(gate_run, "run", fail)
    assert main(["gate", suite_file, "--baseline", baseline]) == 2


def test_rules_of_a_file_are_checked_before_anything_is_measured(
    suite_file: str, baseline: str, measured: Callable[..., FakeMeasure], assert_refused: Refused
) -> None:
    Path("gate.yaml").write_text("measures:\n  paramters: exact\n")
    fake = measured()
    command = ["gate", suite_file, "--baseline", baseline, "--rules", "gate.yaml"]
    assert_refused(command, "gate.yaml:2: measures.paramters: unknown measure in a gate's rules 'paramters'")
    assert fake.suites == []


def test_an_interrupted_gate_ends_with_130(
    suite_file: str, baseline: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(gate_run, "run", interrupt)
    before = Path(baseline).read_bytes()
    assert main(["gate", suite_file, "--baseline", baseline, "--update", "--reason", "r"]) == 130
    assert Path(baseline).read_bytes() == before
    assert "interrupted" in capsys.readouterr().err
