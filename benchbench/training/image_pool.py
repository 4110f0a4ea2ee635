"""A pool of past images, so that a discriminator does not see the latest ones alone."""

from __future__ import annotations

import torch
from torch import distributed, nn

from benchbench.training.batches import mix_seed
from benchbench.training.draws import Draws


class ImagePool(nn.Module):
    """Keeps up to `size` images that a generator made; put it into a task's `kept`.

    Until it is full every image is kept and handed on. Then each one, at even odds, is handed on, or
    exchanged for a random kept one. With several processes each holds the same images, those of all
    processes in their order in the batch, so that their number changes nothing.

    Args:
        size: images; 0 hands all of them on.
        shape: of one image, [C, H, W].
        seed: of the training, mixed with `name`, which tells several pools apart.
        rank, world: which process this is, of how many.

    Source: Shrivastava et al. 2017, section 2.3 (half of a batch comes from the pool); Zhu et al. 2017,
    section 4: a pool of 50, and, in their code, one draw per image.
    """

    images: torch.Tensor
    filled: torch.Tensor

    def __init__(
        self, size: int, shape: tuple[int, ...], *, seed: int, name: str, rank: int = 0, world: int = 1
    ) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))
        self._name, self._rank, self._world = name, rank, world
        # Every process draws for the whole batch.
        self._draws = Draws(mix_seed(seed), torch.device("cpu"))

    @torch.no_grad()
    def exchange(self, made: torch.Tensor, *, step: int) -> torch.Tensor:
        """What a discriminator sees of `made`, [N, C, H, W] without gradients; N images of this process."""
        size = len(self.images)
        if size == 0:
            return made.detach()
        whole = self._gathered(made.detach())
        count, filled = len(whole), int(self.filled)
        kept_back = self._draws.uniform(step, f"{self._name} pool, exchanged", count).tolist()
        places = self._draws.integers(step, f"{self._name} pool, place", count, high=size).tolist()
        shown = whole.clone()
        for index in range(count):
            if filled < size:
                self.images[filled] = whole[index]
                filled += 1
            elif kept_back[index] < 0.5:
                shown[index] = self.images[places[index]]
                self.images[places[index]] = whole[index]
        self.filled.fill_(filled)
        return shown[self._rank :: self._world]

    def _gathered(self, made: torch.Tensor) -> torch.Tensor:
        if self._world == 1:
            return made
        parts = [torch.empty_like(made) for _ in range(self._world)]
        distributed.all_gather(parts, made.contiguous())
        return torch.stack(parts, dim=1).flatten(0, 1)
