"""What Linux says of the host, read from /proc and /sys; None where it does not say.

Every reader takes the root of the file system, so that a test can hand it another machine.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchbench.core.environment import Load

_ROOT = Path("/")

# glibc gives freed memory back to the system, or keeps it, as its heap happens to lie; a network whose
# activations are given back pays thousands of page faults per call. Kept memory is what a serving
# process has, and makes one process like the next. 32 MiB is the highest threshold glibc takes.
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**34), "MALLOC_MMAP_THRESHOLD_": str(2**25)}
_CPU = Path("sys/devices/system/cpu")
_SIZES = {"K": 2**10, "M": 2**20, "G": 2**30}


@dataclass(frozen=True, slots=True)
class Cache:
    """The caches of one level for data: bytes of one, and how many the CPUs in question have."""

    level: int
    bytes: int
    count: int


def usable_cpus(*, root: Path = _ROOT) -> int:
    """How many CPUs this process may really use: affinity and cgroup quota, at least 1.

    The count of the machine's CPUs stands in only where the system tells neither.
    """
    allowed = read_affinity(root=root) or read_online_cpus(root=root)
    count = len(allowed) if allowed else os.cpu_count() or 1
    quota = read_cpu_quota(root=root)
    return count if quota is None else max(1, min(count, int(quota)))


def read_affinity(*, root: Path = _ROOT) -> tuple[int, ...] | None:
    """Numbers of the CPUs that this process may run on."""
    listed = _field(root / "proc/self/status", "Cpus_allowed_list")
    return None if listed is None else parse_cpu_list(listed)


def read_online_cpus(*, root: Path = _ROOT) -> tuple[int, ...] | None:
    """Numbers of the CPUs that are switched on."""
    listed = _text(root / _CPU / "online")
    return None if listed is None else parse_cpu_list(listed)


def parse_cpu_list(text: str) -> tuple[int, ...] | None:
    """The kernel's list format: "0-2,8" is (0, 1, 2, 8); None where it is not that."""
    numbers: list[int] = []
    try:
        for part in filter(None, text.strip().split(",")):
            first, _, last = part.partition("-")
            numbers.extend(range(int(first), int(last or first) + 1))
    except ValueError:
        return None
    return tuple(numbers) or None


def read_cpu_quota(*, root: Path = _ROOT) -> float | None:
    """CPUs' worth of time that the tightest enclosing cgroup grants; None without a limit."""
    quotas: list[float] = []
    for folder in _cgroup_folders(root, controller="cpu"):
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota is None or period is None:
            quota, _, period = (_text(folder / "cpu.max") or "").partition(" ")
        limit, span = _number(quota), _number(period)
        if limit is not None and span is not None and limit > 0 and span > 0:
            quotas.append(limit / span)
    return min(quotas, default=None)


def read_memory_bytes(*, root: Path = _ROOT) -> int | None:
    """Memory that this process may use: the machine's, or less where a cgroup says so."""
    total = _number((_field(root / "proc/meminfo", "MemTotal") or "").removesuffix("kB"))
    sizes = [] if total is None else [int(total) * 1024]
    for folder in _cgroup_folders(root, controller="memory"):
        limit = _number(_text(folder / "memory.max")) or _number(_text(folder / "memory.limit_in_bytes"))
        if limit is not None:
            sizes.append(int(limit))
    return min(sizes, default=None)


def read_cpu_model(*, root: Path = _ROOT) -> str | None:
    """The CPU's name, as /proc/cpuinfo has it."""
    cpuinfo = root / "proc/cpuinfo"
    return _field(cpuinfo, "model name") or _field(cpuinfo, "Model")


def read_caches(*, root: Path = _ROOT) -> tuple[Cache, ...]:
    """Caches for data of the CPUs that this process may run on, by level; () where the system is silent.

    One that several CPUs share counts once; where sizes differ, those of the first CPU stand for all.
    """
    found: dict[int, tuple[int, set[str]]] = {}
    for number in read_affinity(root=root) or read_online_cpus(root=root) or ():
        for index in sorted((root / _CPU / f"cpu{number}" / "cache").glob("index*")):
            level, size = _number(_text(index / "level")), _cache_bytes(_text(index / "size"))
            if level is None or size is None or _text(index / "type") == "Instruction":
                continue
            _, sharing = found.setdefault(int(level), (size, set()))
            sharing.add(_text(index / "shared_cpu_list") or str(number))
    return tuple(Cache(level, size, len(sharing)) for level, (size, sharing) in sorted(found.items()))


def _cache_bytes(text: str | None) -> int | None:
    number = _number((text or "").rstrip("KMG"))
    return None if number is None else int(number * _SIZES.get((text or "")[-1:], 1))


def read_smt(*, root: Path = _ROOT) -> bool | None:
    """Whether two threads share a core."""
    return _flag(_text(root / _CPU / "smt/active"))


def read_governor(*, root: Path = _ROOT) -> str | None:
    """The frequency governor of the first CPU."""
    return _text(root / _CPU / "cpu0/cpufreq/scaling_governor")


def read_turbo(*, root: Path = _ROOT) -> bool | None:
    """Whether the clock may rise above its nominal rate."""
    disabled = _flag(_text(root / _CPU / "intel_pstate/no_turbo"))
    return _flag(_text(root / _CPU / "cpufreq/boost")) if disabled is None else not disabled


def read_load(
    *, root: Path = _ROOT, interval_s: float = 0.2, sleep: Callable[[float], None] = time.sleep
) -> Load:
    """How busy the machine is; the share of stolen time is taken over `interval_s` seconds."""
    before = read_cpu_times(root=root)
    sleep(interval_s)
    after = read_cpu_times(root=root)
    return Load(
        load_1min=_number((_text(root / "proc/loadavg") or "").split(" ")[0]),
        pressure_cpu_some_10s=_pressure(_text(root / "proc/pressure/cpu")),
        steal_share=steal_share(before, after),
    )


def read_cpu_times(*, root: Path = _ROOT) -> tuple[int, ...] | None:
    """The counters of all CPUs together in /proc/stat: user, nice, system, idle, ... steal."""
    line = (_text(root / "proc/stat") or "").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    return tuple(int(count) for count in line[1:9])


def steal_share(before: tuple[int, ...] | None, after: tuple[int, ...] | None) -> float | None:
    """Share of the time between two readings that the hypervisor gave to others."""
    if before is None or after is None:
        return None
    passed = [late - early for early, late in zip(before, after, strict=True)]
    return passed[7] / sum(passed) if sum(passed) > 0 else None


def _cgroup_folders(root: Path, *, controller: str) -> list[Path]:
    # A limit of any enclosing group binds, so every level up to the mount is looked at. Inside a
    # container the listed path may not exist; the mount itself is then the container's own group.
    folders: list[Path] = []
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        unified = number == "0" and controllers == ""
        if not unified and controller not in controllers.split(","):
            continue
        mounts = ["", "unified"] if unified else [controllers, controller]
        below = Path(path.strip().lstrip("/"))
        for mount in mounts:
            top = root / "sys/fs/cgroup" / mount
            folders += [top / level for level in (below, *below.parents)]
    return folders


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _field(path: Path, name: str) -> str | None:
    for line in (_text(path) or "").splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _flag(text: str | None) -> bool | None:
    return {"0": False, "1": True}.get(text or "")


def _pressure(text: str | None) -> float | None:
    for line in (text or "").splitlines():
        if line.startswith("some "):
            return _number(line.partition("avg10=")[2].partition(" ")[0])
    return None
