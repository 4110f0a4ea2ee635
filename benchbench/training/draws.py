"""Random numbers of a step that are the same for any number of processes."""

from __future__ import annotations

import zlib

import torch

from benchbench.training.batches import mix_seed


class Draws:
    """What a task draws per example, from (seed, step, purpose) alone.

    Each process draws for the whole batch and keeps its own rows, as Batches deals images out: row i of
    process r belongs to image i * world + r.

    Args:
        seed: of the training.
        device: where the numbers go; they are drawn on the CPU, so that they are the same on every device.
        rank, world: which process this is, of how many.
    """

    def __init__(self, seed: int, device: torch.device, *, rank: int = 0, world: int = 1) -> None:
        self._seed, self._device = seed, device
        self._rank, self._world = rank, world

    def normal(self, step: int, purpose: str, count: int, *shape: int) -> torch.Tensor:
        """Standard normal float32 [count, *shape], of this process' rows.

        Args:
            step: of the training; 0 for what is fixed (the latents of samples).
            purpose: tells several draws of one step apart.
            count: examples of this process.
        """
        return self._mine(torch.randn((count * self._world, *shape), generator=self._at(step, purpose)))

    def uniform(self, step: int, purpose: str, count: int, *shape: int) -> torch.Tensor:
        """Uniform in [0, 1), float32 [count, *shape]; as `normal`."""
        return self._mine(torch.rand((count * self._world, *shape), generator=self._at(step, purpose)))

    def integers(self, step: int, purpose: str, count: int, *shape: int, high: int) -> torch.Tensor:
        """Whole numbers 0..high-1, int64 [count, *shape]; as `normal`."""
        whole = (count * self._world, *shape)
        return self._mine(torch.randint(high, whole, generator=self._at(step, purpose)))

    def number(self, step: int, purpose: str) -> float:
        """One number in [0, 1), the same in every process: what is decided for the whole batch."""
        return float(torch.rand((), generator=self._at(step, purpose)))

    def alone(self) -> Draws:
        """As one process alone draws: for pictures, which are the same for any number of processes."""
        return Draws(self._seed, self._device)

    def _at(self, step: int, purpose: str) -> torch.Generator:
        return torch.Generator().manual_seed(mix_seed(self._seed, step, zlib.crc32(purpose.encode())))

    def _mine(self, whole: torch.Tensor) -> torch.Tensor:
        return whole[self._rank :: self._world].to(self._device)
