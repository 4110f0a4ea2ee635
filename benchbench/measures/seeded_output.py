"""What a call returns, as shape, digest and a few values. Needs torch alone: an older tree can run it too."""

from __future__ import annotations

import dataclasses
import hashlib
import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_PROBES = 64
_DIGITS = 16


@dataclasses.dataclass(frozen=True, slots=True)
class SeededOutput:
    """See OutputRecord in core/measurement.py; the fields are its own."""

    shape: tuple[int, ...]
    digest: str
    probe: tuple[float, ...]
    made_with: dict[str, str | int]


def seeded_output(call: Callable[[], object], *, seed: int, device: str = "cpu") -> SeededOutput:
    """Call once in inference mode under `seed`, and describe what came back; no generator is left changed.

    Args:
        call: one inference of a network in eval mode.
        seed: for what the network draws itself.
        device: where it runs.

    Returns:
        Shape of the first tensor, digest of all, probe over all; complex numbers as pairs of real ones.

    Raises:
        TypeError: what came back holds no tensor, or something that is none of tensor, sequence, mapping,
            dataclass, number, text or None.
    """
    cuda = [torch.cuda.current_device()] if device == "cuda" else []
    with torch.random.fork_rng(devices=cuda), torch.inference_mode():
        torch.manual_seed(seed)
        found = list(_tensors(call(), ""))
        if not found:
            raise TypeError("the output holds no tensor")
        digest = hashlib.sha256()
        flat = []
        for place, tensor in found:
            values = _plain(tensor)
            digest.update(f"{place} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            digest.update(values.view(torch.uint8).numpy().tobytes())
            flat.append(torch.view_as_real(values).flatten() if values.is_complex() else values)
        return SeededOutput(
            shape=tuple(found[0][1].shape),
            digest=digest.hexdigest()[:_DIGITS],
            probe=_probe(flat),
            made_with={
                "torch": str(torch.__version__),
                "cpu": _cpu(),
                "threads": torch.get_num_threads(),
                "device": torch.cuda.get_device_name() if device == "cuda" else device,
            },
        )


def _tensors(value: object, place: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _tensors(each, f"{place}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _tensors(each, f"{place}.{index}")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for part in dataclasses.fields(value):
            yield from _tensors(getattr(value, part.name), f"{place}.{part.name}")
    elif isinstance(value, (bool, int, float, complex)):
        yield place, torch.tensor(value, dtype=torch.complex128 if isinstance(value, complex) else None)
    elif value is not None and not isinstance(value, (str, bytes)):
        raise TypeError(f"the output holds a {type(value).__name__}{f' at {place}' if place else ''}")


def _plain(tensor: Tensor) -> Tensor:
    dense = tensor.to_dense() if tensor.layout is not torch.strided else tensor
    whole = dense.int_repr() if dense.is_quantized else dense
    return whole.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)


def _probe(flat: list[Tensor]) -> tuple[float, ...]:
    total = sum(each.numel() for each in flat)
    count = min(_PROBES, total)
    chosen: list[float] = []
    before = 0
    for values in flat:
        wanted = [index * total // count - before for index in range(count)]
        inside = [index for index in wanted if 0 <= index < values.numel()]
        chosen += [float(each) for each in values[inside].tolist()] if inside else []
        before += values.numel()
    return tuple(chosen)


def _cpu() -> str:
    # Kernels are chosen by instruction set; the name alone may hide a virtual machine's.
    model: Any = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            names = [
                line.partition(":")[2].strip() for line in file if line.startswith(("model name", "Model"))
            ]
    except OSError:
        names = []
    return f"{names[0] if names else model}, {torch.backends.cpu.get_cpu_capability()}"
