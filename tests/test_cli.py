from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from benchbench.cli import main
from benchbench.cli.options import PROFILES
from benchbench.cli.parser import COMMANDS, build_parser
from benchbench.cli.summary import has_failed, summarise, summary_records
from benchbench.cli.tables import text_table
from benchbench.core.cell import Cell, Setting
from benchbench.core.environment import Environment
from benchbench.core.errors import LockedError, SuiteError
from benchbench.core.measurement import (
    CellResult,
    Failure,
    Interval,
    Measurement,
    Protocol,
    ResultTable,
    RunRecord,
)
from benchbench.core.suite import Profile as SuiteProfile
from benchbench.core.suite import Suite
from benchbench.runner import run as run_module
from benchbench.runner.doctor import Finding

ROOT = Path(__file__).parents[1]
SUITE = """
name: counts
architecture: transformer_net
variants: {baseline: {}, v1: {replace: {stages: residual, with: depthwise_separable}}}
measure: [parameters]
"""
PROTOCOL = Protocol(name="any")
FAILED = Failure(of="latency", kind="timed_out", reason="no answer after 60 s", fix="raise timeout_s")
SKIPPED = Failure(of="latency", kind="skipped", reason="cuda: this torch has no CUDA")

Shown = Callable[[], tuple[str, str]]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    def read() -> tuple[str, str]:
        captured = capsys.readouterr()
        return captured.out, captured.err

    return read


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "counts.yaml"
    path.write_text(SUITE)
    return path


def table_of(*failures: Failure, folder: str | None = None) -> ResultTable:
    def figure(name: str, value: float, unit: str = "1", **more: Any) -> Measurement:
        return Measurement(name=name, unit=unit, direction="lower", value=value, protocol=PROTOCOL, **more)

    suite = Suite.model_validate(
        {
            "name": "s",
            "architecture": "transformer_net",
            "variants": {"baseline": {}, "v1": {}},
            "measure": ["macs"],
        }
    )
    one, two = {"setting": "cpu, 1 thread"}, {"setting": "cpu, 2 threads"}
    interval = Interval(low=1.38, high=1.43)
    base = CellResult(
        cell=Cell(variant="baseline", architecture=suite.architecture),
        measurements=(
            figure("parameters", 1679235),
            figure("macs", 10078912512, "MAC"),
            figure("latency", 0.0713, "s", **one),
            figure("latency", 0.0402, "s", **two),
            figure("aa_control", 1.0, **one),
            figure("perceptual_loss", 2.5, flags=("random-weights VGG-16",)),
        ),
    )
    light = CellResult(
        cell=Cell(variant="v1", architecture=suite.architecture, seed=1),
        measurements=(
            figure("parameters", 381315),
            figure("latency", 0.0507, "s", **one),
            figure("speedup", 1.404, interval=interval, baseline="baseline", **one),
            figure("novelty", 3.0),
        ),
        failures=failures,
    )
    record = RunRecord(id="r", command="c", started="now", benchbench="0")
    return ResultTable(
        suite=suite, run=record, environment=Environment(), results=(base, light), folder=folder
    )


class FakeRun:
    """Stands for the runner: remembers what it was asked, answers with a table or an error."""

    def __init__(self, answer: ResultTable | BaseException) -> None:
        self.answer = answer
        self.asked: dict[str, Any] = {}

    def __call__(self, suite: Suite, **asked: Any) -> ResultTable:
        self.asked = {"suite": suite, **asked}
        asked["say"]("one line of progress")
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Callable[[ResultTable | BaseException], FakeRun]:
    def install(answer: ResultTable | BaseException) -> FakeRun:
        fake = FakeRun(answer)
        monkeypatch.setattr(run_module, "run", fake)
        return fake

    return install


def test_run_hands_its_options_on(suite_file: Path, faked: Any, shown: Shown) -> None:
    fake = faked(table_of(folder="results/s/r"))
    words = ["--out", "elsewhere", "--resume", "--only", "v*", "--set", "architecture.width=16"]
    assert main(["run", str(suite_file), *words]) == 0
    assert fake.asked["out"] == "elsewhere"
    assert fake.asked["mode"] == "resume"
    assert fake.asked["only"] == "v*"
    assert fake.asked["suite"].architecture.options == {"width": 16}
    out, err = shown()
    assert "one line of progress" in err
    assert "one line of progress" not in out
    assert "results: results/s/r" in out
    assert "benchbench report results/s/r" in out


