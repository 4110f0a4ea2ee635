"""Path length regularisation of StyleGAN2: a step in the styles changes the picture by a fixed amount."""

from __future__ import annotations

import torch
from torch import distributed, nn

from benchbench.core.errors import OptionError
from benchbench.training.networks import unwrapped


class PathLength(nn.Module):
    """The penalty with the running mean of path lengths that it pulls towards; part of a task's `kept`.

    Args:
        decay: how much of a batch's mean comes into the running one.
        world: how many processes there are; all have the mean over all of their images.

    Source: Karras et al. 2020, "Analyzing and improving the image quality of StyleGAN", eq. 4 and appendix B.
    A length is that of eq. 4 over the root of (pixels times layers that a style rules), so that the weight
    of appendix B, ln 2 / (r^2 (ln r - ln 2)) at r x r pixels, is 2 at every size: their network has
    2 log2 r - 2 such layers. The released code takes every layer's gradient by itself and the mean of
    their squares; this is the gradient of the one style, which is their sum.
    """

    mean: torch.Tensor

    def __init__(self, *, decay: float = 0.01, world: int = 1) -> None:
        super().__init__()
        self._decay, self._world = decay, world
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, network: nn.Module, latents: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Mean of (|J^T y| - a)^2, a scalar.

        Args:
            network: makes images of latents; the gradient is of what its submodule `mapping` makes.
            latents: [N, latent].
            noise: y, standard normal, of the images' shape.
        """
        styles: list[torch.Tensor] = []
        bare = unwrapped(network)
        mapping = require_mapping(bare)
        handle = mapping.register_forward_hook(lambda _, __, made: styles.append(made))
        try:
            images = bare(latents)
        finally:
            handle.remove()
        height, width = images.shape[-2:]
        product = (images * noise).sum() / (height * width * getattr(bare, "style_layers", 1)) ** 0.5
        (gradient,) = torch.autograd.grad(product, styles[0], create_graph=True)
        lengths = gradient.square().sum(dim=1).sqrt()
        seen = lengths.detach().mean()
        if self._world > 1:
            distributed.all_reduce(seen)
            seen = seen / self._world
        target = self.mean + self._decay * (seen - self.mean)
        self.mean.copy_(target)
        return (lengths - target).square().mean()


def require_mapping(network: nn.Module) -> nn.Module:
    """The mapping network of a style-based generator.

    Raises:
        OptionError: it has none.
    """
    mapping = getattr(network, "mapping", None)
    if not isinstance(mapping, nn.Module):
        raise OptionError(
            f"path length is of a network's styles, and {type(network).__name__} has no 'mapping'",
            fix="path_weight: 0, or a style-based generator",
        )
    return mapping
