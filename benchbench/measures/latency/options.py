"""What a suite may say about latency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from benchbench.core.model import OneOrMore, Options

Device = Literal["cpu", "cuda"]
Threads = Annotated[int, Field(ge=1, le=1024)]


class LatencyOptions(Options):
    """Options of the latency measure; each device and thread count is a comparison of its own.

    Attributes:
        device: `cpu`, `cuda`, or a list of them.
        threads: thread counts on the CPU; `auto` is what the affinity and the CPU quota allow.
        protocol: `interleaved` (docs/protocol-latency.md), or `gan_compression`: batch 1, 100
            warm-up and 100 timed runs, one network after the other, as in its paper's Table 2.
        processes: fresh processes (replicates), at least; 3 for a report, 1 for a quick look.
        max_processes: up to how many follow while a ratio is not known to `half_width`; three times
            `processes` unless said, and none for a quick look.
        warmup_s: least warm-up time per network; the default is 1 s on a CPU, 0.5 s on a GPU.
        warmup_limit_s: where warm-up is capped, and flagged.
        min_rounds, min_seconds: what each process measures at least; past twice the budget five rounds
            will do.
        budget_s: where each process stops, converged or not.
        half_width: the relative half-width of the 95 % interval of each ratio that is enough.
        memory_format: of inputs and weights.
        fold: `weights` replaces weights under spectral or weight norm by what the norm makes of them, as a
            network is deployed; `none` has it computed at every call, as in training.
        allocator: `keep` has glibc keep freed memory, as a serving process has it; `system` leaves
            that to chance, and a process may then pay thousands of page faults per call.
        baseline: the variant that ratios refer to; the suite's own by default.
        untimed: calls before each timed one. Libraries with thread pools of their own, side by side in one
            process, need one: it takes what the pool of the last costs the next. By default 1 where there
            are several, else 0.
    """

    device: OneOrMore[Device] = ("cpu",)
    threads: OneOrMore[Threads | Literal["auto"]] = ("auto",)
    protocol: Literal["interleaved", "gan_compression"] = "interleaved"
    processes: Annotated[int, Field(ge=1, le=100)] = 3
    max_processes: Annotated[int | None, Field(ge=1, le=100)] = None
    warmup_s: Annotated[float | None, Field(gt=0)] = None
    warmup_limit_s: Annotated[float, Field(gt=0)] = 5.0
    min_rounds: Annotated[int, Field(ge=5)] = 20
    min_seconds: Annotated[float, Field(ge=0)] = 5.0
    budget_s: Annotated[float, Field(gt=0)] = 60.0
    half_width: Annotated[float, Field(gt=0, lt=1)] = 0.02
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    fold: Literal["weights", "none"] = "weights"
    allocator: Literal["keep", "system"] = "keep"
    baseline: str | None = None
    untimed: Annotated[int | None, Field(ge=0, le=100)] = None

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.budget_s < self.min_seconds:
            raise ValueError(f"budget_s ({self.budget_s}) is below min_seconds ({self.min_seconds})")
        if self.warmup_s is not None and self.warmup_limit_s < self.warmup_s:
            raise ValueError(f"warmup_limit_s ({self.warmup_limit_s}) is below warmup_s ({self.warmup_s})")
        if self.max_processes is not None and self.max_processes < self.processes:
            raise ValueError(f"max_processes ({self.max_processes}) is below processes ({self.processes})")
        return self

    @property
    def most_processes(self) -> int:
        """How many fresh processes there are at most."""
        usual = 1 if self.processes == 1 else 3 * self.processes
        return self.processes if self.protocol != "interleaved" else self.max_processes or usual

    @property
    def least_warmup_s(self) -> float:
        """The least warm-up per network, in seconds."""
        return self.warmup_s if self.warmup_s is not None else (0.5 if self.device == ("cuda",) else 1.0)

    @property
    def setting(self) -> str:
        """How a comparison of one device and one thread count is called in tables."""
        if self.device == ("cuda",):
            words = "cuda"
        else:
            count = self.threads[0]
            words = f"cpu, {count} thread{'' if count == 1 else 's'}"
        if self.protocol != "interleaved":
            words += f", {self.protocol}"
        return words if self.memory_format == "contiguous" else f"{words}, {self.memory_format}"

    def split(self, usable_threads: int) -> Sequence[LatencyOptions]:
        """One set of options per comparison, `auto` made a number."""
        parts: list[LatencyOptions] = []
        for device in self.device:
            counts: Sequence[int | str] = self.threads if device == "cpu" else ("auto",)
            for count in counts:
                resolved = usable_threads if count == "auto" else count
                parts.append(self.model_copy(update={"device": (device,), "threads": (resolved,)}))
        return tuple(dict.fromkeys(parts))
