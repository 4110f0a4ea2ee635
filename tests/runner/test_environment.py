from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchbench.core.environment import Environment
from benchbench.runner.environment import ask_program, probe_environment, probe_gpus

SMI = "NVIDIA H200, 143771, 9.0, 570.86.10, 1980, 41, 0x0000000000000044\n"


def test_a_gpu_is_read_as_its_driver_reports_it() -> None:
    asked: list[Sequence[str]] = []

    def smi(command: Sequence[str]) -> str:
        asked.append(command)
        return SMI

    (gpu,) = probe_gpus(query=smi)
    assert asked[0][0] == "nvidia-smi"
    assert gpu.name == "NVIDIA H200"
    assert gpu.memory_bytes == 143771 * 2**20
    assert (gpu.capability, gpu.driver) == ("9.0", "570.86.10")
    assert (gpu.clock_mhz, gpu.temperature_c) == (1980.0, 41.0)
    assert gpu.throttle_reasons == ("software power cap", "hardware thermal slowdown")


def test_what_the_driver_does_not_say_is_unknown() -> None:
    answer = "Old GPU, [N/A], [N/A], 470.1, [N/A], [Not Supported], [N/A]\nnot a row at all\n"
    (gpu,) = probe_gpus(query=lambda _: answer)
    assert gpu.name == "Old GPU"
    assert (gpu.memory_bytes, gpu.clock_mhz, gpu.temperature_c, gpu.throttle_reasons) == (None,) * 4


def test_an_idle_gpu_is_not_throttled() -> None:
    (gpu,) = probe_gpus(query=lambda _: SMI.replace("44", "01"))
    assert gpu.throttle_reasons == ()


def test_no_driver_is_no_gpu() -> None:
    assert probe_gpus(query=lambda _: None) == ()


def test_a_program_that_is_missing_or_fails_says_nothing() -> None:
    assert ask_program(["no-such-program-anywhere"]) is None
    assert ask_program([sys.executable, "-c", "raise SystemExit(3)"]) is None
    assert ask_program([sys.executable, "-c", "print('yes')"]) == "yes"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "file").write_text("one\n")
    identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "file"], [*identity, "commit", "-q", "-m", "m"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True)
    return folder


def test_a_repository_is_named_with_its_changes(repository: Path) -> None:
    clean = probe_environment(folder=repository)
    assert clean.git_revision is not None
    assert len(clean.git_revision) == 40
    assert clean.git_dirty is False
    (repository / "file").write_text("two\n")
    assert probe_environment(folder=repository).git_dirty is True


def test_an_environment_reads_back_and_knows_nothing_of_an_empty_machine(tmp_path: Path) -> None:
    found = probe_environment(root=tmp_path, folder=tmp_path)
    assert Environment.model_validate_json(found.model_dump_json()) == found
    assert found.cpus_online is None
    assert found.governor is None
    assert found.turbo is None
    assert found.git_revision is None
    assert found.cpus_usable is not None
    assert found.packages["torch"]
    assert found.torch_threads is not None
