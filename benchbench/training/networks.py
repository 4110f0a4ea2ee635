"""Networks as tasks use them: frozen for a step, averaged over steps, out of Fabric's wrapping."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from lightning_fabric.wrappers import _FabricModule
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def unwrapped(network: nn.Module) -> nn.Module:
    """The network itself: Fabric and DDP wrap it, and names must be the same with and without them."""
    while isinstance(network, (_FabricModule, DistributedDataParallel)):
        network = network.module
    return network


@contextmanager
def frozen(network: nn.Module) -> Iterator[nn.Module]:
    """The network, for losses of another one: its weights take no gradients and are not synchronised.

    Keep the block open until the loss was yielded: gradients are taken while it is.
    """
    changed = [each for each in network.parameters() if each.requires_grad]
    with ExitStack() as stack:
        for part in network.modules():
            if isinstance(part, DistributedDataParallel):
                stack.enter_context(part.no_sync())
        for each in changed:
            each.requires_grad_(False)
        try:
            yield network
        finally:
            for each in changed:
                each.requires_grad_(True)


def freeze_unused(network: nn.Module, *inputs: torch.Tensor) -> None:
    """Weights that what the network makes of `inputs` does not depend on take no gradients from now on.

    With several processes all gradients are waited for: those of a head that a full-size picture does not
    use never come.
    """
    weights = [each for each in network.parameters() if each.requires_grad]
    was_training = network.training
    network.eval()
    try:
        with torch.enable_grad():
            found = torch.autograd.grad(network(*inputs).sum(), weights, allow_unused=True)
    finally:
        network.train(was_training)
    for weight, gradient in zip(weights, found, strict=True):
        weight.requires_grad_(gradient is not None)


class Averaged(nn.Module):
    """Running average of a network's weights; put it into a task's `kept`.

    Args:
        network: whose weights; its buffers (running means of norms) are copied as they are.
        decay: of each step, or
        half_life_images: the number of images after which a weight counts half (StyleGAN: 10,000).

    Source: Yazici et al. 2019, eq. 1; Karras et al. 2018, appendix A.
    """

    def __init__(self, network: nn.Module, *, decay: float | None = None, half_life_images: float = 10_000):
        super().__init__()
        self.network = copy.deepcopy(unwrapped(network)).requires_grad_(False)
        self._decay, self._half_life = decay, half_life_images

    @torch.no_grad()
    def update(self, network: nn.Module, *, images: int) -> None:
        """After a step on `images` images, over all processes."""
        decay = self._decay if self._decay is not None else 0.5 ** (images / self._half_life)
        source = unwrapped(network)
        ours = [each.detach() for each in self.network.parameters()]
        torch._foreach_lerp_(ours, [each.detach() for each in source.parameters()], 1 - decay)
        for mine, other in zip(self.network.buffers(), source.buffers(), strict=True):
            mine.copy_(other)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """What the averaged network makes."""
        made: torch.Tensor = self.network(*inputs)
        return made


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; each network comes back in the mode that it was in."""
    before = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for network, was in zip(networks, before, strict=True):
            network.train(was)