def test_a_new_run_is_the_default(suite_file: Path, faked: Any) -> None:
    fake = faked(table_of())
    assert main(["run", str(suite_file)]) == 0
    assert (fake.asked["mode"], fake.asked["out"], fake.asked["only"]) == ("new", "results", None)


def test_the_summary_has_a_row_per_setting(faked: Any) -> None:
    lines = summarise(table_of()).splitlines()
    assert lines[0].split("  ")[0] == "variant"
    text = "\n".join(lines)
    assert "speed-up" in lines[0]
    assert "perceptual loss" in lines[0]
    assert "novelty" in lines[0]
    assert "aa_control" not in text
    first, second, light = lines[2:5]
    assert first.startswith("baseline")
    assert "cpu, 1 thread " in first
    assert "1,679,235" in first
    assert "10.1 GMAC" in first
    assert "71.3 ms" in first
    assert "2.50*" in first
    assert "cpu, 2 threads" in second
    assert "40.2 ms" in second
    assert "1,679,235" not in second
    assert "1.40x [1.38, 1.43]" in light
    assert lines[-1] == "* random-weights VGG-16: baseline perceptual loss"


def test_what_several_cells_share_is_told_once() -> None:
    table = table_of(SKIPPED)
    both = [result.model_copy(update={"failures": (SKIPPED,)}) for result in table.results]
    text = summarise(table.model_copy(update={"results": tuple(both)}))
    assert text.count("skipped: ") == 1
    assert "skipped: baseline, v1: latency: cuda" in text


def test_a_swept_setting_is_told_beside_the_variant() -> None:
    table = table_of()
    cell = table.results[0].cell.model_copy(update={"settings": (Setting(key="seed", value=1),)})
    changed = table.model_copy(update={"results": (table.results[0].model_copy(update={"cell": cell}),)})
    assert "baseline seed=1" in summarise(changed)


def test_a_failure_is_told_with_reason_and_fix_and_ends_with_1(
    suite_file: Path, faked: Any, shown: Shown
) -> None:
    faked(table_of(FAILED))
    assert main(["run", str(suite_file)]) == 1
    assert "timed_out: v1: latency: no answer after 60 s\n  -> raise timeout_s" in shown()[0]


def test_what_is_skipped_is_told_and_is_no_failure(suite_file: Path, faked: Any, shown: Shown) -> None:
    faked(table_of(SKIPPED))
    assert main(["run", str(suite_file)]) == 0
    assert "skipped: v1: latency: cuda: this torch has no CUDA" in shown()[0]
    assert not has_failed(table_of(SKIPPED))


def test_a_failed_cell_says_its_step() -> None:
    failure = Failure(of="cell", kind="diverged", reason="the loss became NaN", step=42)
    assert "diverged at step 42: v1: the loss became NaN" in summarise(table_of(failure))


def test_run_json_is_json_alone(suite_file: Path, faked: Any, shown: Shown) -> None:
    faked(table_of(SKIPPED, folder="results/s/r"))
    assert main(["run", str(suite_file), "--json"]) == 0
    told = json.loads(shown()[0])
    assert told["folder"] == "results/s/r"
    light = told["cells"][1]
    assert light["failures"][0]["kind"] == "skipped"
    speedup = next(each for each in light["measurements"] if each["name"] == "speedup")
    assert speedup["interval"] == {"low": 1.38, "high": 1.43, "level": 0.95}
    assert summary_records(table_of())[0]["label"] == "baseline"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("resumed", [[], ["--resume"]])
def test_an_interruption_says_how_to_go_on(
    suite_file: Path, faked: Any, shown: Shown, resumed: list[str]
) -> None:
    faked(KeyboardInterrupt())
    assert main(["run", str(suite_file), "--only", "v*", *resumed]) == 130
    last = shown()[1].splitlines()[-1]
    assert last.endswith(f"benchbench run {suite_file} --only 'v*' --resume")


