"""What the machine is. None means unknown here, never a guess."""

from __future__ import annotations

from benchbench.core.model import Frozen


class Gpu(Frozen):
    """One accelerator as its driver reports it."""

    name: str
    memory_bytes: int | None = None
    capability: str | None = None
    driver: str | None = None
    clock_mhz: float | None = None
    temperature_c: float | None = None
    throttle_reasons: tuple[str, ...] | None = None


class Load(Frozen):
    """How busy the machine was at one moment."""

    load_1min: float | None = None
    pressure_cpu_some_10s: float | None = None
    steal_share: float | None = None


class Environment(Frozen):
    """The machine and the software of a run."""

    machine: str | None = None
    system: str | None = None
    cpu_model: str | None = None
    cpus_online: int | None = None
    cpus_usable: int | None = None
    affinity: tuple[int, ...] | None = None
    cgroup_quota_cpus: float | None = None
    smt: bool | None = None
    governor: str | None = None
    turbo: bool | None = None
    memory_bytes: int | None = None
    gpus: tuple[Gpu, ...] = ()
    python: str | None = None
    packages: dict[str, str] = {}
    torch_threads: int | None = None
    mkldnn: bool | None = None
    cuda: str | None = None
    cudnn: int | None = None
    tf32: bool | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None
    load_before: Load | None = None
    load_after: Load | None = None
