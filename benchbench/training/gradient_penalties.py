"""Penalties on how fast a discriminator changes with its images."""

from __future__ import annotations

from collections.abc import Callable

import torch

Score = Callable[[torch.Tensor], torch.Tensor]
"""Images -> a number or a map per image.

In mixed precision, of the network out of its wrapping (training/networks.py, `unwrapped`): it is then in
float32, and Fabric lets nobody else take gradients through what it wraps. With several processes its
gradients are synchronised where the same loss has a term of the wrapped network as well.
"""


def wgan_gp(score: Score, real: torch.Tensor, fake: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Mean over images of (|gradient| - 1)^2, between real and made ones; a scalar without its weight.

    Args:
        real, fake: [N, C, H, W]; neither takes gradients.
        alpha: share of the real one in each image, uniform in 0..1, [N, 1, 1, 1].

    Source: Gulrajani et al. 2017, eq. 3. Of a map per image its sum's gradient is taken, as in StarGAN's
    released code.
    """
    between = (alpha * real + (1 - alpha) * fake).detach().requires_grad_()
    norms: torch.Tensor = torch.linalg.vector_norm(_gradients(score, between).flatten(1), dim=1)
    return (norms - 1).square().mean()


def r1(score: Score, real: torch.Tensor) -> torch.Tensor:
    """Mean over images of the gradient's squared norm at real ones; a scalar without gamma / 2.

    Source: Mescheder et al. 2018, eq. 9.
    """
    return _gradients(score, real.detach().requires_grad_()).flatten(1).square().sum(dim=1).mean()


def _gradients(score: Score, images: torch.Tensor) -> torch.Tensor:
    """Of every image's own score, [N, C, H, W], to be differentiated in turn."""
    with torch.enable_grad():
        (found,) = torch.autograd.grad(score(images).sum(), images, create_graph=True)
    return found
