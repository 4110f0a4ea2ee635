"""A small segmenter trained on the reference's own images and label maps, for where no other is to be had.

Its figures are no one else's: they are read beside its own score on real images that it never saw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from benchbench.core.errors import DataError, DivergedError
from benchbench.quality.segmentation import confusion, mean_iou, resize_nearest

Pair = tuple[torch.Tensor, NDArray[np.generic]]

IGNORE = 255
# Raised whenever the network, its training or what it is fed changes.
VERSION = 1
FEWEST_PAIRS = 5
_HELD_OUT = 5
_BATCH = 8
_LEARNING_RATE = 3e-3


@dataclass(frozen=True, slots=True)
class Training:
    """How the network is made; `side` is a multiple of 4."""

    classes: int
    steps: int
    seed: int
    side: int
    width: int


class SmallUnet(nn.Module):
    """Three scales with shortcuts between the two halves (Ronneberger et al. 2015), group-normalised."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.down1 = _block(3, width)
        self.down2 = _block(width, 2 * width)
        self.bottom = _block(2 * width, 4 * width)
        self.up2 = _block(6 * width, 2 * width)
        self.up1 = _block(3 * width, width)
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, 3, H, W] around 0, sides multiples of 4 -> logits [N, classes, H, W]."""
        fine = self.down1(images)
        middle = self.down2(F.max_pool2d(fine, 2))
        coarse = self.bottom(F.max_pool2d(middle, 2))
        middle = self.up2(torch.cat([F.interpolate(coarse, scale_factor=2.0), middle], dim=1))
        fine = self.up1(torch.cat([F.interpolate(middle, scale_factor=2.0), fine], dim=1))
        logits: torch.Tensor = self.head(fine)
        return logits


def prepare_images(images: torch.Tensor, side: int) -> torch.Tensor:
    """float32 [N, 3, H, W] in 0..255 -> what the network takes, [N, 3, side, side] in -1..1."""
    if images.shape[-2:] != (side, side):
        images = F.interpolate(images, (side, side), mode="bilinear", align_corners=False, antialias=True)
    return images / 127.5 - 1


def train_segmenter(
    pairs: Sequence[Pair], training: Training, say: Callable[[str], None]
) -> tuple[SmallUnet, float]:
    """The trained network, and its mIoU on the fifth of the pairs that it did not see.

    Always on one thread of the CPU, from a generator of its own: on one machine the same pairs, in any
    order, and the same settings give the same network to the last bit.

    Raises:
        DataError: fewer than five pairs that differ, a label map of other values or another size.
        DivergedError: the loss is no number.
    """
    threads = torch.get_num_threads()
    # Sums over several threads are added up in another order for another number of them.
    torch.set_num_threads(1)
    try:
        return _train(*_stack(pairs, training), training, say)
    finally:
        torch.set_num_threads(threads)


def _train(
    images: torch.Tensor, maps: torch.Tensor, training: Training, say: Callable[[str], None]
) -> tuple[SmallUnet, float]:
    generator = torch.Generator().manual_seed(training.seed)
    order = torch.randperm(len(images), generator=generator)
    held_out = max(1, len(order) // _HELD_OUT)
    test, train = order[:held_out], order[held_out:]
    network = _initialised(training, generator)
    weights = _class_weights(maps[train], training.classes)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=_LEARNING_RATE, total_steps=training.steps + 1
    )
    for step in range(1, training.steps + 1):
        chosen = train[torch.randint(len(train), (min(_BATCH, len(train)),), generator=generator)]
        batch, truth = images[chosen], maps[chosen]
        if torch.rand((), generator=generator) < 0.5:
            batch, truth = batch.flip(-1), truth.flip(-1)
        # A map without a scored pixel makes the mean 0/0.
        logits = network(batch)
        loss = F.cross_entropy(logits, truth, weights, ignore_index=IGNORE, reduction="sum")
        loss = loss / (truth != IGNORE).sum().clamp(min=1)
        if not torch.isfinite(loss):
            raise DivergedError(f"local segmenter: the loss is {loss.item()} at step {step}")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == training.steps:
            say(f"local segmenter: step {step} of {training.steps}, loss {loss.item():.3f}")
    network.requires_grad_(requires_grad=False).eval()
    return network, _score(network, images[test], maps[test], training.classes)


def expected_state(training: Training) -> dict[str, torch.Size]:
    """Names and shapes of the network's tensors."""
    with torch.device("meta"):
        network = SmallUnet(training.classes, training.width)
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def _score(network: SmallUnet, images: torch.Tensor, maps: torch.Tensor, classes: int) -> float:
    counts = np.zeros((classes, classes), dtype=np.int64)
    with torch.inference_mode():
        for image, truth in zip(images, maps, strict=True):
            predicted = network(image[None]).argmax(dim=1)[0]
            counts += confusion(predicted.numpy(), truth.numpy(), classes, ignore=IGNORE)
    return mean_iou(counts).value