def test_an_interrupted_profile_says_what_is_kept(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchbench.runner.profile.profile_cells", interrupt)
    assert main(["profile", "transformer_net"]) == 130
    assert "profiles that were finished are kept" in shown()[1].splitlines()[-1]


def test_the_profiles_of_the_command_line_are_those_of_a_suite() -> None:
    assert get_args(SuiteProfile) == PROFILES


def test_an_option_that_would_be_lost_is_refused(suite_file: Path, shown: Shown) -> None:
    assert main(["run", str(suite_file), "--only", "baseline", "--only", "v*"]) == 2
    assert "--only was given twice, expected one value" in shown()[1]


@pytest.mark.parametrize(
    ("error", "code"), [(SuiteError("bad suite", fix="mend it"), 2), (LockedError("held"), 1)]
)
def test_errors_are_told_in_words(
    suite_file: Path, faked: Any, shown: Shown, error: Exception, code: int
) -> None:
    faked(error)
    assert main(["run", str(suite_file)]) == code
    err = shown()[1]
    assert f"error: {error}" in err
    assert "Traceback" not in err


def test_an_unexpected_error_is_one_line_and_its_traceback_is_kept(
    suite_file: Path, faked: Any, shown: Shown, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("BENCHBENCH_TRACEBACK", raising=False)
    faked(ZeroDivisionError("by zero"))
    assert main(["run", str(suite_file)]) == 1
    err = shown()[1]
    assert "error: unexpected ZeroDivisionError: by zero; full traceback in " in err
    (kept,) = tmp_path.glob("benchbench-*.traceback.txt")
    assert str(kept) in err
    assert "Traceback" in kept.read_text()
    monkeypatch.setenv("BENCHBENCH_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["run", str(suite_file)])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lsit"], "did you mean 'list'?"),
        (["run", "--resme", "x.yaml"], "did you mean '--resume'?"),
        (["run"], "required: SUITE"),
        (["run", "x.yaml", "--profile", "medium"], "'medium'"),
        (["run", "x.yaml", "y.yaml"], "unknown argument 'y.yaml'"),
        (["run", "no-such-suite.yaml"], "no-such-suite.yaml"),
        (["list", "architecture"], "did you mean 'architectures'?"),
        (["report", "no-such-run"], "no run at no-such-run"),
        (["describe", "transformr_net"], "did you mean 'transformer_net'?"),
        (["describe", "transformer_net", "--input", "1,3,-4"], "positive whole numbers"),
        (["describe", "transformer_net", "--set", "width"], "key=value"),
        ([], "no command was given"),
    ],
)
def test_a_wrong_request_says_what_would_be_right(words: list[str], told: str, shown: Shown) -> None:
    assert main(words) == 2
    err = shown()[1]
    assert "error: " in err
    assert told in err
    assert "Traceback" not in err


def test_a_profile_and_an_override_that_are_wrong_name_the_right(suite_file: Path, shown: Shown) -> None:
    assert main(["run", str(suite_file), "--set", "architecture.widht=16"]) == 2
    assert "did you mean 'width'?" in shown()[1]


def test_list_names_summary_and_package(shown: Shown) -> None:
    assert main(["list", "architectures"]) == 0
    out = shown()[0]
    assert "transformer_net" in out
    assert "benchbench" in out
    assert main(["list", "architectures", "--json"]) == 0
    assert {"name", "target", "package", "summary"} == set(json.loads(shown()[0])[0])


@pytest.mark.parametrize("kind", ["replacements", "recipes", "measures", "sources", "backends"])
def test_every_kind_of_this_package_is_listed(kind: str, shown: Shown) -> None:
    assert main(["list", kind, "--json"]) == 0
    entries = json.loads(shown()[0])
    assert entries
    assert all(entry["summary"] for entry in entries)


def test_a_kind_without_entries_says_how_to_add_one(shown: Shown) -> None:
    assert main(["list", "executors"]) == 0
    assert "'benchbench.executors'" in shown()[0]


def test_describe_prints_a_table_and_json(shown: Shown) -> None:
    assert main(["describe", "transformer_net", "--set", "width=16", "--input", "1x3x64x64"]) == 0
    out = shown()[0]
    for words in ("input: 1x3x64x64 float32", "width", "residual.0-4 (5 x ResidualBlock)", "arxiv.org"):
        assert words in out
    assert main(["describe", "transformer_net", "--json"]) == 0
    assert json.loads(shown()[0])["parameters"] == 1_679_235


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("bad", 1)])
def test_doctor_tells_findings_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, shown: Shown, status: Any, code: int
) -> None:
    findings = (Finding("python", "ok", "Python 3.11"), Finding("disk", status, "4 KiB free", "free some"))
    monkeypatch.setattr("benchbench.runner.doctor.examine", lambda: findings)
    assert main(["doctor"]) == code
    assert f"{status:<5} disk    4 KiB free\n{'':14}-> free some" in shown()[0]
    assert main(["doctor", "--json"]) == code
    assert json.loads(shown()[0])[1]["status"] == status


