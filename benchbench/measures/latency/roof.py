"""The machine's own roofs: multiply-accumulates and bytes per second that it reaches at best.

Source: Williams et al. 2009 (roofline); McCalpin 1995 (STREAM), whose copy counts what it reads and writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from benchbench.core.host import Cache
from benchbench.core.imports import told
from benchbench.core.roof import RoofFigure, RoofName
from benchbench.measures.latency.timers import Call, Timer

_WARMUP = 3
_ROUNDS = 5
_REPEATS = 8
_LEAST_COPY_BYTES = 64 * 2**20
# So much is copied in a block at least: one copy within a cache is too short for the clock.
_BLOCK_BYTES = 2**29
# The first call alone takes so much of its limit: a block of eight would not fit.
_SLOW_SHARE = 1 / 20
_FEW_THREADS = 8

_DTYPES: dict[RoofName, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True)
class Work:
    """One way to a roof: `amount` MACs or bytes per call, `how` in words, so many calls in a block."""

    how: str
    amount: int
    call: Call
    repeats: int = _REPEATS


def measure_roofs(timer: Timer, device: torch.device) -> tuple[float, float]:
    """Best of a matrix product and a dense 3x3 convolution in MAC/s, and of a copy in bytes/s.

    Float32, at the current thread count; the copy counts bytes read and bytes written.
    """
    compute = max(max(take_blocks(timer, work)) for work in float_work(torch.float32, device))
    return compute, max(take_blocks(timer, copy_work(_LEAST_COPY_BYTES, device)))


def measure_figures(
    timer: Timer, device: torch.device, caches: Sequence[Cache], *, rounds: int = 20, limit_s: float = 5.0
) -> Iterator[RoofFigure]:
    """Every roof of this machine at the current thread count, one after the other.

    Args:
        timer: of the device.
        device: where.
        caches: of the CPUs, or of the GPU, that take part; they decide how much is copied.
        rounds: blocks of each way to a roof.
        limit_s: after this long a way takes no further block; there are seven ways, ten on many threads.
    """

    def best_of(name: RoofName, ways: Callable[[], Sequence[Work]]) -> RoofFigure:
        try:
            taken = [(take_blocks(timer, work, rounds=rounds, limit_s=limit_s), work.how) for work in ways()]
        except (RuntimeError, AttributeError, TypeError) as error:
            # Each build of torch has operators for number formats of its own.
            return RoofFigure(name=name, reason=told(error))
        blocks, how = max(taken, key=lambda each: max(each[0]))
        return RoofFigure(name=name, blocks=blocks, how=how)

    for name, dtype in _DTYPES.items():
        yield best_of(name, lambda dtype=dtype: float_work(dtype, device))  # type: ignore[misc]
    yield best_of("int8", lambda: integer_work(device))
    yield best_of("memory", lambda: [copy_work(beyond_caches(caches), device)])
    within = within_cache(caches)
    if within is None:
        yield RoofFigure(name="cache", reason="the system does not say how large the second-level cache is")
    else:
        yield best_of("cache", lambda: [copy_work(within, device)])


def float_work(dtype: torch.dtype, device: torch.device) -> Sequence[Work]:
    """Matrix products and a dense 3x3 convolution: the two kinds that reach most."""
    image = torch.randn(1, 128, 64, 64, device=device).to(dtype)
    kernel = torch.randn(128, 128, 3, 3, device=device).to(dtype)
    return (
        *(_product(side, dtype, device) for side in _sides(device)),
        Work(
            "3x3 convolution, 128 to 128 channels at 64 x 64",
            128 * 128 * 9 * 64 * 64,
            lambda: functional.conv2d(image, kernel, padding=1),
        ),
    )


def _product(side: int, dtype: torch.dtype, device: torch.device) -> Work:
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return Work(f"matrix product of {side} x {side}", side**3, lambda: torch.mm(a, b))


def integer_work(device: torch.device) -> Sequence[Work]:
    """`torch._int_mm`: 8-bit whole numbers, added up in 32 bits."""
    return [_integer_product(side, device) for side in _sides(device)]


def _integer_product(side: int, device: torch.device) -> Work:
    a, b = (torch.randint(-128, 127, (side, side), dtype=torch.int8, device=device) for _ in range(2))
    return Work(f"torch._int_mm of {side} x {side}", side**3, lambda: torch._int_mm(a, b))


def copy_work(array_bytes: int, device: torch.device) -> Work:
    """A copy from one array of float32 to another, which reads `array_bytes` and writes as many."""
    source = torch.ones(array_bytes // 4, device=device)
    target = torch.empty_like(source)
    moved = 2 * source.numel() * source.element_size()
    how = f"copy of {array_bytes / 2**20:g} MiB, bytes read and bytes written"
    return Work(how, moved, lambda: target.copy_(source), max(_REPEATS, _BLOCK_BYTES // moved))


def beyond_caches(caches: Sequence[Cache]) -> int:
    """Bytes of an array that no cache keeps: two of them are four times the last level, STREAM's rule."""
    last = max((cache.level for cache in caches), default=0)
    kept = sum(cache.bytes * cache.count for cache in caches if cache.level == last)
    return max(_LEAST_COPY_BYTES, 2 * kept)


def within_cache(caches: Sequence[Cache]) -> int | None:
    """Bytes of an array of which two fill half of the second-level caches; None where there is none."""
    kept = sum(cache.bytes * cache.count for cache in caches if cache.level == 2)
    return kept // 4 or None


def take_blocks(
    timer: Timer, work: Work, *, rounds: int = _ROUNDS, limit_s: float | None = None
) -> tuple[float, ...]:
    """Work per second of each block of calls, after some that are not read.

    Args:
        timer: of the device.
        work: what a call does.
        rounds: blocks, fewer where they take longer than `limit_s`; at least one.
        limit_s: None: as many as said.
    """
    repeats = work.repeats
    began_s = timer.now_s()
    if limit_s is not None and timer.end_to_end_s(work.call, 1) > limit_s * _SLOW_SHARE:
        repeats = 1
    else:
        timer.end_to_end_s(work.call, _WARMUP)
    rates: list[float] = []
    for _ in range(rounds):
        rates.append(work.amount * repeats / max(_seconds(timer, work.call, repeats), 1e-12))
        if limit_s is not None and timer.now_s() - began_s > limit_s:
            break
    return tuple(rates)


def _sides(device: torch.device) -> Sequence[int]:
    if device.type == "cuda":
        return [4096]
    # A product that keeps two threads busy is over before many have begun.
    return [1024, 2048] if torch.get_num_threads() > _FEW_THREADS else [1024]


def _seconds(timer: Timer, call: Call, repeats: int) -> float:
    if timer.has_device_clock:
        return timer.device_s([call], [repeats])[0]
    return timer.end_to_end_s(call, repeats)