def _stack(pairs: Sequence[Pair], training: Training) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and maps at the network's size, in an order that their content alone decides."""
    found: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    side = training.side
    for index, (image, label_map) in enumerate(pairs):
        values = resize_nearest(np.asarray(label_map), tuple(label_map.shape))
        values[values < 0] = IGNORE
        strange = values[(values != IGNORE) & (values >= training.classes)]
        if image.shape[-2:] != values.shape or strange.size:
            raise DataError(
                f"local segmenter: pair {index}: "
                + (
                    f"{strange[0]} is no class"
                    if strange.size
                    else f"image {list(image.shape[-2:])} against label map {list(values.shape)}"
                ),
                expected=f"label maps of their image's size, of 0 to {training.classes - 1} and {IGNORE}",
                fix="set 'classes', or map label ids to classes",
            )
        digest = hashlib.sha256(image.contiguous().numpy().tobytes() + values.tobytes())
        found[digest.hexdigest()] = (
            prepare_images(image[None].float(), side)[0],
            torch.from_numpy(resize_nearest(values, (side, side))),
        )
    if len(found) < FEWEST_PAIRS:
        raise DataError(
            f"local segmenter: {len(found)} different pairs of image and label map",
            expected=f"at least {FEWEST_PAIRS}: a fifth of them is held out",
        )
    images, maps = zip(*(found[key] for key in sorted(found)), strict=True)
    stacked = torch.stack(maps)
    if not (stacked != IGNORE).flatten(1).any(dim=1).all():
        raise DataError("local segmenter: a label map without any class", expected="a class in each")
    return torch.stack(images), stacked


def _class_weights(maps: torch.Tensor, classes: int) -> torch.Tensor:
    """Rare classes weigh more, within bounds (Paszke et al. 2016, ENet: 1 / ln(1.02 + share))."""
    counts = torch.bincount(maps[maps != IGNORE], minlength=classes).double()
    return (1 / (1.02 + counts / counts.sum()).log()).float()


def _initialised(training: Training, generator: torch.Generator) -> SmallUnet:
    """He et al. 2015's normal weights, zero biases, ones and zeros for the normalisations."""
    with torch.device("meta"):
        network = SmallUnet(training.classes, training.width)
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                drawn = torch.randn(module.weight.shape, generator=generator, dtype=torch.float64)
                module.weight.copy_(drawn * (2 / drawn[0].numel()) ** 0.5)
                if module.bias is not None:
                    module.bias.zero_()
            elif isinstance(module, nn.GroupNorm):
                module.reset_parameters()
    return network


def _block(channels: int, planes: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for given in (channels, planes):
        parts += [nn.Conv2d(given, planes, 3, padding=1, bias=False), nn.GroupNorm(4, planes), nn.ReLU()]
    return nn.Sequential(*parts)
