"""Latents of unconditional generators, and the pictures that show what lies between them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from benchbench.core.contracts import InputSpec
from benchbench.core.errors import OptionError
from benchbench.core.measurement import ImageRecord
from benchbench.training.draws import Draws
from benchbench.training.pixels import Values, to_pictures

_BETWEEN = 8


def latent_size(inputs: Sequence[InputSpec], recipe: str) -> int:
    """Numbers in one latent of a generator.

    Raises:
        OptionError: it takes something else than one latent vector.
    """
    shapes = [list(each.shape) for each in inputs]
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and not inputs[0].field:
        return int(inputs[0].shape[1])
    raise OptionError(
        f"recipe '{recipe}' trains a network of one latent vector, and this one takes {shapes}",
        expected="an input [1, latent]",
        fix="take a generator such as dcgan, or another recipe",
    )


class Latents:
    """Draws latents of one generator, and shows what it makes of fixed ones.

    Args:
        size: numbers in each.
        draws: of the training.
        values: the generator's range.
    """

    def __init__(self, size: int, draws: Draws, values: Values) -> None:
        self._size, self._draws, self._values = size, draws, values
        self._alone = draws.alone()

    def draw(self, step: int, purpose: str, count: int) -> torch.Tensor:
        """float32 [count, size], standard normal; of this process."""
        return self._draws.normal(step, purpose, count, self._size)

    def fixed(self, purpose: str, count: int) -> torch.Tensor:
        """float32 [count, size], standard normal; the same at every step and in every process."""
        return self._alone.normal(0, purpose, count, self._size)

    def grid(self, network: nn.Module, count: int) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """One picture of `count` samples, of the same latents every time."""
        if count:
            made = to_pictures(network(self.fixed("grid", count)), self._values)
            columns = math.ceil(math.sqrt(count))
            yield ImageRecord(path="", role="grid", caption=f"{count} samples"), tile(made, columns)

    def between(self, network: nn.Module, rows: int) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """Samples between two latents, a row for each pair, on the sphere that they lie near."""
        if rows:
            first, second = self.fixed("from", rows), self.fixed("to", rows)
            shares = torch.linspace(0, 1, _BETWEEN, device=first.device)
            path = torch.cat([slerp(first, second, float(share)) for share in shares])
            made = to_pictures(network(path), self._values)
            order = [step * rows + row for row in range(rows) for step in range(_BETWEEN)]
            caption = "between two latents, by spherical interpolation"
            yield ImageRecord(path="", role="interpolation", caption=caption), tile(made[order], _BETWEEN)

    def mixing(self, network: nn.Module, rows: int) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """Content of one latent and style of another, of a network that takes `style` (FastGAN)."""
        if rows:
            content, style = self.fixed("content", rows), self.fixed("style", rows)
            both = network(content.repeat_interleave(rows, 0), style=style.repeat(rows, 1))
            table, heads = (to_pictures(each, self._values) for each in (both, network(style)))
            side = to_pictures(network(content), self._values)
            lines = [torch.ones_like(heads[:1]), heads]
            for row in range(rows):
                lines += [side[row : row + 1], table[row * rows : (row + 1) * rows]]
            caption = "style of the first row, content of the first column"
            yield ImageRecord(path="", role="mixing", caption=caption), tile(torch.cat(lines), rows + 1)

    def walk(self, network: nn.Module, rows: int) -> Iterator[tuple[ImageRecord, torch.Tensor]]:
        """A straight walk through the space of latents, a row from each of them to the next.

        Source: Garg 2024, appendix A.8, for one stretch.
        """
        if rows:
            stops = self.fixed("walk", rows + 1)
            shares = torch.linspace(0, 1, _BETWEEN, device=stops.device)[None, :, None]
            path = torch.lerp(stops[:-1, None], stops[1:, None], shares).flatten(0, 1)
            made = to_pictures(network(path), self._values)
            caption = "a walk from one latent to the next, in straight lines"
            yield ImageRecord(path="", role="walk", caption=caption), tile(made, _BETWEEN)


def slerp(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """Spherical interpolation of rows [N, D] (White 2016); linear where two are parallel."""
    lengths = torch.linalg.vector_norm(first, dim=1) * torch.linalg.vector_norm(second, dim=1)
    angle = torch.arccos(((first * second).sum(dim=1) / lengths).clamp(-1, 1))[:, None]
    sine = torch.sin(angle)
    parallel = sine < 1e-6
    sine = sine.masked_fill(parallel, 1.0)
    on_sphere = (torch.sin((1 - share) * angle) * first + torch.sin(share * angle) * second) / sine
    return torch.where(parallel, (1 - share) * first + share * second, on_sphere)


def tile(pictures: torch.Tensor, columns: int) -> torch.Tensor:
    """[N, 3, H, W] as one picture of rows of `columns`; white where the last row ends early."""
    missing = -len(pictures) % columns
    whole = torch.cat([pictures, pictures.new_ones(missing, *pictures.shape[1:])])
    rows = [torch.cat(tuple(row), dim=2) for row in torch.split(whole, columns)]
    return torch.cat(rows, dim=1)
