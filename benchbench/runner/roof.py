"""The roof of this machine: measured in a fresh process, kept, and found again while it holds."""

from __future__ import annotations

import platform
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Literal

from benchbench.core.errors import MeasurementError, OptionError, StoreError
from benchbench.core.host import (
    KEEP_MEMORY,
    read_caches,
    read_cpu_model,
    read_cpu_quota,
    read_governor,
    read_online_cpus,
    read_smt,
    read_turbo,
    usable_cpus,
)
from benchbench.core.model import canonical_json
from benchbench.core.profile import CellProfile
from benchbench.core.roof import FoundRoof, Roof, RoofMachine
from benchbench.core.store import write_atomically
from benchbench.quality.cache import ROOFS
from benchbench.runner.devices import choose_device
from benchbench.runner.environment import probe_gpus
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import Job, RoofJob
from benchbench.runner.lock import exclusive_latency

_LIMIT_S = 600.0


def read_machine(
    device: Literal["cpu", "cuda"], threads: int, torch_version: str, *, root: Path = Path("/")
) -> RoofMachine:
    """What a roof at that setting depends on, as this machine is now.

    Args:
        device: one that is here.
        threads: of torch.
        torch_version: with its build.
        root: of the file system.
    """
    online = read_online_cpus(root=root)
    host = RoofMachine(
        device=device,
        threads=threads,
        torch_version=torch_version,
        machine=platform.machine() or None,
        cpu_model=read_cpu_model(root=root) or platform.processor() or None,
        cpus_online=len(online) if online else None,
        cpus_usable=usable_cpus(root=root),
        cgroup_quota_cpus=read_cpu_quota(root=root),
        caches=tuple(f"L{each.level} {each.bytes} x{each.count}" for each in read_caches(root=root)),
        governor=read_governor(root=root),
        turbo=read_turbo(root=root),
        smt=read_smt(root=root),
    )
    return _with_gpu(host) if device == "cuda" else host


def _with_gpu(host: RoofMachine) -> RoofMachine:
    import torch

    from benchbench.core.precise import tf32_allowed

    name = torch.cuda.get_device_name()
    matmul, cudnn = tf32_allowed()
    driver = next((each.driver for each in probe_gpus() if each.name == name), None)
    return host.model_copy(
        update={"device_name": name, "driver": driver, "tf32_matmul": matmul, "tf32_cudnn": cudnn}
    )


def roof_file(cache: Path, machine: RoofMachine) -> Path:
    """Where the roof of `machine` is kept."""
    key = sha256(canonical_json(machine.model_dump(mode="json")).encode()).hexdigest()[:24]
    return cache / ROOFS / f"{key}.json"


def find_roof(cache: Path, machine: RoofMachine) -> FoundRoof:
    """The kept roof of that machine, or what differs of the nearest one that is kept."""
    kept = read_roof(roof_file(cache, machine))
    if kept is not None and kept.machine == machine:
        return FoundRoof(machine, kept)
    others = [found for path in (cache / ROOFS).glob("*.json") if (found := read_roof(path)) is not None]
    differing = [
        each.machine.differences(machine) for each in others if each.machine.device == machine.device
    ]
    if not differing:
        return FoundRoof(machine, why=f"no roof was measured yet ({machine.setting})")
    _, fewest = min((len(each), each) for each in differing)
    return FoundRoof(machine, why=f"the kept roof does not hold: {', '.join(fewest)}")


def find_roof_of(cache: Path, profile: CellProfile) -> FoundRoof:
    """The kept roof of the setting of a profile that was taken on this machine."""
    return find_roof(cache, read_machine(profile.device, profile.threads, profile.torch_version))


def read_roof(path: Path) -> Roof | None:
    """A kept roof; None where there is none, or none that can be read."""
    try:
        return Roof.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def measure_roof(
    cache: Path,
    *,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    refresh: Literal["never", "always"] = "never",
    say: Callable[[str], None],
) -> tuple[Roof, Path, Literal["kept", "measured"]]:
    """The roof of this machine: the kept one where it holds, else measured now and kept.

    Args:
        cache: the cache's folder.
        device: auto is the GPU where there is one.
        threads: of torch; None: its own number.
        refresh: whether one that holds is measured again.
        say: shows one line of progress.

    Returns:
        The roof, its file, and whether it was measured now.

    Raises:
        OptionError: the device is not here, or fewer CPUs than threads are.
        MeasurementError: the process that measures failed.
        StoreError: the folder cannot be written.
        LockedError: another process has measured latency for very long.
    """
    import torch

    if threads is not None and threads > (usable := usable_cpus()):
        raise OptionError(f"--threads {threads}: {usable} CPUs are usable here", expected=f"1 to {usable}")
    chosen = choose_device(device)
    count = threads or torch.get_num_threads()
    machine = read_machine(chosen, count, torch.__version__)
    path = roof_file(cache, machine)
    found = find_roof(cache, machine)
    if found.roof is not None and refresh == "never":
        return found.roof, path, "kept"
    if cache.exists() and not cache.is_dir():
        raise StoreError(f"{cache} is a file", expected="the cache's folder", fix="correct --cache")
    say(f"measuring the roof of {machine.setting}; a minute at most ...")
    environment = {**KEEP_MEMORY, "OMP_NUM_THREADS": str(count), "MKL_NUM_THREADS": str(count)}
    with exclusive_latency("the machine's roof", say=say):
        answer = run_isolated(Job(roof=RoofJob(machine=machine)), environment=environment, limit_s=_LIMIT_S)
    if answer.roof is None:
        assert answer.failure is not None
        reason = answer.failure.reason.splitlines()[0]
        raise MeasurementError(f"no roof of {machine.setting}: {reason}", fix=answer.failure.fix)
    write_atomically(path, answer.roof.model_dump_json(indent=1))
    return answer.roof, path, "measured"
