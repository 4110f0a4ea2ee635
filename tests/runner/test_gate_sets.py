"""Two revisions of a small project; the processes are made up, except in the slow tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from gate_repository import MODEL, SUITE, commit, git, make_project

from benchbench.core.errors import GateError, UnknownNameError
from benchbench.core.expand import expand
from benchbench.core.paired_sets import estimate, is_slower
from benchbench.core.suite_file import load_suite
from benchbench.runner import gate_sets
from benchbench.runner.gate_process import Answered, Side, SideError, Worker
from benchbench.runner.gate_rounds import Pace
from benchbench.runner.gate_sets import RevisionsMeasured, measure_revisions
from benchbench.runner.lock import holder

FAST = Pace(min_seconds=0.0, min_rounds=8, budget_s=0.0)


@dataclass
class Made:
    """A process that is not started: it reads its tree's suite, and its turns take made-up times."""

    side: Side
    factory: Factory
    cells: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    is_ended: bool = False
    _answers: list[Callable[[], Answered]] = field(default_factory=list)

    def tell(self, what: str, **arguments: Any) -> None:
        self.factory.told.append((self.side, what, arguments))
        self._answers.append(lambda: self._answer(what, arguments))

    def hear(self, *, limit_s: float) -> Answered:
        return self._answers.pop(0)()

    def end(self) -> None:
        self.is_ended = True

    def _answer(self, what: str, arguments: dict[str, Any]) -> Answered:
        label = arguments.get("cell", self.label)
        problem = self.factory.problems.get((self.side, what, label))
        if problem is not None:
            raise SideError(self.side, problem[0], lost=problem[1])
        return getattr(self, f"_{what}")(**arguments)  # type: ignore[no-any-return]

    def _open(self, *, suite: str, **_: Any) -> Answered:
        cells = expand(load_suite(suite))
        return {
            "cells": [cell.model_dump(mode="json", by_alias=True) for cell in cells],
            "labels": [cell.label for cell in cells],
            "torch": "2",
        }

    def _prepare(self, *, cell: str, static: bool, **_: Any) -> Answered:
        self.label = cell
        output = {"shape": [1], "digest": "d", "probe": [1.0], "made_with": {}}
        return (
            {"parameters": 7, "macs": 9, "macs_by_operator": {"Conv2d": 9}, "output": output}
            if static
            else {}
        )

    def _warm(self, **_: Any) -> Answered:
        return {"call_s": 0.01}

    def _block(self, **_: Any) -> Answered:
        assert holder() is not None  # nobody else times anything meanwhile
        return {"seconds": 0.01 * self.factory.slower.get((self.side, self.label), 1.0)}

    def _facts(self) -> Answered:
        return {"page_faults": 0.0}

    def _drop(self) -> Answered:
        return {}


@dataclass
class Factory:
    """Makes such processes, and knows what they were told and what goes wrong with them."""

    made: list[Made] = field(default_factory=list)
    told: list[tuple[Side, str, dict[str, Any]]] = field(default_factory=list)
    problems: dict[tuple[str, str, str], tuple[str, bool]] = field(default_factory=dict)
    slower: dict[tuple[str, str], float] = field(default_factory=dict)
    environments: list[tuple[Side, Path, Mapping[str, str]]] = field(default_factory=list)

    def __call__(self, side: Side, folder: Path, environment: Mapping[str, str]) -> Worker:
        self.made.append(Made(side, self))
        self.environments.append((side, folder, environment))
        return self.made[-1]


@pytest.fixture
def project(tmp_path: Path, private_lock: Path) -> Path:
    return make_project(tmp_path / "project")


@pytest.fixture
def factory() -> Factory:
    return Factory()


def gated(project: Path, start: Any, lines: list[str] | None = None, **given: Any) -> RevisionsMeasured:
    options: dict[str, Any] = {
        "against": "HEAD",
        "tolerance_of": lambda _: 0.05,
        "say": (lines if lines is not None else []).append,
        "pace": FAST,
        **given,
    }
    return measure_revisions(project / "suites/own.yaml", start=start, **options)


def test_equal_revisions_take_one_set_of_four_processes(project: Path, factory: Factory) -> None:
    found = gated(project, factory)
    assert [each.side for each in factory.made] == ["base", "base", "head", "head"]
    assert all(each.is_ended for each in factory.made)
    assert [(pair.cell, pair.setting, len(pair.sets)) for pair in found.pairs] == [
        ("baseline", "cpu, 1 thread", 1),
        ("wide", "cpu, 1 thread", 1),
    ]
    assert [len(each) for pair in found.pairs for each in (pair.sets[0].base, pair.sets[0].head)] == [2] * 4
    assert len({pair.protocol for pair in found.pairs}) == 1
    assert (found.vanished, found.appeared) == ((), ())
    assert found.suite.name == "own"


