"""Counters of energy: RAPL's packages on the CPU, NVML's total on a GPU; why there are none, where so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchbench.core.errors import MeasurementError

_SYS = Path("/sys")


class Counter(Protocol):
    """Joules since it was made; read it more often than it wraps around."""

    source: str

    def read_j(self) -> float:
        """Joules since it was made."""
        ...


@dataclass(frozen=True, slots=True)
class _Domain:
    energy: Path
    range_uj: int
    name: str


class RaplCounter:
    """The sum of the packages' counters, each followed around its end.

    Source: https://docs.kernel.org/power/powercap/powercap.html
    """

    def __init__(self, domains: Sequence[_Domain]) -> None:
        self.source = f"RAPL, {', '.join(each.name for each in domains)}"
        self._domains = tuple(domains)
        self._last = {each: _read_uj(each.energy) for each in domains}
        self._sum_uj = 0

    def read_j(self) -> float:
        """Joules since it was made; one wrap-around between two readings is seen.

        Raises:
            MeasurementError: a counter cannot be read any more.
        """
        for each in self._domains:
            now = _read_uj(each.energy)
            passed = now - self._last[each]
            self._sum_uj += passed if passed >= 0 else passed + each.range_uj
            self._last[each] = now
        return self._sum_uj / 1e6


def open_rapl(*, sys_folder: Path = _SYS) -> RaplCounter:
    """The counter of this machine's CPU packages.

    Packages alone are added up: cores and uncore are a part of theirs, `psys` holds them, and what
    `intel-rapl-mmio` shows is the same package seen another way. Memory (`dram`) is not counted.

    Args:
        sys_folder: where sysfs is mounted.

    Raises:
        MeasurementError: there is no such counter, or it may not be read.
    """
    found: dict[str, _Domain] = {}
    folder = sys_folder / "class" / "powercap"
    # Sorted: `intel-rapl:0` comes before its sub-domain `intel-rapl:0:0`, `intel-rapl-mmio:0` before both.
    for each in sorted(folder.glob("intel-rapl*:*"), key=lambda path: ("mmio" in path.name, path.name)):
        name = _text(each / "name")
        if each.name.count(":") == 1 and name.startswith("package"):
            range_uj = int(_text(each / "max_energy_range_uj") or "0")
            found.setdefault(name, _Domain(each / "energy_uj", range_uj, name))
    if not found:
        raise MeasurementError(
            f"this machine shows no energy counter of its CPU ({folder}/intel-rapl:* has no package)",
            fix="measure on a machine with RAPL (Intel or AMD) under Linux, not in a virtual machine",
        )
    return RaplCounter(tuple(found.values()))


def open_nvml(library: Any = None, *, uuid: str | None = None) -> NvmlCounter:
    """The total energy counter of one GPU.

    Args:
        library: `pynvml` (nvidia-ml-py); imported unless given.
        uuid: of the GPU; the first one unless given.

    Raises:
        MeasurementError: nvidia-ml-py is not installed, or the driver or the GPU has no such counter.
    """
    library = _import_nvml() if library is None else library
    try:
        library.nvmlInit()
        handle = library.nvmlDeviceGetHandleByUUID(uuid) if uuid else library.nvmlDeviceGetHandleByIndex(0)
        return NvmlCounter(library, handle)
    except library.NVMLError as error:
        raise MeasurementError(
            f"the driver tells no energy of this GPU: {error}",
            fix="measure on an NVIDIA GPU of the Volta generation or later",
        ) from None


def _import_nvml() -> Any:
    try:
        import pynvml
    except ImportError:
        raise MeasurementError(
            "nvidia-ml-py is not installed, which reads the energy of a GPU",
            fix="pip install 'benchbench[energy]'",
        ) from None
    return pynvml


class NvmlCounter:
    """Total energy of one GPU since its driver was loaded.

    Source: NVML API, nvmlDeviceGetTotalEnergyConsumption (millijoules).
    """

    source = "NVML, total energy"

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle
        self._first_mj = int(library.nvmlDeviceGetTotalEnergyConsumption(handle))

    def read_j(self) -> float:
        """Joules since it was made."""
        now = int(self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        return (now - self._first_mj) / 1e3


def _read_uj(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except PermissionError:
        raise MeasurementError(
            f"{path} may not be read by this user",
            fix=f"as root: chmod a+r {path}, or run as root",
        ) from None
    except (OSError, ValueError) as error:
        raise MeasurementError(f"{path} cannot be read: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
