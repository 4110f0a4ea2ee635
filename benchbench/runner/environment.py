"""Probe the machine and the software of a run; what cannot be known stays None."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchbench.core.environment import Environment, Gpu, Load
from benchbench.core.host import (
    read_affinity,
    read_cpu_model,
    read_cpu_quota,
    read_governor,
    read_load,
    read_memory_bytes,
    read_online_cpus,
    read_smt,
    read_turbo,
    usable_cpus,
)

__all__ = ["Load", "probe_environment", "probe_gpus", "read_load", "usable_cpus"]

PACKAGES = (
    "benchbench",
    "torch",
    "torchvision",
    "lightning-fabric",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
    "safetensors",
    "pydantic",
)
_SMI_FIELDS = (
    "name",
    "memory.total",
    "compute_cap",
    "driver_version",
    "clocks.sm",
    "temperature.gpu",
    "clocks_throttle_reasons.active",
)
# Bits of nvmlClocksEventReasons (NVML API reference); idle and application clocks slow nothing down.
_THROTTLE = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks",
}


def ask_program(command: Sequence[str]) -> str | None:
    """What a program prints; None where it is not there, fails or does not answer in ten seconds."""
    if shutil.which(command[0]) is None:
        return None
    try:
        done = subprocess.run(list(command), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def probe_environment(*, root: Path = Path("/"), folder: Path | None = None) -> Environment:
    """What this machine, its software and the repository around `folder` (default: here) are."""
    online = read_online_cpus(root=root)
    git = ["git", "-C", str(folder or Path.cwd())]
    revision = ask_program([*git, "rev-parse", "HEAD"])
    changes = ask_program([*git, "status", "--porcelain", "--untracked-files=no"]) if revision else None
    host = Environment(
        machine=platform.machine() or None,
        system=" ".join(filter(None, (platform.system(), platform.release()))) or None,
        cpu_model=read_cpu_model(root=root) or platform.processor() or None,
        cpus_online=len(online) if online else None,
        cpus_usable=usable_cpus(root=root),
        affinity=read_affinity(root=root),
        cgroup_quota_cpus=read_cpu_quota(root=root),
        smt=read_smt(root=root),
        governor=read_governor(root=root),
        turbo=read_turbo(root=root),
        memory_bytes=read_memory_bytes(root=root),
        gpus=probe_gpus(),
        python=".".join(str(part) for part in sys.version_info[:3]),
        packages=installed_versions(),
        git_revision=revision,
        git_dirty=None if changes is None else changes != "",
    )
    return _with_torch(host)


def installed_versions() -> dict[str, str]:
    """Versions of the packages that figures depend on, of those that are installed."""
    found: dict[str, str] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def probe_gpus(*, query: Callable[[Sequence[str]], str | None] = ask_program) -> tuple[Gpu, ...]:
    """The NVIDIA GPUs as their driver reports them; no CUDA context is opened for it."""
    command = ["nvidia-smi", f"--query-gpu={','.join(_SMI_FIELDS)}", "--format=csv,noheader,nounits"]
    answer = query(command)
    return tuple(filter(None, map(_gpu_from_smi, (answer or "").splitlines())))


def _gpu_from_smi(line: str) -> Gpu | None:
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) != len(_SMI_FIELDS):
        return None
    said = {
        name: None if cell.startswith("[") else cell for name, cell in zip(_SMI_FIELDS, cells, strict=True)
    }
    memory_mib, reasons = said["memory.total"], said["clocks_throttle_reasons.active"]
    clock, temperature = said["clocks.sm"], said["temperature.gpu"]
    try:
        return Gpu(
            name=said["name"] or "NVIDIA GPU",
            memory_bytes=None if memory_mib is None else int(float(memory_mib)) * 2**20,
            capability=said["compute_cap"],
            driver=said["driver_version"],
            clock_mhz=None if clock is None else float(clock),
            temperature_c=None if temperature is None else float(temperature),
            throttle_reasons=None if reasons is None else _throttle_reasons(int(reasons, 16)),
        )
    except ValueError:
        return None


def _throttle_reasons(bits: int) -> tuple[str, ...]:
    return tuple(reason for bit, reason in _THROTTLE.items() if bits & bit)


def _gpus_of_torch() -> tuple[Gpu, ...]:
    import torch

    found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
    return tuple(
        Gpu(name=each.name, memory_bytes=each.total_memory, capability=f"{each.major}.{each.minor}")
        for each in found
    )


def _with_torch(host: Environment) -> Environment:
    import torch

    from benchbench.core.precise import tf32_allowed

    facts: dict[str, Any] = {
        "torch_threads": torch.get_num_threads(),
        "mkldnn": torch.backends.mkldnn.is_available(),  # type: ignore[no-untyped-call]
        "cuda": torch.version.cuda,
    }
    if torch.cuda.is_available():
        facts["cudnn"] = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        facts["gpus"] = host.gpus or _gpus_of_torch()
        facts["tf32"] = any(tf32_allowed())
    return host.model_copy(update=facts)