def test_both_sides_are_described_once_by_one_process_each(project: Path, factory: Factory) -> None:
    factory.slower["head", "wide"] = 1.2
    found = gated(project, factory)
    described = [
        (side, told["cell"]) for side, what, told in factory.told if what == "prepare" and told["static"]
    ]
    assert sorted(described) == [(side, cell) for side in ("base", "head") for cell in ("baseline", "wide")]
    base, head = found.sides[0]
    assert (base.parameters, base.macs, base.macs_by_operator) == (7, 9, {"Conv2d": 9})
    assert base.output is not None
    assert base.output == head.output
    assert (base.problem, head.problem) == (None, None)


def test_a_cell_that_is_slower_gets_fresh_processes_and_the_others_do_not(
    project: Path, factory: Factory
) -> None:
    factory.slower["head", "wide"] = 1.2
    lines: list[str] = []
    found = gated(project, factory, lines)
    assert {pair.cell: len(pair.sets) for pair in found.pairs} == {"baseline": 1, "wide": 2}
    assert len(factory.made) == 8
    assert is_slower(estimate(found.pairs[1].sets, tolerance=0.05), 0.05)
    assert lines[0] == "set 1, cpu, 1 thread: baseline, wide"
    assert "set 2, cpu, 1 thread: wide" in lines
    assert any("wide: head / base 1.200" in line for line in lines)


def test_each_cell_has_its_own_tolerance(project: Path, factory: Factory) -> None:
    factory.slower["head", "wide"] = 1.2
    found = gated(project, factory, tolerance_of={"baseline": 0.05, "wide": 0.3}.__getitem__)
    assert [len(pair.sets) for pair in found.pairs] == [1, 1]


def test_a_cell_without_a_tolerance_is_counted_and_not_timed(project: Path, factory: Factory) -> None:
    found = gated(project, factory, tolerance_of={"baseline": None, "wide": 0.05}.__getitem__)
    assert [pair.cell for pair in found.pairs] == ["wide"]
    assert [(base.parameters, head.parameters) for base, head in found.sides] == [(7, 7), (7, 7)]
    assert found.cautions == ()


@pytest.mark.parametrize(
    ("deploy", "cautions"),
    [
        ("{backend: eager, memory_format: channels_last}", 1),
        ("eager", 0),
    ],
)
def test_a_report_says_that_deployments_are_not_judged(
    project: Path, factory: Factory, deploy: str, cautions: int
) -> None:
    (project / "suites/own.yaml").write_text(f"{SUITE}deploy: {deploy}\n")
    lines: list[str] = []
    found = gated(project, factory, lines)
    told = "eager float32 alone is judged of both revisions; other deployments are not"
    assert found.cautions == (told,) * cautions
    assert lines.count(told) == cautions
    assert [pair.cell for pair in found.pairs] == ["baseline", "wide"]