def test_schema_prints_a_json_schema(shown: Shown) -> None:
    assert main(["schema"]) == 0
    assert "architecture" in json.loads(shown()[0])["else"]["properties"]


def test_report_hands_one_table_or_several_on(monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    given: list[Any] = []

    class Files:
        markdown = Path("reports/report.md")
        html = Path.cwd() / "reports/report.html"

    def write(table: object, *, out: str, profiles: object) -> Files:
        given.append((table, out, profiles))
        return Files()

    runs = {name: table_of(folder=name) for name in "ab"}
    monkeypatch.setattr("benchbench.core.reading.read_run", lambda path, *, tell: runs[path])
    monkeypatch.setattr("benchbench.report.write.write_report", write)
    assert main(["report", "a", "--out", "there", "--profiles", "none"]) == 0
    assert shown()[0] == "markdown: reports/report.md\nhtml:     reports/report.html\n"
    assert main(["report", "a", "b", "--json", "--profiles", "none"]) == 0
    assert json.loads(shown()[0])["markdown"] == "reports/report.md"
    assert given == [(runs["a"], "there", None), ([runs["a"], runs["b"]], "reports", None)]


def test_a_closed_pipe_is_quiet(monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    class Closed:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def fileno(self) -> int:
            return spare

    spare = os.open(os.devnull, os.O_WRONLY)
    monkeypatch.setattr("sys.stdout", Closed())
    code = main(["list", "measures"])
    monkeypatch.undo()
    os.close(spare)
    assert code == 141
    assert shown() == ("", "")


def test_figures_stand_to_the_right() -> None:
    lines = text_table(("name", "value"), [("a", "1"), ("bb", "1,000")]).splitlines()
    assert lines == ["name  value", "----  -----", "a         1", "bb    1,000"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(command: str, shown: Shown) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = " ".join(shown()[0].split())
    description = text.partition("]")[2]
    assert len(description) > 40
    parser = build_parser()
    assert command in parser.format_help()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"| `benchbench {command}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_version(shown: Shown) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert shown()[0].startswith("benchbench ")


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_resume_goes_on(suite_file: Path, tmp_path: Path) -> None:
    # Somebody's own model: each of its cells has a process of its own.
    suite_file.write_text(
        """
name: counts
architecture:
  {import: "torch.nn:Conv2d", kwargs: {in_channels: 3, out_channels: 4, kernel_size: 3}, input: [1, 3, 8, 8]}
variants: {baseline: {}, v1: {architecture: {kwargs: {out_channels: 2}}}}
measure: [parameters]
"""
    )
    words = [sys.executable, "-m", "benchbench", "run", str(suite_file), "--out", str(tmp_path / "results")]
    handled = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    program = handled + "import sys; from benchbench.cli import main; sys.exit(main(sys.argv[1:]))"
    started = [sys.executable, "-c", program, *words[3:]]
    # A session of its own, so that the signal reaches its workers as a terminal's does, and not this test.
    with subprocess.Popen(started, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        seen = next(line for line in process.stderr if line.startswith("[2/2]"))
        os.killpg(process.pid, signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(timeout=60) == 130, seen + said
    assert said.rstrip().endswith(f"--out {tmp_path / 'results'} --resume")
    done = subprocess.run([*words, "--resume"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "[1/2] baseline: finished before" in done.stderr


def test_doctor_noise_adds_a_tolerance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Finding("tolerance", "ok", "3 % would not have been ambiguous", "write it")
    monkeypatch.setattr("benchbench.runner.doctor.examine", lambda: ())
    monkeypatch.setattr("benchbench.runner.noise_tolerance.check_tolerance", lambda _: found)
    assert main(["doctor", "--noise"]) == 0
    assert "3 % would not have been ambiguous" in capsys.readouterr().out
