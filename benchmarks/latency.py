"""The paired ratio beside torch.utils.benchmark and beside means taken in turn, on one machine at once.

    OMP_NUM_THREADS=2 python benchmarks/latency.py

A network is compared with a copy of itself (the right answer is 1) and with a smaller one.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time

import torch
from torch import nn
from torch.utils.benchmark import Timer

from benchbench.architectures.transformer_net import architecture
from benchbench.measures.latency import compare_latency
from benchbench.runner.lock import exclusive_latency


def in_turn_s(module: nn.Module, image: torch.Tensor, seconds: float) -> float:
    """The mean of calls for some seconds, after three calls of warm-up."""
    for _ in range(3):
        module(image)
    times = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        started = time.perf_counter()
        module(image)
        times.append(time.perf_counter() - started)
    return statistics.fmean(times)


def torch_benchmark_s(module: nn.Module, image: torch.Tensor, seconds: float) -> float:
    """The median of torch.utils.benchmark's blocked autorange."""
    timer = Timer("module(image)", globals={"module": module, "image": image}, num_threads=_THREADS)
    return float(timer.blocked_autorange(min_run_time=seconds).median)


_THREADS = torch.get_num_threads()


def main() -> None:
    """Print a table: one row for each way of timing, and its ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=128, help="edge of the input picture")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each network and way of timing")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    large, small = (architecture.build(architecture.options(blocks=blocks)).eval() for blocks in (5, 3))
    networks = {"network": large, "copy": copy.deepcopy(large), "small": small}
    image = torch.randn(1, 3, given.size, given.size)
    print(f"{'':28}  {'network / copy':24}  network / small   ({_THREADS} threads)")
    with exclusive_latency("benchmarks/latency.py", say=print), torch.inference_mode():
        for _ in range(given.repeats):
            for name, take in (("means in turn", in_turn_s), ("torch.utils.benchmark", torch_benchmark_s)):
                seconds = {key: take(module, image, given.seconds) for key, module in networks.items()}
                same, smaller = (seconds["network"] / seconds[key] for key in ("copy", "small"))
                print(f"{name:28}  {same:<24.3f}  {smaller:.3f}", flush=True)
            found = compare_latency(networks, (image,), budget_s=3 * given.seconds)
            spans = [
                f"{ratio.value:.3f} [{ratio.interval.low:.3f}, {ratio.interval.high:.3f}]"
                for ratio in found.speedup.values()
            ]
            print(f"{'benchbench, paired':28}  {spans[0]:24}  {spans[1]}", flush=True)


if __name__ == "__main__":
    main()
