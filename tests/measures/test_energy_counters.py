from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.errors import MeasurementError
from benchbench.measures.energy_counters import open_nvml, open_rapl

RANGE_UJ = 262_143_328_850


def domain(sys_folder: Path, folder: str, name: str, energy_uj: int, *, range_uj: int = RANGE_UJ) -> Path:
    path = sys_folder / "class" / "powercap" / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path / "energy_uj"


def test_packages_are_added_up_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    first = domain(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    second = domain(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    parts = [
        domain(tmp_path, "intel-rapl:0:0", "core", 1),
        domain(tmp_path, "intel-rapl:0:1", "dram", 1),
        domain(tmp_path, "intel-rapl:2", "psys", 1),
        domain(tmp_path, "intel-rapl-mmio:0", "package-0", 1),
    ]
    (tmp_path / "class/powercap/intel-rapl").mkdir()
    counter = open_rapl(sys_folder=tmp_path)
    assert counter.source == "RAPL, package-0, package-1"
    assert counter.read_j() == 0.0
    for part in parts:
        part.write_text("900000000")
    first.write_text("6500000")
    second.write_text("7250000")
    assert counter.read_j() == pytest.approx(1.75)


def test_a_package_seen_through_mmio_alone_counts(tmp_path: Path) -> None:
    only = domain(tmp_path, "intel-rapl-mmio:0", "package-0", 0)
    counter = open_rapl(sys_folder=tmp_path)
    only.write_text("2000000")
    assert counter.read_j() == 2.0


def test_a_counter_is_followed_around_its_end_each_time(tmp_path: Path) -> None:
    energy = domain(tmp_path, "intel-rapl:0", "package-0", 900, range_uj=1000)
    counter = open_rapl(sys_folder=tmp_path)
    read = []
    for value in (50, 40, 990, 0):
        energy.write_text(str(value))
        read.append(round(counter.read_j() * 1e6))
    assert read == [150, 1140, 2090, 2100]


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    domain(tmp_path, "intel-rapl:0:0", "core", 1)
    with pytest.raises(MeasurementError, match="shows no energy counter of its CPU"):
        open_rapl(sys_folder=tmp_path)


def test_a_counter_that_may_not_be_read_names_the_file_and_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    energy = domain(tmp_path, "intel-rapl:0", "package-0", 1)
    read = Path.read_text

    def refuse(path: Path, *args: Any, **kwargs: Any) -> str:
        if path == energy:
            raise PermissionError(13, "Permission denied")
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(MeasurementError, match="may not be read by this user") as caught:
        open_rapl(sys_folder=tmp_path)
    assert str(energy) in caught.value.problem
    assert "chmod a+r" in str(caught.value.fix)


def test_a_counter_of_nonsense_is_one_line(tmp_path: Path) -> None:
    energy = domain(tmp_path, "intel-rapl:0", "package-0", 1)
    energy.write_text("none")
    with pytest.raises(MeasurementError, match="cannot be read"):
        open_rapl(sys_folder=tmp_path)


class FakeNvml:
    class NVMLError(Exception):
        pass

    def __init__(self, readings_mj: list[int]) -> None:
        self.readings_mj = readings_mj
        self.asked: list[str] = []

    def nvmlInit(self) -> None:  # noqa: N802
        self.asked.append("init")

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        return f"gpu {index}"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:  # noqa: N802
        self.asked.append(handle)
        if not self.readings_mj:
            raise self.NVMLError("Not Supported")
        return self.readings_mj.pop(0)


def test_a_gpu_is_read_in_joules_since_the_start_and_is_the_one_that_was_named() -> None:
    library = FakeNvml([1_000_000, 1_002_500])
    counter = open_nvml(library, uuid="GPU-1")
    assert counter.read_j() == 2.5
    assert library.asked == ["init", "GPU-1", "GPU-1"]


def test_a_gpu_without_a_counter_says_so() -> None:
    with pytest.raises(MeasurementError, match="tells no energy of this GPU: Not Supported"):
        open_nvml(FakeNvml([]))


def test_without_its_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pynvml":
            raise ImportError(name)
        return load(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MeasurementError, match="nvidia-ml-py is not installed") as caught:
        open_nvml()
    assert caught.value.fix == "pip install 'benchbench[energy]'"
