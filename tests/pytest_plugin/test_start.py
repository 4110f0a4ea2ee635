"""Until it is asked for, the plugin costs nothing and changes nothing; each in a fresh process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import pytest
code = pytest.main(sys.argv[1:])
heavy = ("torch", "numpy", "pydantic", "yaml", "benchbench")
print("imported:", *sorted(name for name in sys.modules if name.startswith(heavy)))
sys.exit(code)
"""


def start(folder: Path, *words: str) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "-p", "no:cacheprovider", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said, _, imported = done.stdout.rpartition("imported:")
    return said, set(imported.split())


def test_nothing_is_imported_until_it_is_asked_for(tmp_path: Path, plugin_words: tuple[str, ...]) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(benchmark):\n    assert benchmark(int) == 0\n")
    words = (
        "-W",
        "error",
        "--strict-markers",
        "--benchmark-max-time",
        "0.001",
        "--benchmark-min-rounds",
        "1",
    )
    said, imported = start(tmp_path, *plugin_words, *words)
    assert imported == {"benchbench", "benchbench.pytest_plugin"}
    assert "1 passed" in said
    # pytest-benchmark's own table is as ever.
    assert "Rounds  Iterations" in said


def test_it_goes_without_pytest_benchmark_and_beside_xdist(
    tmp_path: Path, plugin_words: tuple[str, ...]
) -> None:
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    words = ("-p", "no:benchmark", "-p", "no:xdist")
    assert "1 passed" in start(tmp_path, *plugin_words, *words)[0]
    assert "1 passed" in start(tmp_path, *plugin_words, "-n", "1", "-W", "error")[0]


@pytest.mark.slow
def test_what_is_timed_is_refused_beside_other_workers(
    pytester: pytest.Pytester, plugin_words: tuple[str, ...]
) -> None:
    suite = "name: tiny\narchitecture: {name: dcgan}\nvariants: {base: {}}\nmeasure: [parameters, latency]\n"
    pytester.path.joinpath("tiny.yaml").write_text(suite)
    words = (*plugin_words, "-n", "2", "--benchbench", "tiny.yaml")
    result = pytester.runpytest_subprocess(*words)
    result.stdout.fnmatch_lines(["tiny.yaml: xdist's other workers would be timed too; run with -n 0, *"])
    result.assert_outcomes(errors=1)
    pytester.runpytest_subprocess(*words, "--benchbench-profile", "static").assert_outcomes(passed=1)
    pytester.makepyfile(test_own="def test_it(benchbench_latency): pass")
    result = pytester.runpytest_subprocess(*plugin_words, "-n", "2", "test_own.py")
    result.stdout.fnmatch_lines(["*benchbench_latency: xdist's other workers would be timed too*"])


pytest_plugins = ("pytester",)