def test_a_slow_down_must_be_sure_among_all_settings_too(
    project: Path, factory: Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def needs_another(*_: Any, timings: int, **__: Any) -> bool:
        asked.append(timings)
        return False

    monkeypatch.setattr(gate_sets, "needs_another", needs_another)
    layouts = "threads: 1}\n  - latency: {threads: 1, memory_format: channels_last}"
    (project / "suites/own.yaml").write_text(SUITE.replace("threads: 1}", layouts))
    found = gated(project, factory)
    assert len(found.pairs) == 4
    assert set(asked) == {4}


def test_an_error_in_bases_suite_names_its_place_and_its_revision(project: Path, factory: Factory) -> None:

    def failing(side: Side, folder: Path, environment: Mapping[str, str]) -> Worker:
        if side == "base":
            place = f"{folder}/suites/own.yaml:16: measure: unknown measure 'latncy'"
            factory.problems["base", "open", ""] = (place, False)
        return factory(side, folder, environment)

    with pytest.raises(GateError) as told:
        gated(project, failing)
    name = f"HEAD ({git(project, 'rev-parse', 'HEAD')[:7]})"
    assert told.value.problem == f"suites/own.yaml:16 in {name}: measure: unknown measure 'latncy'"


def test_each_side_has_its_own_tree_and_the_threads_of_the_suite(project: Path, factory: Factory) -> None:
    gated(project, factory)
    for side, folder, environment in factory.environments:
        roots = environment["PYTHONPATH"].split(":")
        assert folder == Path(roots[0])
        assert (folder == project) is (side == "head")
        assert environment["OMP_NUM_THREADS"] == "1"
    opened = {side: told for side, what, told in factory.told if what == "open"}
    assert opened["base"]["other"] == str(project)
    assert opened["head"]["suite"] == str(project / "suites/own.yaml")


def test_cells_that_vanished_or_appeared_are_told_by_label(project: Path, factory: Factory) -> None:
    (project / "suites/own.yaml").write_text(SUITE.replace("  wide:", "  wider:"))
    found = gated(project, factory)
    assert (found.vanished, found.appeared) == (("wide",), ("wider",))
    assert [pair.cell for pair in found.pairs] == ["baseline"]
    assert [base.cell.label for base, _ in found.sides] == ["baseline"]


def test_only_chooses_on_both_sides(project: Path, factory: Factory) -> None:
    (project / "suites/own.yaml").write_text(SUITE.replace("  wide:", "  wider:"))
    found = gated(project, factory, only="wid*")
    assert (found.vanished, found.appeared, found.pairs) == (("wide",), ("wider",), ())
    with pytest.raises(UnknownNameError):
        gated(project, factory, only="nothing")


def test_a_cell_that_head_cannot_build_is_its_problem_and_the_others_are_measured(
    project: Path, factory: Factory
) -> None:
    factory.problems["head", "prepare", "wide"] = ("ArchitectureError: no such layer", False)
    found = gated(project, factory)
    assert [pair.cell for pair in found.pairs] == ["baseline"]
    base, head = found.sides[1]
    assert (base.problem, head.problem) == (None, "ArchitectureError: no such layer")
    assert len(factory.made) == 4


def test_a_process_that_is_lost_costs_its_cell_and_the_others_get_a_new_set(
    project: Path, factory: Factory
) -> None:
    factory.problems["base", "block", "baseline"] = ("the process was ended by SIGSEGV", True)
    found = gated(project, factory)
    assert found.sides[0][0].problem == "the process was ended by SIGSEGV"
    assert [pair.cell for pair in found.pairs] == ["wide"]
    assert len(factory.made) == 8
    assert all(each.is_ended for each in factory.made)


def test_a_revision_that_builds_nothing_ends_the_gate(project: Path, factory: Factory) -> None:
    for cell in ("baseline", "wide"):
        factory.problems["base", "prepare", cell] = ("'nets:build' raised ValueError", False)
    with pytest.raises(
        GateError, match=r"^HEAD \(\w+\) does not build: 'nets:build' raised ValueError$"
    ) as told:
        gated(project, factory)
    assert told.value.exit_code == 2


def test_a_revision_whose_suite_cannot_be_read_ends_the_gate(project: Path, factory: Factory) -> None:
    factory.problems["base", "open", ""] = ("its benchbench has no such thing", False)
    with pytest.raises(GateError, match="does not read its suite: its benchbench has no such thing"):
        gated(project, factory)
    assert all(each.is_ended for each in factory.made)


def test_a_suite_without_latency_is_only_counted_and_run(project: Path, factory: Factory) -> None:
    (project / "suites/own.yaml").write_text(SUITE.replace("  - latency: {threads: 1}\n", ""))
    found = gated(project, factory)
    assert (found.pairs, [each.side for each in factory.made]) == ((), ["base", "head"])
    assert [(base.parameters, head.parameters) for base, head in found.sides] == [(7, 7), (7, 7)]
    assert found.cautions == ("the suite measures no latency: nothing was timed",)
    assert not any(what == "block" for _, what, _ in factory.told)


def test_a_setting_that_this_machine_lacks_is_a_caution(project: Path, factory: Factory) -> None:
    (project / "suites/own.yaml").write_text(SUITE.replace("threads: 1", "threads: [1, 1024]"))
    found = gated(project, factory)
    assert [pair.setting for pair in found.pairs] == ["cpu, 1 thread"] * 2
    assert any(each.startswith("not timed: cpu, 1024 threads") for each in found.cautions)


def test_an_interrupt_ends_every_process_and_leaves_no_worktree(project: Path, factory: Factory) -> None:
    def interrupt(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gated(project, factory, say=interrupt)
    assert len(factory.made) == 4
    assert all(each.is_ended for each in factory.made)
    assert git(project, "worktree", "list").count("\n") == 0


QUICK = Pace(warmup_s=0.01, block_s=0.001, min_seconds=0.0, min_rounds=8, budget_s=0.05)


@pytest.mark.slow
def test_real_processes_of_a_users_own_model(project: Path, tmp_path: Path) -> None:
    (project / "nets.py").write_text(MODEL.replace("extra=0", "extra=3"))
    commit(project, "heavier")
    found = measure_revisions(
        project / "suites/own.yaml",
        against="HEAD~1",
        only="baseline",
        tolerance_of=lambda _: 0.05,
        say=lambda _: None,
        pace=QUICK,
    )
    ((base, head),) = found.sides
    assert (base.parameters, head.parameters) == (223, 223 + 3 * 148)
    assert base.macs == 2 * 4 * 3 * 9 * 256
    assert head.macs == base.macs + 3 * 4 * 4 * 9 * 256
    assert head.macs_by_operator == {"Conv2d": head.macs}
    assert base.output is not None
    assert head.output is not None
    assert base.output.shape == head.output.shape == (1, 3, 16, 16)
    assert base.output.digest != head.output.digest
    assert base.output.made_with == head.output.made_with
    assert base.output.made_with["threads"] == 1
    ((pair,), (first, *_)) = found.pairs, found.pairs[0].sets
    assert pair.cell == "baseline"
    assert [len(each) for each in (*first.base, *first.head)] == [len(first.base[0])] * 4
    assert set(first.settings) >= {"rounds", "page_faults", "load_before"}
    assert git(project, "worktree", "list").count("\n") == 0
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if str(project) in str(each.info["cmdline"])
    ]


@pytest.mark.slow
def test_the_same_revision_counts_and_makes_the_same(project: Path) -> None:
    found = gated(project, _real, pace=QUICK, tolerance_of=lambda _: 10.0)
    for base, head in found.sides:
        assert base.problem is head.problem is None
        assert base.model_dump(exclude={"cell"}) == head.model_dump(exclude={"cell"})
    assert found.cautions == ()


def _real(side: Side, folder: Path, environment: Mapping[str, str]) -> Worker:
    from benchbench.runner.gate_process import start_process

    return start_process(side, folder, environment)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("raise RuntimeError('half done')", "RuntimeError: half done"),
        ("import os\nos._exit(7)", "ended with status 7"),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "ended by SIGSEGV"),
        ("def build(width):\n    import signal\n    signal.pause()", "no answer after 1 s"),
        ("import sys\nsys.exit('no')", "status"),
    ],
)
def test_a_base_that_does_not_build_is_told_in_one_line(project: Path, model: str, told: str) -> None:
    suite = project / "suites/own.yaml"
    suite.write_text(SUITE + "timeout_s: 1.0\n" if "pause" in model else SUITE)
    (project / "nets.py").write_text(model)
    commit(project, "broken")
    (project / "nets.py").write_text(MODEL)
    with pytest.raises(GateError) as error:
        gated(project, _real, only="baseline")
    assert "does not build" in error.value.problem
    assert told in error.value.problem
    assert "\n" not in error.value.problem


