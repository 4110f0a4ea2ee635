from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from benchbench.core.errors import MeasurementError, OptionError, StoreError
from benchbench.core.host import KEEP_MEMORY
from benchbench.core.measurement import Failure
from benchbench.core.roof import RoofMachine
from benchbench.quality.cache_contents import cache_entries, prune_cache
from benchbench.runner import roof as roof_module
from benchbench.runner import roof_job
from benchbench.runner.jobs import Answer, Job, RoofJob
from benchbench.runner.roof import find_roof, find_roof_of, measure_roof, read_machine, roof_file

CPU = "sys/devices/system/cpu"


def machine_files(root: Path, *, governor: str = "performance", model: str = "Slow 1") -> Path:
    files = {
        "proc/self/status": "Cpus_allowed_list:\t0-1\n",
        "proc/cpuinfo": f"model name\t: {model}\n",
        f"{CPU}/online": "0-1\n",
        f"{CPU}/cpu0/cpufreq/scaling_governor": f"{governor}\n",
        f"{CPU}/cpu0/cache/index0/level": "2\n",
        f"{CPU}/cpu0/cache/index0/size": "512K\n",
        f"{CPU}/cpu0/cache/index0/shared_cpu_list": "0-1\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


@pytest.fixture
def measured(
    made: ModuleType, monkeypatch: pytest.MonkeyPatch, private_lock: Path
) -> list[tuple[RoofMachine, dict[str, Any]]]:
    """In the fresh process' place: a roof by hand; what was asked."""
    del private_lock
    asked: list[tuple[RoofMachine, dict[str, Any]]] = []

    def run(job: Job, **options: Any) -> Answer:
        assert job.roof is not None
        asked.append((job.roof.machine, options))
        return Answer(roof=made.make_roof(job.roof.machine))

    monkeypatch.setattr(roof_module, "run_isolated", run)
    monkeypatch.setattr(roof_module, "usable_cpus", lambda **_: 2)
    return asked


def quiet(_: str) -> None:
    """Hears progress and says nothing."""


def test_a_machine_is_what_its_system_says(tmp_path: Path) -> None:
    machine = read_machine("cpu", 2, "2.13.0+cpu", root=machine_files(tmp_path))
    assert (machine.cpu_model, machine.cpus_online, machine.cpus_usable) == ("Slow 1", 2, 2)
    assert (machine.caches, machine.governor, machine.turbo) == (("L2 524288 x1",), "performance", None)
    assert (machine.device_name, machine.tf32_matmul) == (None, None)


def test_a_roof_is_measured_once_and_found_again(tmp_path: Path, measured: Any) -> None:
    said: list[str] = []
    roof, path, origin = measure_roof(tmp_path / "c", device="cpu", threads=2, say=said.append)
    assert origin == "measured"
    ((machine, options),) = measured
    assert options["environment"] == {**KEEP_MEMORY, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
    assert (machine.threads, machine.torch_version) == (2, torch.__version__)
    again = measure_roof(tmp_path / "c", device="cpu", threads=2, say=said.append)
    assert again == (roof, path, "kept")
    assert len(measured) == 1
    assert said == ["measuring the roof of cpu, 2 threads; a minute at most ..."]
    assert measure_roof(tmp_path / "c", device="cpu", threads=2, refresh="always", say=quiet)[2] == "measured"
    assert measure_roof(tmp_path / "c", device="cpu", threads=1, say=quiet)[2] == "measured"
    assert [each[0].threads for each in measured] == [2, 2, 1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"torch_version": "2.14.0"}, "torch_version was 2.13.0, is 2.14.0"),
        ({"threads": 1}, "threads was 2, is 1"),
        ({"method": 99}, "method was 1, is 99"),
        ({"governor": "powersave"}, "governor was performance, is powersave"),
        ({"model": "Fast 2"}, "cpu_model was Slow 1, is Fast 2"),
    ],
)
def test_whatever_changes_makes_a_kept_roof_stale(
    tmp_path: Path, made: ModuleType, change: dict[str, Any], why: str
) -> None:
    files = {key: change.pop(key) for key in ("governor", "model") if key in change}
    earlier = read_machine("cpu", 2, "2.13.0", root=machine_files(tmp_path / "was"))
    path = roof_file(tmp_path, earlier)
    path.parent.mkdir()
    path.write_text(made.make_roof(earlier).model_dump_json())
    same = read_machine("cpu", 2, "2.13.0", root=machine_files(tmp_path / "still"))
    assert find_roof(tmp_path, same).roof == made.make_roof(earlier)
    now = read_machine("cpu", 2, "2.13.0", root=machine_files(tmp_path / "is", **files)).model_copy(
        update=change
    )
    found = find_roof(tmp_path, now)
    assert found.roof is None
    assert found.why == f"the kept roof does not hold: {why}"


