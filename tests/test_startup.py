"""What must be quick imports nothing heavy; a fresh process says what it imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "torchvision", "numpy", "pandas", "matplotlib", "pydantic", "lightning_fabric", "yaml")
PROGRAM = """
import sys
from benchbench.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as ended:
    code = ended.code
print("imported:", *sorted({name.partition(".")[0] for name in sys.modules}))
sys.exit(code)
"""


def imported_by(*words: str, code: int = 0) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == code, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("imported: ")
    return set(last.split()[1:])


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert imported_by(*words).isdisjoint(HEAVY)


def test_list_imports_nothing_heavy() -> None:
    assert imported_by("list", "architectures").isdisjoint({"torch", "numpy", "pandas", "matplotlib"})


def test_a_wrong_command_imports_nothing_heavy() -> None:
    assert imported_by("lsit", code=2).isdisjoint(HEAVY)


def test_report_never_imports_torch(tmp_path: Path) -> None:
    # There is no run, so nothing is drawn; but everything that draws has been imported by then.
    imported = imported_by("report", str(tmp_path / "nothing"), code=2)
    assert "matplotlib" in imported
    assert imported.isdisjoint({"torch", "torchvision", "lightning_fabric"})


@pytest.mark.parametrize(
    "words",
    [
        ["table", "nothing"],
        ["compare", "nothing", "nothing"],
        ["history", "nothing"],
        ["gate", "nothing", "nothing"],
        ["gate", "nothing", "--baseline", "nothing"],
        ["gate", "--replay", "nothing"],
        ["report", "nothing", "--summary", "-"],
    ],
)
def test_what_is_read_from_result_files_never_imports_torch(words: list[str], tmp_path: Path) -> None:
    here = [str(tmp_path / word) if word == "nothing" else word for word in words]
    imported = imported_by(*here, code=2)
    assert "pydantic" in imported
    assert imported.isdisjoint({"torch", "torchvision", "lightning_fabric"})