@pytest.mark.slow
def test_a_package_installed_from_the_other_tree_is_noticed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As an editable install does it that hooks into imports: head's code whoever asks.
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('nets', {path!r})\n"
        "sys.modules['nets'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n".format(path=str(project / "nets.py"))
    )
    monkeypatch.setenv("PYTHONPATH", f"{hook}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    with pytest.raises(GateError, match="came from the other tree"):
        gated(project, _real, only="baseline")


@pytest.mark.slow
def test_a_base_whose_benchbench_lacks_what_is_needed_is_told(project: Path) -> None:
    old = project / "benchbench"
    (old / "core").mkdir(parents=True)
    (old / "__init__.py").write_text("")
    (old / "core" / "__init__.py").write_text("")
    commit(project, "with an old benchbench of its own")
    git(project, "rm", "-rq", "benchbench")
    told = "its benchbench has no benchbench.core.suite_file.load_suite"
    with pytest.raises(GateError, match=told):
        gated(project, _real, only="baseline")


@pytest.mark.slow
def test_every_process_is_ended(project: Path) -> None:
    started: list[Any] = []

    def start(side: Side, folder: Path, environment: Mapping[str, str]) -> Worker:
        started.append(_real(side, folder, environment))
        return started[-1]  # type: ignore[no-any-return]

    gated(project, start, pace=QUICK, only="baseline", tolerance_of=lambda _: 10.0)
    assert [each._process.returncode for each in started] == [-signal.SIGKILL] * 4
