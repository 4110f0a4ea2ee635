"""The machine's own roofs: multiply-accumulates and bytes per second that it reaches at best.

Source: Williams et al. 2009 (roofline).
"""

from __future__ import annotations

import torch
from torch.nn import functional

from benchbench.measures.latency.timers import Call, Timer

_ROUNDS = 5
_REPEATS = 8
_COPY_ELEMENTS = 16 * 2**20  # 64 MiB of float32: beyond the last-level cache


def measure_roofs(timer: Timer, device: torch.device) -> tuple[float, float]:
    """Best of a matrix product and a dense 3x3 convolution in MAC/s, and of a copy in bytes/s.

    Float32, at the current thread count; the copy counts bytes read and bytes written.
    """
    side = 4096 if device.type == "cuda" else 1024
    a, b = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    image = torch.randn(1, 128, 64, 64, device=device)
    kernel = torch.randn(128, 128, 3, 3, device=device)
    source = torch.ones(_COPY_ELEMENTS, device=device)
    target = torch.empty_like(source)
    product = side**3 / _best_s(timer, lambda: torch.mm(a, b))
    convolution = (
        128 * 128 * 9 * 64 * 64 / _best_s(timer, lambda: functional.conv2d(image, kernel, padding=1))
    )
    copy = 2 * source.numel() * source.element_size() / _best_s(timer, lambda: target.copy_(source))
    return max(product, convolution), copy


def _best_s(timer: Timer, call: Call) -> float:
    timer.end_to_end_s(call, 3)
    return max(min(_seconds(timer, call) / _REPEATS for _ in range(_ROUNDS)), 1e-12)


def _seconds(timer: Timer, call: Call) -> float:
    if timer.has_device_clock:
        return timer.device_s([call], [_REPEATS])[0]
    return timer.end_to_end_s(call, _REPEATS)
