"""Batch norm over the images of all processes, so that several learn what one does."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import nn


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of every process' images together; each has as many. In eval mode it is as any other.

    torch.nn.SyncBatchNorm does the same on GPUs alone.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> the same."""
        if not self.training:
            return super().forward(images)
        x = images.float()
        mean = _over_processes(x.mean(dim=(0, 2, 3)))
        centred = x - mean[:, None, None]
        variance = _over_processes(centred.square().mean(dim=(0, 2, 3)))
        self._remember(mean.detach(), variance.detach(), x.numel() // len(mean) * dist.get_world_size())
        made = centred * (variance + self.eps).rsqrt()[:, None, None]
        if self.affine:
            made = made * self.weight[:, None, None] + self.bias[:, None, None]
        return made.to(images.dtype)

    @torch.no_grad()
    def _remember(self, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance * count / (count - 1), share)


class _OverProcesses(torch.autograd.Function):
    """The mean over processes. Gradients of each one's loss come back from all, as their mean."""

    @staticmethod
    def forward(context: Any, value: torch.Tensor) -> torch.Tensor:
        return _mean(value)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        return _mean(gradient)


def _over_processes(value: torch.Tensor) -> torch.Tensor:
    # torch's stubs leave `apply` untyped.
    made: torch.Tensor = _OverProcesses.apply(value)  # type: ignore[no-untyped-call]
    return made


def _mean(value: torch.Tensor) -> torch.Tensor:
    made = value.contiguous().clone()
    dist.all_reduce(made)
    return made / dist.get_world_size()


def synchronise(network: nn.Module) -> None:
    """Make the batch norms of pictures inside a network those of all processes, in place.

    Weights and running means are the same tensors under the same names.
    """
    for parent in list(network.modules()):
        for name, layer in parent.named_children():
            if type(layer) is not nn.BatchNorm2d:
                continue
            made = SynchronisedBatchNorm2d(
                layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
            )
            made._parameters, made._buffers = layer._parameters, layer._buffers
            setattr(parent, name, made.train(layer.training))