def test_another_device_says_nothing_of_this_one(tmp_path: Path, made: ModuleType) -> None:
    gpu = made.make_machine(device="cuda", device_name="GPU 1")
    path = roof_file(tmp_path, gpu)
    path.parent.mkdir()
    path.write_text(made.make_roof(gpu).model_dump_json())
    assert find_roof(tmp_path, made.make_machine()).why == "no roof was measured yet (cpu, 2 threads)"
    assert find_roof(tmp_path / "nowhere", gpu).why == "no roof was measured yet (GPU 1)"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machine": 1}', "\xff"])
def test_a_damaged_roof_is_none(tmp_path: Path, made: ModuleType, text: str) -> None:
    path = roof_file(tmp_path, made.make_machine())
    path.parent.mkdir()
    path.write_text(text, encoding="latin-1")
    assert find_roof(tmp_path, made.make_machine()).roof is None


def test_a_file_renamed_to_another_machines_key_is_not_its_roof(tmp_path: Path, made: ModuleType) -> None:
    path = roof_file(tmp_path, made.make_machine())
    path.parent.mkdir()
    path.write_text(made.make_roof(made.make_machine(threads=1)).model_dump_json())
    assert find_roof(tmp_path, made.make_machine()).why == "the kept roof does not hold: threads was 1, is 2"


def test_a_profile_finds_the_roof_of_its_own_setting(tmp_path: Path, made: ModuleType) -> None:
    profile = made.make_profile("v", ("norm", 1, 1, 1), threads=3, torch_version="2.9.9")
    machine = find_roof_of(tmp_path, profile).machine
    assert (machine.device, machine.threads, machine.torch_version) == ("cpu", 3, "2.9.9")


def test_a_process_that_fails_is_one_line_and_nothing_is_kept(
    tmp_path: Path, measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = Failure(of="cell", kind="crashed", reason="ended by SIGILL\nmore")
    monkeypatch.setattr(roof_module, "run_isolated", lambda *_, **__: Answer(failure=failure))
    with pytest.raises(MeasurementError, match=r"no roof of cpu, 2 threads: ended by SIGILL$"):
        measure_roof(tmp_path / "c", device="cpu", threads=2, say=quiet)
    assert not (tmp_path / "c").exists()


def test_more_threads_than_cpus_and_a_file_in_the_caches_place(tmp_path: Path, measured: Any) -> None:
    with pytest.raises(OptionError, match="--threads 3: 2 CPUs are usable here"):
        measure_roof(tmp_path, device="cpu", threads=3, say=quiet)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file"):
        measure_roof(tmp_path / "file", device="cpu", threads=2, say=quiet)
    assert measured == []


def test_roofs_are_listed_and_pruned_with_the_rest_of_the_cache(tmp_path: Path, measured: Any) -> None:
    _, path, _ = measure_roof(tmp_path / "c", device="cpu", threads=2, say=quiet)
    (entry,) = cache_entries(tmp_path / "c")
    assert (entry.path, entry.label, entry.count) == (path, "a machine's roof", 0)
    assert entry.bytes == path.stat().st_size
    prune_cache(tmp_path / "c")
    assert cache_entries(tmp_path / "c") == []


def test_the_fresh_process_measures_with_the_caches_of_its_threads(
    made: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def figures(timer: Any, device: torch.device, caches: Any) -> Any:
        given.append((device.type, caches, torch.is_inference_mode_enabled()))
        return iter(made.make_roof().figures)

    monkeypatch.setattr(roof_job, "measure_figures", figures)
    monkeypatch.setattr(
        roof_job, "read_caches", lambda: (roof_job.Cache(2, 1024, 8), roof_job.Cache(3, 4096, 1))
    )
    roof = roof_job.execute_roof(RoofJob(machine=made.make_machine()))
    assert given == [("cpu", (roof_job.Cache(2, 1024, 2), roof_job.Cache(3, 4096, 1)), True)]
    assert roof.figures == made.make_roof().figures
    assert roof.environment.packages["torch"]
    assert type(roof).model_validate_json(roof.model_dump_json()) == roof
