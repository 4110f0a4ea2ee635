"""A machine's measured roof: what it reaches at best, in multiply-accumulates and in bytes per second."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Literal, TypeAlias

from pydantic import AwareDatetime

from benchbench.core.environment import Environment
from benchbench.core.model import Frozen

ROOF_SCHEMA = 1
# Raised whenever a figure is taken in another way: what was kept before is then measured anew.
METHOD = 1

RoofName: TypeAlias = Literal["float32", "bfloat16", "int8", "memory", "cache"]


class RoofFigure(Frozen):
    """One measured limit, or why there is none.

    Attributes:
        name: a number format, whose unit is MAC/s, or `memory` or `cache`, whose unit is B/s.
        blocks: the rate of each block of calls; the roof is the best of them.
        how: the operator that was the best, with its size.
        reason: why it could not be measured; None where it was.
    """

    name: RoofName
    blocks: tuple[float, ...] = ()
    how: str = ""
    reason: str | None = None

    @property
    def best(self) -> float | None:
        """The roof; None where it could not be measured."""
        return max(self.blocks, default=None)

    @property
    def unit(self) -> str:
        """Of `best` and `blocks`."""
        return "B/s" if self.name in ("memory", "cache") else "MAC/s"

    @property
    def spread(self) -> float | None:
        """How far the median block stays below the best, as a share of the best; None without blocks."""
        return 1 - median(self.blocks) / max(self.blocks) if self.blocks else None


class RoofMachine(Frozen):
    """What a roof depends on; where any of it differs, a kept roof is another machine's.

    Attributes:
        device: cpu or cuda.
        device_name, driver: of the GPU; None on a CPU.
        threads: of torch.
        torch_version: with its build, 2.13.0+cpu.
        method: in which way benchbench measures.
        caches: "L2 1048576 x2": level, bytes of one and how many of them the usable CPUs have.
        tf32_matmul, tf32_cudnn: whether float32 may be TF32 there; None on a CPU.
    """

    device: Literal["cpu", "cuda"]
    threads: int
    torch_version: str
    method: int = METHOD
    machine: str | None = None
    cpu_model: str | None = None
    cpus_online: int | None = None
    cpus_usable: int | None = None
    cgroup_quota_cpus: float | None = None
    caches: tuple[str, ...] = ()
    governor: str | None = None
    turbo: bool | None = None
    smt: bool | None = None
    device_name: str | None = None
    driver: str | None = None
    tf32_matmul: bool | None = None
    tf32_cudnn: bool | None = None

    def differences(self, other: RoofMachine) -> tuple[str, ...]:
        """What differs, each as "torch_version was 2.12.0, is 2.13.0", this one being the earlier."""
        return tuple(
            f"{name} was {getattr(self, name)}, is {getattr(other, name)}"
            for name in type(self).model_fields
            if getattr(self, name) != getattr(other, name)
        )

    @property
    def setting(self) -> str:
        """cpu, 2 threads; or the GPU's name."""
        if self.device == "cuda":
            return self.device_name or "cuda"
        return f"cpu, {self.threads} thread{'' if self.threads == 1 else 's'}"

    @property
    def command(self) -> str:
        """What measures it."""
        threads = "" if self.device == "cuda" else f" --threads {self.threads}"
        return f"benchbench roofline --device {self.device}{threads}"


class Roof(Frozen):
    """All limits of one machine at one setting.

    Attributes:
        machine: what they depend on.
        environment: everything else that was known of it then.
        measured_at: in UTC.
        figures: one per name.
    """

    schema_version: int = ROOF_SCHEMA
    machine: RoofMachine
    environment: Environment
    measured_at: AwareDatetime
    figures: tuple[RoofFigure, ...]

    def best(self, name: RoofName) -> float | None:
        """The best rate of `name`; None where it is not known."""
        return next((each.best for each in self.figures if each.name == name), None)


@dataclass(frozen=True, slots=True)
class FoundRoof:
    """The kept roof of a machine, or why there is none.

    Attributes:
        machine: whose was asked for.
        roof: None where none is kept, or the one that is kept is of another state of the machine.
        why: None where there is one.
    """

    machine: RoofMachine
    roof: Roof | None = None
    why: str | None = None
