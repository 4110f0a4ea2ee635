"""What the names of measurements and flags mean to a reader."""

from __future__ import annotations

import re

from benchbench.core.changes import EXACT
from benchbench.core.visible import on_one_line

_COST_OF_UNIT_ONE = frozenset(
    {*EXACT, "speedup", "device_speedup", "aa_control", "device_aa_control", "steps_to_level", "knee_batch"}
)
# How near a deployed network is to itself in eager float32, and not how good.
_AGREEMENT = frozenset({"output_max_abs", "output_mean_abs", "output_psnr"})
_PHYSICAL_UNITS = frozenset({"s", "B", "MAC", "MAC/s", "B/s", "J", "W", "image/s"})

_TITLES = {
    "parameters": "parameters",
    "macs": "MACs",
    "macs_output_size": "MACs at output size",
    "elementwise": "element-wise operations",
    "peak_activation": "peak of activations",
    "discriminator_parameters": "parameters of the discriminator",
    "discriminator_macs": "MACs of the discriminator",
    "total_parameters": "parameters, generator and discriminator",
    "latency": "latency",
    "device_latency": "device latency",
    "latency_p90": "latency, 90th percentile",
    "latency_p95": "latency, 95th percentile",
    "latency_p99": "latency, 99th percentile",
    "speedup": "speed-up",
    "device_speedup": "device speed-up",
    "aa_control": "A/A control",
    "device_aa_control": "device A/A control",
    "perceptual_loss": "loss",
    "content_loss": "content loss, weighted",
    "style_loss": "style loss, weighted",
    "fid": "FID",
    "clean_fid": "clean-FID",
    "kid": "KID",
    "clean_kid": "clean-KID",
    "fd": "FD",
    "kd": "KD",
    "kd_subsets": "KD over subsets",
    "lpips": "LPIPS",
    "lpips_diversity": "LPIPS diversity",
    "l1": "L1",
    "psnr": "PSNR",
    "ssim": "SSIM",
    "miou": "mIoU",
    "peak_resident": "peak memory",
    "memory_growth": "memory that inference adds",
    "memory_resident": "resident memory, whole process",
    "memory_allocated": "GPU memory allocated",
    "memory_reserved": "GPU memory reserved",
    "energy": "energy per image",
    "load_power": "power under load",
    "idle_power": "power when idle",
    "throughput": "throughput",
    "knee_batch": "batch at the knee",
    "swept_latency": "latency",
    "training_10k_steps": "10,000 training steps",
    "steps_to_level": "training steps to the level",
    "time_to_level": "time of training steps to the level",
    "output_max_abs": "largest difference to eager float32",
    "output_mean_abs": "mean difference to eager float32",
    "output_psnr": "PSNR to eager float32",
    "export_time": "export time",
    "compile_time": "compile time",
    "file_size": "file size",
    "train/loss": "training loss",
    "validation/loss": "validation loss",
    "learning_rate": "learning rate",
}

_FLAGS = (
    ("unconverged", "the time budget ended before the interval was within 2 % of the speed-up"),
    ("processes differ", "each fresh process is sure of its own ratio, and the next one has another"),
    ("warm-up capped", "the machine had not settled when timing began; the spread is wider than it need be"),
    (
        "random-weights",
        "features of an untrained network: figures compare within this report only",
    ),
)

NOISY = "the A/A control does not hold 1 (two identical models were told apart: the machine was too busy)"


def title(name: str) -> str:
    """A measurement's or a curve's name for people: `fd[rand-conv-128]` -> `FD [rand-conv-128]`.

    A level of it keeps its bound: `fid <= 30` -> `FID <= 30`.
    """
    known = _TITLES.get(name)
    if known is not None:
        return known
    # A curve of scores is called as the figure is that the finished network gets.
    if score := re.fullmatch(r"score/(.+)", name):
        return title(score[1])
    level = re.fullmatch(r"(.+) ([<>]= \S+)", name)
    if level:
        return f"{title(level[1])} {level[2]}"
    # What stands in brackets is somebody's own name, and stays as it is.
    name = on_one_line(name)
    made = re.fullmatch(r"([^\[\]]+)\[(.+)\]", name)
    return f"{title(made[1])} [{made[2]}]" if made else re.sub(r"[_/]+", " ", name)


def failed_title(of: str) -> str:
    """What a failure is of, for people: `quality: clean_fid` -> `quality: clean-FID`."""
    if of == "cell":
        return "the whole cell"
    return ": ".join(title(part) for part in of.split(": "))


def is_quality(name: str, unit: str) -> bool:
    """Whether a measurement says how good the output is, and not what it costs."""
    return unit not in _PHYSICAL_UNITS and name not in _COST_OF_UNIT_ONE and name not in _AGREEMENT


def explain_flag(flag: str) -> str:
    """The flag with its meaning, where it is a known one."""
    for start, meaning in _FLAGS:
        if flag.startswith(start):
            return flag if meaning in flag else f"{flag} ({meaning})"
    return flag
