"""Comparing modules that exist already, in the caller's own process: a line in a notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from benchbench.core.errors import MeasurementError
from benchbench.core.statistics import RatioEstimate, Summary, paired_ratio, summarise
from benchbench.measures.latency.options import Device, LatencyOptions
from benchbench.measures.latency.process import CONTROL, take_from_modules
from benchbench.measures.latency.rounds import Rounds, take_interleaved
from benchbench.measures.latency.timers import Call, Timer, timer_for, undisturbed


@dataclass(frozen=True, slots=True)
class LatencyComparison:
    """Latencies and ratios of modules measured side by side.

    Attributes:
        baseline: the first module's name.
        latency_s: summary of each module's samples, in seconds.
        speedup: baseline / module, with its interval; the baseline has none.
        aa_control: the baseline against itself: its interval holds 1 on a quiet machine.
        samples: raw seconds, aligned by round.
        notes: `warm-up capped` and the like, by module.
    """

    baseline: str
    latency_s: Mapping[str, Summary]
    speedup: Mapping[str, RatioEstimate]
    aa_control: RatioEstimate
    samples: Mapping[str, Sequence[float]]
    notes: Mapping[str, Sequence[str]]

    def __str__(self) -> str:
        width = max(len(name) for name in self.latency_s)
        lines = []
        for name, summary in self.latency_s.items():
            line = f"{name:<{width}}  {summary.median * 1e3:9.3f} ms  IQR {summary.iqr * 1e3:.3f}"
            if name in self.speedup:
                ratio = self.speedup[name]
                line += f"  {ratio.value:.3f}x [{ratio.interval.low:.3f}, {ratio.interval.high:.3f}]"
            lines.append("  ".join([line, *self.notes.get(name, ())]))
        held = "holds 1" if 1.0 in self.aa_control.interval else "excludes 1: the machine is too noisy"
        lines.append(f"A/A control {self.aa_control.value:.3f}: its interval {held}")
        return "\n".join(lines)


def compare_latency(
    modules: Mapping[str, nn.Module],
    inputs: Sequence[int] | tuple[torch.Tensor, ...],
    *,
    device: Device = "cpu",
    budget_s: float = 60.0,
    half_width: float = 0.02,
    seed: int = 0,
    timer: Timer | None = None,
) -> LatencyComparison:
    """Time modules side by side in interleaved rounds; the first is the baseline.

    It runs in the calling process, at its thread count; `benchbench run` uses fresh processes.

    Args:
        modules: name -> module; at least one. The mode of each of their parts, training or not, is restored.
        inputs: the shape of one random float32 input, such as [1, 3, 256, 256], or a tuple of tensors.
        device: where; modules are moved there, and stay.
        budget_s: where to stop, converged or not.
        half_width: relative half-width of the 95 % interval that is enough.
        seed: of the input and the order within rounds.
        timer: another clock, for tests.

    Raises:
        MeasurementError: no module is given, the device is absent, `inputs` is neither a shape nor
            tensors, or a module does not take them.
    """
    if not modules:
        raise MeasurementError(
            "no module to compare", expected='a mapping such as {"base": model, "light": light}'
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise MeasurementError("device 'cuda' is not available", fix="use device='cpu'")
    tensors = _as_tensors(inputs, seed)
    options = LatencyOptions(
        device=(device,),
        threads=(torch.get_num_threads(),),
        processes=1,
        budget_s=budget_s,
        min_seconds=min(5.0, budget_s),
        half_width=half_width,
    )
    rounds = take_from_modules(modules, tensors, options, seed=seed, timer=timer or timer_for(device))
    return _as_comparison(rounds, list(modules))


def compare_calls(
    calls: Mapping[str, Call],
    *,
    budget_s: float = 60.0,
    half_width: float = 0.02,
    seed: int = 0,
    timer: Timer | None = None,
) -> LatencyComparison:
    """Time any functions side by side on the CPU, as `compare_latency` times modules.

    Args:
        calls: name -> a function without arguments; the first is the baseline.
        budget_s, half_width, seed, timer: as `compare_latency`.

    Raises:
        MeasurementError: no function is given.
    """
    if not calls:
        raise MeasurementError("nothing to compare", expected='a mapping such as {"old": f, "new": g}')
    baseline = next(iter(calls))
    options = LatencyOptions(
        device=("cpu",), budget_s=budget_s, min_seconds=min(5.0, budget_s), half_width=half_width
    )
    with undisturbed():
        rounds = take_interleaved(
            {**calls, CONTROL: calls[baseline]},
            baseline=baseline,
            timer=timer or timer_for("cpu"),
            options=options,
            seed=seed,
        )
    return _as_comparison(rounds, list(calls))


def _as_comparison(rounds: Rounds, names: Sequence[str]) -> LatencyComparison:
    baseline = names[0]
    reference = [rounds.samples[baseline]]
    return LatencyComparison(
        baseline=baseline,
        latency_s={name: summarise(rounds.samples[name]) for name in names},
        speedup={name: paired_ratio(reference, [rounds.samples[name]]) for name in names if name != baseline},
        aa_control=paired_ratio(reference, [rounds.samples[CONTROL]]),
        samples=rounds.samples,
        notes=rounds.notes,
    )


def _as_tensors(inputs: Sequence[object] | torch.Tensor, seed: int) -> tuple[torch.Tensor, ...]:
    parts = () if isinstance(inputs, torch.Tensor) else tuple(inputs)
    tensors = tuple(each for each in parts if isinstance(each, torch.Tensor))
    sizes = [each for each in parts if isinstance(each, int) and each > 0]
    if parts and len(tensors) == len(parts):
        return tensors
    if parts and len(sizes) == len(parts):
        return (torch.randn(*sizes, generator=torch.Generator().manual_seed(seed)),)
    kinds = ", ".join(dict.fromkeys(type(each).__name__ for each in parts)) or type(inputs).__name__
    raise MeasurementError(
        f"inputs are neither a shape nor tensors: {kinds}",
        expected="the sizes of one input, such as [1, 3, 256, 256], or a tuple of tensors, such as (x,)",
    )
